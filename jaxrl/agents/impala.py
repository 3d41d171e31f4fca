"""IMPALA (Espeholt et al. 2018, arXiv 1802.01561): V-trace actor-critic with an entropy bonus, the honest baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import jax

from jaxrl import ops
from jaxrl.agents.actor_critic import ActorCriticConfig, make_agent
from jaxrl.agents.exploration import Temperature
from jaxrl.agents.losses import decayed_clip, read_rows
from jaxrl.agents.replay_buffer import ReplayConfig
from jaxrl.agents.unrolling import Network
from jaxrl.config.ranges import HUGE, TINY, AtLeast, Between
from jaxrl.types import Agent, EnvSpec, Metrics, Params, Trajectory


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hypers:
    """Floats that a sweep may touch.

    Args:
        learning_rate: peak step size.
        weight_decay: of AdamW, follows the learning rate's schedule.
        discount_factor: per env step.
        temperature: of the policy `softmax(logits / temperature)`; 1 is IMPALA.
        value_cost: weight of the value's regression.
        entropy_cost: weight of the entropy bonus.
        rho_clip: upper bound of the importance ratio.
        c_clip: upper bound of the trace's ratio; above rho_clip it is rho_clip.
        trace_lambda: decay of the trace, `c = trace_lambda min(ratio, c_clip, rho_clip)`, as in Retrace(lambda).
        reward_scale: factor on transformed rewards.
    """

    learning_rate: Annotated[float, Between(0, HUGE)] = 5e-4
    weight_decay: Annotated[float, Between(0, HUGE)] = 0.0
    discount_factor: Annotated[float, Between(0, 1)] = 0.99
    temperature: Temperature = 1.0
    value_cost: float = 0.5
    entropy_cost: float = 0.01
    rho_clip: Annotated[float, AtLeast(TINY)] = 1.0
    c_clip: Annotated[float, AtLeast(TINY)] = 1.0
    trace_lambda: Annotated[float, Between(0, 1)] = 1.0
    reward_scale: float = 1.0


@dataclass(frozen=True)
class Config(ActorCriticConfig):
    """IMPALA with V-trace.

    Args:
        burn_in: rows at the start of an unroll that only warm a recurrent core's memory: no loss, no gradient.
        replay: see below.
    """

    hypers: Hypers = field(default_factory=Hypers)
    burn_in: Annotated[int, AtLeast(0)] = 0
    replay: ReplayConfig = field(default_factory=ReplayConfig)


def loss(
    params: Params, hypers: Hypers, trajectory: Trajectory, *, config: Config, network: Network
) -> tuple[jax.Array, Metrics]:
    """Mean over unmasked rows of

        value_cost/2 (sg(v) - V)^2  -  sg(adv) log pi(a)  -  entropy_cost H[pi]

    with `v, adv` from V-trace (equation 1 and section 4.2 of the paper). With `value_transform: rescale` the value
    head is h(V) and the first term `value_cost/2 (sg(h(v)) - h(V))^2`.
    """
    rows = read_rows(params, hypers, trajectory, config, network)
    target = ops.vtrace(
        rows.value,
        rows.reward,
        rows.discount,
        rows.ratio,
        rows.mask,
        rho_clip=hypers.rho_clip,
        c_clip=decayed_clip(rows.ratio, hypers),
    )
    target = jax.lax.stop_gradient(target)

    value_loss = rows.value_loss(target.value_target)
    policy_loss = rows.policy_loss(target.pg_advantage)
    entropy_loss = rows.entropy_loss()
    total = hypers.value_cost * value_loss + policy_loss + hypers.entropy_cost * entropy_loss
    return total, {
        "loss/total": total,
        "loss/value": value_loss,
        "loss/policy": policy_loss,
        "loss/entropy": entropy_loss,
        **rows.metrics(hypers.rho_clip),
    }


def make(config: Config, network: Network, spec: EnvSpec, num_updates: int) -> Agent:
    """The agent; `num_updates` is the length of the learning-rate schedule."""
    return make_agent(loss, config, network, spec, num_updates, burn_in=config.burn_in)
