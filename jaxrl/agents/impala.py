"""IMPALA (Espeholt et al. 2018, arXiv 1802.01561): V-trace actor-critic with an entropy bonus, the honest baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import jax

from jaxrl import ops
from jaxrl.agents.actor_critic import OffPolicyConfig, OffPolicyHypers, make_agent
from jaxrl.agents.losses import decayed_clip, read_rows
from jaxrl.agents.unrolling import Network
from jaxrl.config.ranges import AtLeast
from jaxrl.types import Agent, EnvSpec, Metrics, Params, Trajectory


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hypers(OffPolicyHypers):
    """Floats that a sweep may touch.

    Args:
        temperature: of the policy `softmax(logits / temperature)`; 1 is IMPALA.
    """


@dataclass(frozen=True)
class Config(OffPolicyConfig):
    """IMPALA with V-trace.

    Args:
        upgo: weight of a second policy gradient, with the advantage of `jaxrl.ops.upgo` (AlphaStar); 0 for none.
    """

    upgo: Annotated[float, AtLeast(0)] = 0.0
    hypers: Hypers = field(default_factory=Hypers)


def loss(
    params: Params, hypers: Hypers, trajectory: Trajectory, *, config: Config, network: Network
) -> tuple[jax.Array, Metrics]:
    """Mean over unmasked rows of

        value_cost/2 (sg(v) - V)^2  -  sg(adv) log pi(a)  -  entropy_cost H[pi]

    with `v, adv` from V-trace (equation 1 and section 4.2 of the paper), and with `upgo` above 0 also

        -  upgo sg(adv of UPGO) log pi(a)

    With `value_transform: rescale` the value
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
    upgo = {}
    if config.upgo:
        advantage = ops.upgo_advantage(
            rows.value, rows.reward, rows.discount, rows.ratio, rows.mask, rho_clip=hypers.rho_clip
        )
        upgo = {"upgo": (config.upgo, rows.policy_loss(jax.lax.stop_gradient(advantage)))}
    return rows.weigh(
        hypers.rho_clip,
        **upgo,
        value=(hypers.value_cost, rows.value_loss(target.value_target)),
        policy=(1, rows.policy_loss(target.pg_advantage)),
        entropy=(hypers.entropy_cost, rows.entropy_loss()),
    )


def make(config: Config, network: Network, spec: EnvSpec, num_updates: int) -> Agent:
    """The agent; `num_updates` is the length of the learning-rate schedule."""
    return make_agent(loss, config, network, spec, num_updates, burn_in=config.burn_in)
