"""A group-relative learner: no critic, answers to one prompt are compared with each other (GRPO, arXiv 2402.03300).

Environments `i G .. i G + G - 1` are a group: they were given the same prompt. An unroll is an answer, its score `R_b`
the sum of its rewards, and the advantage of each of its rows (equation 3 of the paper, with the floor of the issue's
spec, which keeps groups that all but agree from shouting)

    A_b = (R_b - mean_g R) / (std_g R + floor)

With `credit: to_go` a row is not paid for what was before it: `A_tb = (G_tb - mean_g G_t) / (std_g R + floor)`, where
`G_tb` are the rewards from row t on and the mean is over those of the group that still answer at row t. That is what
dense rewards are for, as the paper's process supervision (section 4.1.3).

The loss is a mean over the rows where the policy had a choice (per token, as DAPO, arXiv 2503.14476, and not per
answer):

    -min(w A, clip(w, 1 - clip_range, 1 + clip_range) A)  +  kl_cost (exp(d) - d - 1)  -  entropy_cost H[pi]

with `w = pi(a)/mu(a)` and `d = log ref(a) - log pi(a)`, an estimate of KL(pi, ref) that is never negative (equation 4).
The reference is the policy as it was when training began, and is saved with the agent's state. Rows in which only one
action was legal are a prompt that is being read: log pi is 0 there, and nothing is learnt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl import ops
from jaxrl.agents.acting import Behaviour
from jaxrl.agents.actor_critic import ActorCriticConfig, make_agent
from jaxrl.agents.exploration import Controller, Temperature
from jaxrl.agents.losses import read_rows
from jaxrl.agents.unrolling import Network, whole
from jaxrl.config.ranges import HUGE, TINY, AtLeast, Between
from jaxrl.errors import ConfigError
from jaxrl.ops.rewards import RewardTransform
from jaxrl.types import Agent, Array, EnvSpec, Key, Learnt, Metrics, Params, TrainState, Trajectory


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hypers:
    """Floats that a sweep may touch: those of an actor-critic without what belongs to a critic.

    Args:
        learning_rate: peak step size.
        weight_decay: of AdamW, follows the learning rate's schedule.
        temperature: of the policy `softmax(logits / temperature)`.
        entropy_cost: weight of the entropy bonus.
        reward_scale: factor on transformed rewards.
        clip_range: the ratio is clipped to 1 -+ this.
        kl_cost: weight of the KL divergence to the policy that training began with.
        floor: added to the deviation of a group's scores, in units of transformed reward.
    """

    learning_rate: Annotated[float, Between(0, HUGE)] = 1e-4
    weight_decay: Annotated[float, Between(0, HUGE)] = 0.0
    temperature: Temperature = 1.0
    entropy_cost: float = 0.0
    reward_scale: float = 1.0
    clip_range: Annotated[float, Between(TINY, HUGE)] = 0.2
    kl_cost: Annotated[float, Between(0, HUGE)] = 0.05
    floor: Annotated[float, Between(TINY, HUGE)] = 0.05

    @property
    def discount_factor(self) -> float:
        """An answer is paid as a whole."""
        return 1.0


@dataclass(frozen=True)
class Config(ActorCriticConfig):
    """Group-relative policy optimisation; set runtime.policy_lag to 0.

    Args:
        group_size: environments side by side that are given the same prompt; must divide their number.
        credit: what a row is paid: the score of the whole `answer`, or the rewards `to_go` from it on.
    """

    hypers: Hypers = field(default_factory=Hypers)
    reward_transform: RewardTransform = "identity"
    group_size: Annotated[int, AtLeast(2)] = 8
    credit: Literal["answer", "to_go"] = "answer"


class Kept(NamedTuple):
    """`TrainState.agent_state`: the behaviour family's, and the parameters of the reference."""

    controller: Controller
    reference: Params


class Estimates(NamedTuple):
    """What stays as it is through the steps of an update; leaves [T, B]."""

    temperature: jax.Array  # at which the sample acted
    coordinates: tuple[jax.Array, ...]  # of what it acted with, as in `Drawn`
    reference: jax.Array  # log ref(a)
    advantage: jax.Array


def advantages(reward: Array, mask: Array, config: Config, floor: Any) -> jax.Array:
    """Advantages [T, B] of rewards [T, B] over the rows where `mask`, 0 elsewhere.

    Raises:
        ConfigError: B is no whole number of groups.
    """
    time, batch = reward.shape
    if batch % config.group_size:
        raise ConfigError(
            f"agent.group_size {config.group_size} must divide the number of environments in a batch, {batch}"
        )
    reward = jnp.where(mask, reward, 0).reshape(time, -1, config.group_size)
    alive = jnp.asarray(mask).reshape(reward.shape)
    score = jnp.sum(reward, 0)
    deviation = jnp.std(score, axis=-1, keepdims=True) + floor
    if config.credit == "answer":
        centred = jnp.broadcast_to(score - jnp.mean(score, axis=-1, keepdims=True), reward.shape)
    else:
        to_go = jnp.cumsum(reward[::-1], 0)[::-1]
        count = jnp.maximum(jnp.sum(alive, axis=-1, keepdims=True), 1)
        centred = to_go - jnp.sum(jnp.where(alive, to_go, 0), axis=-1, keepdims=True) / count
    return jnp.where(alive, centred / deviation, 0).reshape(time, batch)


