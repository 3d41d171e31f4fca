"""A2C (Mnih et al. 2016, arXiv 1602.01783): the n-step advantage actor-critic, on-policy."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from jaxrl.agents.actor_critic import ActorCriticConfig, ActorCriticHypers, make_agent
from jaxrl.agents.losses import read_rows
from jaxrl.agents.unrolling import Network
from jaxrl.ops.trace import decayed_sum
from jaxrl.types import Agent, EnvSpec, Metrics, Params, Trajectory


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hypers(ActorCriticHypers):
    """Floats that a sweep may touch."""


@dataclass(frozen=True)
class Config(ActorCriticConfig):
    """A2C; set runtime.policy_lag to 0, because nothing here corrects for old policies.

    Args:
        num_epochs: how often each sample is trained; 1 is A2C.
    """

    hypers: Hypers = field(default_factory=Hypers)


def loss(
    params: Params, hypers: Hypers, trajectory: Trajectory, *, config: Config, network: Network
) -> tuple[jax.Array, Metrics]:
    """Mean over unmasked rows of

        value_cost/2 (sg(v) - V)^2  -  sg(v - V) log pi(a)  -  entropy_cost H[pi]

    with `v_t = r_t + gamma_t v_{t+1}` and `v_T = V_T`, the n-step return. The importance ratio corrects nothing here:
    while its metric is 1 the samples were on-policy.
    """
    rows = read_rows(params, hypers, trajectory, config, network)
    error = rows.reward + rows.discount * rows.value[1:] - rows.value[:-1]
    advantage = jax.lax.stop_gradient(decayed_sum(error, rows.discount, rows.mask))  # v - V
    return rows.weigh(
        jnp.inf,
        value=(hypers.value_cost, rows.value_loss(jax.lax.stop_gradient(rows.value[:-1]) + advantage)),
        policy=(1, rows.policy_loss(advantage)),
        entropy=(hypers.entropy_cost, rows.entropy_loss()),
    )


def make(config: Config, network: Network, spec: EnvSpec, num_updates: int) -> Agent:
    """The agent; `num_updates` is the length of the learning-rate schedule."""
    return make_agent(loss, config, network, spec, num_updates)
