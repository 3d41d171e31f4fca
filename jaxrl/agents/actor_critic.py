"""The actor-critic that `casa`, `impala`, `a2c` and `ppo` are: its settings, and the agent around a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import ops
from jaxrl.agents import exploration
from jaxrl.agents.acting import Acting, Behaviour, act, look, preference_scale, standardise
from jaxrl.agents.exploration import ExplorationConfig, Temperature, TemperatureFactor
from jaxrl.agents.optimiser import OptimiserConfig
from jaxrl.agents.replay_buffer import ReplayConfig
from jaxrl.agents.unrolling import Network, warm_up, whole
from jaxrl.agents.updating import init_state, make_update, side_by_side
from jaxrl.config.ranges import HUGE, TINY, AtLeast, Between
from jaxrl.errors import ConfigError
from jaxrl.ops import moments
from jaxrl.ops.policies import ContinuousPolicy
from jaxrl.ops.rewards import RewardTransform
from jaxrl.ops.values import ValueTransform
from jaxrl.types import Agent, EnvSpec, Key, Learnt, Metrics, Params, PyTree, TrainState, Trajectory

Clip = Annotated[float, AtLeast(TINY)]  # upper bound of an importance ratio


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ActorCriticHypers:
    """Floats that a sweep may touch; every agent's `Hypers` add to them or change their defaults.

    Args:
        learning_rate: peak step size.
        weight_decay: of AdamW, follows the learning rate's schedule.
        discount_factor: per env step.
        temperature: of the policy `softmax(logits / temperature)`.
        value_cost: weight of the value's regression.
        entropy_cost: weight of the entropy bonus.
        reward_scale: factor on transformed rewards.
    """

    learning_rate: Annotated[float, Between(0, HUGE)] = 5e-4
    weight_decay: Annotated[float, Between(0, HUGE)] = 0.0
    discount_factor: Annotated[float, Between(0, 1)] = 0.99
    temperature: Temperature = 1.0
    value_cost: float = 0.5
    entropy_cost: float = 0.01
    reward_scale: float = 1.0


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class OffPolicyHypers(ActorCriticHypers):
    """What a trace with clipped importance ratios adds.

    Args:
        rho_clip: upper bound of the importance ratio.
        c_clip: upper bound of the trace's ratio; above rho_clip it is rho_clip.
        trace_lambda: decay of the trace, `c = trace_lambda min(ratio, c_clip, rho_clip)`, as in Retrace(lambda).
    """

    rho_clip: Clip = 1.0
    c_clip: Clip = 1.0
    trace_lambda: Annotated[float, Between(0, 1)] = 1.0


@dataclass(frozen=True)
class ActorCriticConfig:
    """What every actor-critic can be told; its own `Config` says what its `hypers` are.

    Args:
        hypers: floats; see below.
        optimiser: see below.
        reward_transform: `clip` to [-1, 1], the CASA authors' `log`, or `identity`.
        num_epochs: how often each sample is trained.
        num_minibatches: gradient steps per epoch; must divide the number of environments.
        temperature_factor: multiply the policy term by the temperature, so that the policy gradient has the same size
            at the logits for every temperature.
        exploration: see below.
        continuous_policy: of a continuous action; `gaussian`, of which the environment cuts what leaves its bounds, or
            `squashed` into them by tanh.
        value_transform: `identity`, or `rescale` to let the network predict h(V), about the root of V.
        normalise_observations: show the network each number in standard deviations from its mean, of all that was seen
            before the update, at most 10.
        normalise_rewards: divide rewards by the standard deviation of the discounted return so far, at most 10; it is
            that of `hypers.discount_factor` as the config has it. Use it with `reward_transform: identity`.
    """

    hypers: Any
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    reward_transform: RewardTransform = "clip"
    num_epochs: Annotated[int, AtLeast(1)] = 1
    num_minibatches: Annotated[int, AtLeast(1)] = 1
    temperature_factor: TemperatureFactor = False
    exploration: ExplorationConfig = field(default_factory=ExplorationConfig)
    continuous_policy: ContinuousPolicy = "gaussian"
    value_transform: ValueTransform = "identity"
    normalise_observations: bool = False
    normalise_rewards: bool = False


class Seen(NamedTuple):
    """`TrainState.moments` of an agent that normalises; () what it leaves as it is."""

    observation: PyTree = ()  # of `Moments`, one for each array
    discounted: PyTree = ()  # `Moments` [] of the discounted return so far


@dataclass(frozen=True)
class OffPolicyConfig(ActorCriticConfig):
    """What only an agent that corrects for old policies can be told.

    Args:
        burn_in: rows at the start of an unroll that only warm a recurrent core's memory: no loss, no gradient.
        replay: see below.
    """

    burn_in: Annotated[int, AtLeast(0)] = 0
    replay: ReplayConfig = field(default_factory=ReplayConfig)


def make_agent(
    loss: Callable[..., tuple[jax.Array, Metrics]],
    config: ActorCriticConfig,
    network: Network,
    spec: EnvSpec,
    num_updates: int,
    *,
    burn_in: int = 0,
    estimate: Callable[..., Any] | None = None,
) -> Agent:
    """An agent that acts by the family of `config.exploration` and learns by `loss`.

    `TrainState.agent_state` is the family's controller. The loss sees the rows after the first `burn_in`; the
    controller and the metrics of behaviour those of the fresh trajectory, all of them.

    Args:
        loss: of (parameters, hypers, trajectory, config=, network=); its metrics are averaged over gradient steps.
        config: its `hypers` have `learning_rate`, `weight_decay` and `temperature`.
        num_updates: length of the learning-rate schedule.
        burn_in: rows that only warm the memory of a recurrent network.
        estimate: of the arguments of `loss`, before the first gradient step of an update: what the loss finds in
            `trajectory.extras`, leaves [T, B, ...], where its targets do not follow the parameters from step to step.
    """
    normalises = config.normalise_observations or config.normalise_rewards
    _check_policy(config, spec)
    distribution = ops.distribution_of(spec.bounds is not None, config.continuous_policy)
    family = exploration.make_exploration(config.exploration, distribution)

    def init(key: Key) -> TrainState:
        observation = spec.blank(1)
        state = init_state(network, config.optimiser, config.hypers, observation, key)
        state = state.replace(agent_state=family.init(jax.random.fold_in(key, exploration.DRAW_STREAM)))
        return state.replace(moments=_nothing_seen(config, spec)) if normalises else state

    def publish(state: TrainState) -> Behaviour:
        scale = jnp.asarray(preference_scale(state.hypers), jnp.float32)
        seen = state.moments.observation if normalises else ()
        return Behaviour(state.params, scale, state.hypers.temperature, state.agent_state, jnp.asarray(False), seen)

    def publish_greedy(state: TrainState) -> Behaviour:
        return publish(state)._replace(greedy=jnp.asarray(True))

    def initial_actor_state(num_envs: int) -> Acting:
        discounted = jnp.zeros(num_envs) if config.normalise_rewards else ()
        return Acting(exploration.initial_drawn(family, num_envs), network.initial_memory(num_envs), discounted)

    def loss_after_burn_in(params: Params, hypers: Any, trajectory: Trajectory) -> tuple[jax.Array, Metrics]:
        return loss(params, hypers, warm_up(network, params, trajectory, burn_in), config=config, network=network)

    improve = make_update(
        loss_after_burn_in,
        config.optimiser,
        num_epochs=config.num_epochs,
        num_minibatches=config.num_minibatches,
        num_updates=num_updates,
    )

    def update(state: TrainState, trajectory: Trajectory, past: Sequence[Trajectory] = ()) -> Learnt:
        if normalises:
            state = state.replace(moments=_add_returns(state.moments, trajectory))
        parts = [_normalised(state.moments, part) if normalises else part for part in (trajectory, *past)]
        batch = side_by_side(parts, config.num_minibatches) if past else parts[0]
        if estimate is not None:
            extras = estimate(state.params, state.hypers, whole(batch), config=config, network=network)
            batch = batch._replace(extras=jax.lax.stop_gradient(extras))
        state, metrics = improve(state, batch)
        if normalises:  # only now: what acted saw with the moments of before, and so must what learns from it
            state = state.replace(moments=_add_observations(state.moments, trajectory))
        controller = family.update(state.agent_state, trajectory.extras, trajectory.episode_return, trajectory.last)
        if not isinstance(state.progress, tuple):
            state = state.replace(progress=state.progress + trajectory.mask.mean(dtype=jnp.float32))
        return state.replace(agent_state=controller), {
            **metrics,
            **exploration.exploration_metrics(trajectory, family.distribution),
        }

    return Agent(
        init=jax.jit(init),  # one program: operation by operation it would take twice as long to compile
        publish=publish,
        publish_greedy=publish_greedy,
        initial_actor_state=initial_actor_state,
        act=partial(act, network, family, float(config.hypers.discount_factor)),
        update=update,
        look=partial(look, network, config.value_transform),
        takes_frames=not config.normalise_observations,  # whose moments are those of what the network is shown
    )


def _check_policy(config: ActorCriticConfig, spec: EnvSpec) -> None:
    """Raises a `ConfigError` of one sentence where the action is not what `continuous_policy` is for."""
    if config.continuous_policy == "gaussian":
        return
    if spec.bounds is None:
        raise ConfigError(
            "agent.continuous_policy is of continuous actions, and the environment's are discrete; leave it out"
        )
    if not np.isfinite(spec.bounds).all():
        raise ConfigError(
            "agent.continuous_policy squashed needs an action that is bounded on both sides; set it to gaussian"
        )


def _nothing_seen(config: ActorCriticConfig, spec: EnvSpec) -> Seen:
    observation = moments.like(spec.observation) if config.normalise_observations else ()
    return Seen(observation, moments.no_moments(()) if config.normalise_rewards else ())


def _add_returns(seen: Seen, trajectory: Trajectory) -> Seen:
    """With the discounted returns so far; the first observation of an episode has none."""
    if not seen.discounted:
        return seen
    counted = ~trajectory.first[:-1]
    return seen._replace(discounted=moments.add_rows(seen.discounted, trajectory.extras.discounted, counted))


def _add_observations(seen: Seen, trajectory: Trajectory) -> Seen:
    """With all observations but the last row's, which begins the next trajectory."""
    if isinstance(seen.observation, tuple) and not seen.observation:
        return seen
    counted = jnp.ones_like(trajectory.first[:-1])

    def add(rows: jax.Array, before: moments.Moments) -> moments.Moments:
        return moments.add_rows(before, rows[:-1], counted)

    return seen._replace(observation=jax.tree.map(add, trajectory.observation, seen.observation))


def _normalised(seen: Seen, trajectory: Trajectory) -> Trajectory:
    """The trajectory as the network and the loss see it."""
    observation = standardise(seen.observation, trajectory.observation)
    reward = moments.scale_down(seen.discounted, trajectory.reward) if seen.discounted else trajectory.reward
    return trajectory._replace(observation=observation, reward=reward)
