"""PPO, proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347): several epochs on-policy, ratios clipped.

What implementations do beyond the paper (Huang et al. 2022, "The 37 implementation details of PPO"), and where it is:

- generalised advantages, once an update, with the values before its first step: `estimate`;
- advantages normalised in every minibatch: `normalise`;
- the clipped ratio, an entropy bonus, and where `clip_value` is set a clipped value loss: `loss`;
- epochs of minibatches: `num_epochs`, `num_minibatches`, in `jaxrl.agents.updating`; a minibatch has whole unrolls of
  some environments, so that a recurrent core can be trained too;
- Adam with epsilon 1e-5, gradients of global norm 0.5 at most, a rate that falls linearly to 0: `Config.optimiser`;
- orthogonal initialisation, gain root 2 below the heads, 0.01 of the policy and 1 of the value, biases 0:
  `jaxrl.networks.heads`;
- environments side by side, which go on from one update to the next: the runtime; `runtime.policy_lag: 0` is PPO.

A truncated episode is bootstrapped from its true last observation; most implementations take it for terminated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl import ops
from jaxrl.agents.actor_critic import ActorCriticConfig, ActorCriticHypers, make_agent
from jaxrl.agents.losses import read_rows
from jaxrl.agents.optimiser import OptimiserConfig
from jaxrl.agents.unrolling import Network
from jaxrl.config.ranges import HUGE, TINY, AtLeast, Between
from jaxrl.types import Agent, EnvSpec, Metrics, Params, Trajectory

LEAST_DEVIATION = 1e-8  # of advantages, before they are divided by it


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hypers(ActorCriticHypers):
    """Floats that a sweep may touch.

    Args:
        trace_lambda: decay of the generalised advantage.
        clip_range: the ratio is clipped to 1 -+ this, and with `clip_value` the step of the value likewise.
    """

    learning_rate: Annotated[float, Between(0, HUGE)] = 2.5e-4
    trace_lambda: Annotated[float, Between(0, 1)] = 0.95
    clip_range: Annotated[float, Between(TINY, HUGE)] = 0.2


@dataclass(frozen=True)
class Config(ActorCriticConfig):
    """PPO; set runtime.policy_lag to 0, as the paper has it.

    Args:
        normalise_advantage: of every minibatch, to mean 0 and standard deviation 1.
        clip_value: regress the value to its target by the larger of two losses, that of the head and that of the head
            clipped to clip_range around what it was before the update.
    """

    hypers: Hypers = field(default_factory=Hypers)
    optimiser: OptimiserConfig = field(
        default_factory=lambda: OptimiserConfig(epsilon=1e-5, max_grad_norm=0.5, schedule="linear")
    )
    num_epochs: Annotated[int, AtLeast(1)] = 4
    num_minibatches: Annotated[int, AtLeast(1)] = 4
    normalise_advantage: bool = True
    clip_value: bool = False


class Estimates(NamedTuple):
    """What stays as it is through the steps of an update; leaves [T, B]."""

    temperature: jax.Array  # at which the sample acted
    coordinates: tuple[jax.Array, ...]  # of what it acted with, as in `Drawn`
    value_head: jax.Array  # as the network predicted it
    value_target: jax.Array  # V + A, the lambda-return
    advantage: jax.Array


def estimate(params: Params, hypers: Hypers, trajectory: Trajectory, *, config: Config, network: Network) -> Estimates:
    """Advantages and value targets with the values of `params`."""
    rows = read_rows(params, hypers, trajectory, config, network)
    advantage = ops.generalised_advantage(
        rows.value, rows.reward, rows.discount, rows.mask, trace_lambda=hypers.trace_lambda
    )
    drawn = trajectory.extras
    return Estimates(drawn.temperature, drawn.coordinates, rows.value_head[:-1], rows.value[:-1] + advantage, advantage)


def normalise(advantage: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean 0 and standard deviation 1 over the rows where `mask`."""
    centred = advantage - ops.masked_mean(advantage, mask)
    return centred / (jnp.sqrt(ops.masked_mean(jnp.square(centred), mask)) + LEAST_DEVIATION)


def loss(
    params: Params, hypers: Hypers, trajectory: Trajectory, *, config: Config, network: Network
) -> tuple[jax.Array, Metrics]:
    """Mean over unmasked rows of

        value_cost/2 (v - V)^2  -  min(w A, clip(w, 1 - clip_range, 1 + clip_range) A)  -  entropy_cost H[pi]

    with `w = pi(a)/mu(a)`, where mu acted, and `v, A` from `estimate` (equations 7 and 9 of the paper).
    """
    rows, found = read_rows(params, hypers, trajectory, config, network), trajectory.extras
    advantage = normalise(found.advantage, rows.mask) if config.normalise_advantage else found.advantage
    policy_loss, clipped = rows.clipped_policy_loss(advantage, hypers.clip_range)
    step = jnp.clip(rows.value_head[:-1] - found.value_head, -hypers.clip_range, hypers.clip_range)
    near = (found.value_head + step,) if config.clip_value else ()
    total, metrics = rows.weigh(
        jnp.inf,
        value=(hypers.value_cost, rows.value_loss(found.value_target, *near)),
        policy=(1, policy_loss),
        entropy=(hypers.entropy_cost, rows.entropy_loss()),
    )
    divergence = ops.masked_mean(jnp.exp(rows.log_ratio) - 1 - rows.log_ratio, rows.mask)
    return total, {**metrics, "policy/kl": divergence, "policy/clipped": clipped}


def make(config: Config, network: Network, spec: EnvSpec, num_updates: int) -> Agent:
    """The agent; `num_updates` is the length of the learning-rate schedule."""
    return make_agent(loss, config, network, spec, num_updates, estimate=estimate)
