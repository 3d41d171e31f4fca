"""CASA, Critic AS an Actor (Xiao, Shi, Fan, Deng, arXiv 2105.03923): one advantage head is critic and policy.

    pi(a|s) = softmax(A(s,.) / temperature)[a]
    Abar    = A - sum_b sg(pi(b)) A(b),      Q = Abar + sg(V)            (sg: stop-gradient)

so that `sum_a pi(a) Q(a) = V` and `grad Q(a) = temperature * grad log pi(a)`: evaluation and improvement pull the same
way, and regressing Q is an entropy-regularised improvement without an entropy term in the loss.

Because both terms pull at one head, it does not settle at the advantage but, on policy, at
`1 + policy_cost / (q_cost temperature)` times it, or `1 + policy_cost / q_cost` times with `temperature_factor`.
`settled_q` undoes that for DR-Trace; docs/casa.md derives it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp

from jaxrl import ops
from jaxrl.agents.actor_critic import Clip, OffPolicyConfig, OffPolicyHypers, make_agent
from jaxrl.agents.exploration import Temperature
from jaxrl.agents.losses import Rows, decayed_clip, read_rows
from jaxrl.agents.unrolling import Network
from jaxrl.config.ranges import HUGE, TINY, Between
from jaxrl.errors import ConfigError
from jaxrl.types import Agent, Array, EnvSpec, Metrics, Params, Trajectory

MAX_LOG_RATIO = 15.0  # of pi/mu where it stands beside a probability: of an action that never acts it may be infinite


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hypers(OffPolicyHypers):
    """Floats that a sweep may touch.

    Args:
        temperature: of the policy `softmax(A / temperature)`, in units of transformed reward.
        value_cost: xi, weight of V's regression.
        entropy_cost: weight of an entropy bonus. CASA has none; it is here to be compared with the temperature.
        rho_clip: upper bound of the importance ratio in DR-Trace and in the policy gradient.
        advantage_scale: A is this times the network's output. It changes no objective, only the optimiser's
            conditioning: with `advantage_scale = temperature` the output is the logits, and a step of Adam moves the
            policy as it does in other actor-critics; with 1 it moves the logits 1/temperature times as far.
        q_cost: alpha, weight of Q's regression.
        policy_cost: beta, weight of the policy gradient.
    """

    temperature: Temperature = 0.1
    value_cost: float = 1.0
    entropy_cost: float = 0.0
    rho_clip: Clip = 1.05
    c_clip: Clip = 1.05
    advantage_scale: Annotated[float, Between(TINY, HUGE)] = 0.1
    q_cost: float = 10.0
    policy_cost: float = 10.0


@dataclass(frozen=True)
class Config(OffPolicyConfig):
    """CASA with DR-Trace.

    Args:
        temperature_factor: multiply the policy term by the temperature, which keeps it on the scale of Q's regression.
        value_transform: `identity`, or `rescale` to let the network predict h(V), about the root of V; A and Q stay in
            units of reward.
        trace_q: what DR-Trace takes for Q: `settled`, the Q for which the head stands once it has settled, or `head`,
            the head as it is, as published: a multiple of the advantage, with which the targets are biased.
    """

    hypers: Hypers = field(default_factory=Hypers)
    trace_q: Literal["settled", "head"] = "settled"


def q_values(advantages: jax.Array, logits: jax.Array, value: jax.Array) -> jax.Array:
    """Q [..., A] from the advantages [..., A], the log policy [..., A] that follows from them, and the value [...]."""
    policy = jax.lax.stop_gradient(jnp.exp(logits))
    centred = advantages - jnp.sum(policy * advantages, axis=-1, keepdims=True)
    return centred + jax.lax.stop_gradient(value)[..., None]


def settled_q(q: jax.Array, rows: Rows, behaviour_logits: Array, hypers: Hypers) -> jax.Array:
    """Q^pi [T, B, A] by what the head says, `q` [T, B, A], once the loss has settled: a constant.

    Where the expected gradient at every action's A vanishes, with `w = pi/mu` and `rho = min(w, rho_clip)`,

        (alpha + rho beta / temperature) adv = (alpha + w entropy_cost / temperature^2) Abar + c w

    with one c a state, that of `E_pi[adv] = 0`; the factor takes beta's temperature away. On policy c is 0.
    """
    policy, temperature = jnp.exp(rows.logits), rows.temperature[..., None]
    ratio = jnp.exp(jnp.minimum(rows.logits - behaviour_logits, MAX_LOG_RATIO))
    pull, hold = _pulls(ratio, temperature, rows, hypers)
    value = rows.value[:-1, ..., None]
    advantage, slack = hold * (q - value) / pull, ratio / pull
    c = -jnp.sum(policy * advantage, -1, keepdims=True) / jnp.sum(policy * slack, -1, keepdims=True)
    return jax.lax.stop_gradient(value + advantage + c * slack)


def _pulls(ratio: jax.Array | float, temperature: jax.Array, rows: Rows, hypers: Hypers) -> tuple[Any, Any]:
    """How hard the loss pulls A towards the advantage, and back to 0; their quotient is kappa where `ratio` is 1."""
    policy_cost = hypers.policy_cost / (1 if rows.config.temperature_factor else temperature)
    pull = hypers.q_cost + policy_cost * jnp.minimum(ratio, hypers.rho_clip)
    return jnp.maximum(pull, 1e-12), hypers.q_cost + hypers.entropy_cost * ratio / temperature**2  # 1e-12: no costs


def loss(
    params: Params, hypers: Hypers, trajectory: Trajectory, *, config: Config, network: Network
) -> tuple[jax.Array, Metrics]:
    """Mean over unmasked rows of

        xi/2 (sg(v) - V)^2  +  alpha/2 (sg(q) - Q(a))^2  -  beta sg(rho (q - V)) log pi(a)  [ -  entropy_cost H[pi] ]

    with `v, q` from DR-Trace and `pi` at the temperature that acted. With `value_transform: rescale` the value head is
    h(V) and the first term `xi/2 (sg(h(v)) - h(V))^2`. All else stays as it is, because h(Q) would break what CASA
    stands on: h is not linear, so of `E_pi[h^-1(h(Q))] = V` and `E_pi[h(Q)] = h(V)` only one could hold.
    """
    rows = read_rows(params, hypers, trajectory, config, network)
    value, mask = rows.value[:-1], rows.mask
    q = q_values(rows.preferences, rows.logits, value)
    q_taken = ops.log_prob(q, trajectory.action)
    settled = settled_q(q, rows, trajectory.behaviour_logits, hypers)
    target = ops.dr_trace(
        rows.value,
        ops.log_prob(settled, trajectory.action) if config.trace_q == "settled" else q_taken,
        rows.reward,
        rows.discount,
        rows.ratio,
        mask,
        rho_clip=hypers.rho_clip,
        c_clip=decayed_clip(rows.ratio, hypers),
    )
    # An ignored row's target means nothing, and 0 times NaN is NaN in the gradient of a masked mean.
    target = jax.tree.map(lambda x: jax.lax.stop_gradient(jnp.where(mask, x, 0)), target)
    rho = jnp.where(mask, jnp.minimum(rows.ratio, hypers.rho_clip), 0)
    total, metrics = rows.weigh(
        hypers.rho_clip,
        value=(hypers.value_cost, rows.value_loss(target.value_target)),
        q=(hypers.q_cost, ops.masked_mean(0.5 * jnp.square(target.q_target - q_taken), mask)),
        policy=(hypers.policy_cost, rows.policy_loss(jax.lax.stop_gradient(rho * (target.q_target - value)))),
        entropy=(hypers.entropy_cost, rows.entropy_loss()),
    )
    pull, hold = _pulls(1.0, rows.temperature, rows, hypers)
    legal = None if trajectory.legal is None else trajectory.legal[:-1]
    variance = jnp.var(q, axis=-1, where=legal) * jnp.square(hold / pull)
    return total, {**metrics, "advantage/std": jnp.sqrt(ops.masked_mean(variance, mask))}


def make(config: Config, network: Network, spec: EnvSpec, num_updates: int) -> Agent:
    """The agent; `num_updates` is the length of the learning-rate schedule.

    Raises:
        ConfigError: actions are continuous, or logits normalised, which are no advantages.
    """
    if spec.bounds is not None:
        raise ConfigError(
            "agent.name casa needs discrete actions: its policy is the softmax of one advantage for each action, and "
            "of a continuous one there are infinitely many; set agent.name ppo, impala or a2c"
        )
    if config.exploration.normalise_logits:
        raise ConfigError(
            "agent.exploration.normalise_logits is for agents whose logits are free; CASA's are advantages, which its "
            "regression keeps in units of reward: leave it out"
        )
    return make_agent(loss, config, network, spec, num_updates, burn_in=config.burn_in)