def choices(trajectory: Trajectory) -> jax.Array:
    """Where an action was chosen and not forced, bool [T, B]: neither a prompt nor an auto-reset."""
    mask = jnp.asarray(trajectory.mask)
    return mask if trajectory.legal is None else mask & (jnp.sum(trajectory.legal[:-1], axis=-1) > 1)


def divergence(
    trajectory: Trajectory, reference_logits: Array, temperature: float | jax.Array = 1.0
) -> tuple[jax.Array, jax.Array]:
    """How far who acted was from a reference with these logits [T, B, A] at a temperature: `d = log mu(a) - log ref(a)`
    where an action was chosen, else 0, [T, B]; and the mean of `exp(-d) + d - 1` over the choices, an estimate of
    KL(mu, ref)."""
    legal = None if trajectory.legal is None else trajectory.legal[:-1]
    reference = ops.log_prob(ops.softmax_policy(reference_logits, temperature, legal), trajectory.action)
    chosen = choices(trajectory)
    apart = jnp.where(chosen, ops.log_prob(trajectory.behaviour_logits, trajectory.action) - reference, 0)
    return apart, ops.masked_mean(jnp.exp(-apart) + apart - 1, chosen)


def loss(
    params: Params, hypers: Hypers, trajectory: Trajectory, *, config: Config, network: Network
) -> tuple[jax.Array, Metrics]:
    """What the top of this file says, with `advantage` and `reference` from `trajectory.extras`."""
    rows, found = read_rows(params, hypers, trajectory, config, network), trajectory.extras
    rows = dataclasses.replace(rows, mask=choices(trajectory))
    policy_loss, clipped = rows.clipped_policy_loss(found.advantage, hypers.clip_range)
    apart = jnp.where(rows.mask, found.reference - rows.log_pi, 0)
    divergence = ops.masked_mean(jnp.exp(apart) - apart - 1, rows.mask)
    total, metrics = rows.weigh(
        jnp.inf,
        policy=(1, policy_loss),
        kl=(hypers.kl_cost, divergence),
        entropy=(hypers.entropy_cost, rows.entropy_loss()),
    )
    return total, {**metrics, "policy/clipped": clipped}


def make(config: Config, network: Network, spec: EnvSpec, num_updates: int) -> Agent:
    """The agent; `num_updates` is the length of the learning-rate schedule.

    Raises:
        ConfigError: a setting of critics is set.
    """
    for name, plain in {
        "normalise_observations": False,
        "normalise_rewards": False,
        "value_transform": "identity",
    }.items():
        if getattr(config, name) != plain:
            raise ConfigError(
                f"agent.{name} is for agents with a critic; group compares answers with each other and with its first "
                "policy, which saw the observations as they are: leave it out"
            )

    def estimate(params: Params, hypers: Hypers, trajectory: Trajectory, **_: Any) -> Estimates:
        temperature, coordinates, reference = trajectory.extras
        reward = ops.transform_reward(trajectory.reward, config.reward_transform, hypers.reward_scale)
        return Estimates(temperature, coordinates, reference, advantages(reward, trajectory.mask, config, hypers.floor))

    agent = make_agent(loss, config, network, spec, num_updates, estimate=estimate)

    def init(key: Key) -> TrainState:
        state = agent.init(key)
        return state.replace(agent_state=Kept(state.agent_state, jax.tree.map(jnp.copy, state.params)))

    def publish(of: Any, state: TrainState) -> Behaviour:
        return of(state.replace(agent_state=state.agent_state.controller))

    def update(state: TrainState, trajectory: Trajectory, past: Sequence[Trajectory] = ()) -> Learnt:
        kept: Kept = state.agent_state
        rows = read_rows(kept.reference, state.hypers, whole(trajectory), config, network)
        # In the place of `Drawn.discounted`, which only agents that normalise rewards fill.
        extras = trajectory.extras._replace(discounted=jax.lax.stop_gradient(rows.log_pi))
        state, metrics = agent.update(
            state.replace(agent_state=kept.controller), trajectory._replace(extras=extras), past
        )
        return state.replace(agent_state=kept._replace(controller=state.agent_state)), metrics

    return agent._replace(
        init=jax.jit(init),
        publish=partial(publish, agent.publish),
        publish_greedy=partial(publish, agent.publish_greedy),
        update=update,
    )
