"""CASA, Critic AS an Actor (Xiao, Shi, Fan, Deng, arXiv 2105.03923): one advantage head is critic and policy.

    pi(a|s) = softmax(A(s,.) / temperature)[a]
    Abar    = A - sum_b sg(pi(b)) A(b),      Q = Abar + sg(V)            (sg: stop-gradient)

so that `sum_a pi(a) Q(a) = V` and `grad Q(a) = temperature * grad log pi(a)`: evaluation and improvement pull the same
way, and regressing Q is an entropy-regularised improvement without an entropy term in the loss.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl import ops
from jaxrl.agents import base
from jaxrl.agents.exploration import TEMPERATURES, ExplorationConfig
from jaxrl.agents.optimiser import OptimiserConfig
from jaxrl.agents.replay_buffer import ReplayConfig
from jaxrl.config.ranges import HUGE, TINY, AtLeast, Between
from jaxrl.ops.rewards import RewardTransform
from jaxrl.ops.values import ValueTransform
from jaxrl.types import Agent, EnvSpec, Metrics, Params, Trajectory


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hypers:
    """Floats that a sweep may touch.

    Args:
        learning_rate: peak step size.
        weight_decay: of AdamW, follows the learning rate's schedule.
        discount_factor: per env step.
        temperature: of the policy `softmax(A / temperature)`, in units of transformed reward.
        advantage_scale: A is this times the network's output. It changes no objective, only the optimiser's
            conditioning: with `advantage_scale = temperature` the output is the logits, and a step of Adam moves the
            policy as it does in other actor-critics; with 1 it moves the logits 1/temperature times as far.
        value_cost: xi, weight of V's regression.
        q_cost: alpha, weight of Q's regression.
        policy_cost: beta, weight of the policy gradient.
        entropy_cost: weight of an entropy bonus. CASA has none; it is here to be compared with the temperature.
        rho_clip: upper bound of the importance ratio in DR-Trace and in the policy gradient.
        c_clip: upper bound of the trace's ratio; above rho_clip it is rho_clip.
        trace_lambda: decay of the trace, `c = trace_lambda min(ratio, c_clip, rho_clip)`, as in Retrace(lambda).
        reward_scale: factor on transformed rewards.
    """

    learning_rate: Annotated[float, Between(0, HUGE)] = 5e-4
    weight_decay: Annotated[float, Between(0, HUGE)] = 0.0
    discount_factor: Annotated[float, Between(0, 1)] = 0.99
    temperature: Annotated[float, TEMPERATURES] = 0.1
    advantage_scale: Annotated[float, Between(TINY, HUGE)] = 0.1
    value_cost: float = 1.0
    q_cost: float = 10.0
    policy_cost: float = 10.0
    entropy_cost: float = 0.0
    rho_clip: Annotated[float, AtLeast(TINY)] = 1.05
    c_clip: Annotated[float, AtLeast(TINY)] = 1.05
    trace_lambda: Annotated[float, Between(0, 1)] = 1.0
    reward_scale: float = 1.0


@dataclass(frozen=True)
class Config:
    """CASA with DR-Trace.

    Args:
        hypers: floats; see below.
        optimiser: see below.
        reward_transform: `clip` to [-1, 1], the authors' `log`, or `identity`.
        num_epochs: how often each sample is trained.
        num_minibatches: gradient steps per epoch; must divide the number of environments.
        temperature_factor: multiply the policy term by the temperature, which keeps it on the scale of Q's regression.
        exploration: see below.
        value_transform: `identity`, or `rescale` to let the network predict h(V), about the root of V; A and Q stay in
            units of reward.
        burn_in: rows at the start of an unroll that only warm a recurrent core's memory: no loss, no gradient.
        replay: see below.
    """

    hypers: Hypers = field(default_factory=Hypers)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    reward_transform: RewardTransform = "clip"
    num_epochs: Annotated[int, AtLeast(1)] = 1
    num_minibatches: Annotated[int, AtLeast(1)] = 1
    temperature_factor: bool = False
    exploration: ExplorationConfig = field(default_factory=ExplorationConfig)
    value_transform: ValueTransform = "identity"
    burn_in: Annotated[int, AtLeast(0)] = 0
    replay: ReplayConfig = field(default_factory=ReplayConfig)


class Heads(NamedTuple):
    """CASA's functions of one state."""

    logits: jax.Array  # [..., A], log pi
    q_values: jax.Array  # [..., A]


def casa_heads(
    advantages: jax.Array, value: jax.Array, temperature: jax.Array, legal: jax.Array | None = None
) -> Heads:
    """Policy and Q from the advantage head [..., A], the value [...] and the temperature [...]."""
    logits = ops.softmax_policy(advantages, temperature, legal)
    policy = jax.lax.stop_gradient(jnp.exp(logits))
    centred = advantages - jnp.sum(policy * advantages, axis=-1, keepdims=True)
    return Heads(logits, centred + jax.lax.stop_gradient(value)[..., None])


def loss(
    params: Params, hypers: Hypers, trajectory: Trajectory, *, config: Config, network: base.Network
) -> tuple[jax.Array, Metrics]:
    """Mean over unmasked rows of

        xi/2 (sg(v) - V)^2  +  alpha/2 (sg(q) - Q(a))^2  -  beta sg(rho (q - V)) log pi(a)  [ -  entropy_cost H[pi] ]

    with `v, q` from DR-Trace and `pi` at the temperature that acted. With `value_transform: rescale` the value head is
    h(V) and the first term `xi/2 (sg(h(v)) - h(V))^2`. All else stays as it is, because h(Q) would break what CASA
    stands on: h is not linear, so of `E_pi[h^-1(h(Q))] = V` and `E_pi[h(Q)] = h(V)` only one could hold.
    """
    head, value_head = base.unroll_network(network, params, trajectory)
    value = ops.expand_value(value_head, config.value_transform)
    temperature = trajectory.extras.temperature
    legal = None if trajectory.legal is None else trajectory.legal[:-1]
    heads = casa_heads(hypers.advantage_scale * head, value[:-1], temperature, legal)
    q_taken = ops.log_prob(heads.q_values, trajectory.action)
    log_pi = ops.log_prob(heads.logits, trajectory.action)
    mask = trajectory.mask

    ratio = jax.lax.stop_gradient(ops.importance_ratio(heads.logits, trajectory.behaviour_logits, trajectory.action))
    reward = ops.transform_reward(trajectory.reward, config.reward_transform, hypers.reward_scale)
    target = ops.dr_trace(
        value,
        q_taken,
        reward,
        hypers.discount_factor * trajectory.discount,
        ratio,
        mask,
        rho_clip=hypers.rho_clip,
        c_clip=base.decayed_clip(ratio, hypers),
    )
    # An ignored row's target means nothing, and 0 times NaN is NaN in the gradient of a masked mean.
    target = jax.tree.map(lambda x: jax.lax.stop_gradient(jnp.where(mask, x, 0)), target)
    rho = jnp.where(mask, jnp.minimum(ratio, hypers.rho_clip), 0)
    improvement = jax.lax.stop_gradient(rho * (target.q_target - value[:-1]))
    if config.temperature_factor:
        improvement = temperature * improvement

    head_target = ops.compress_value(target.value_target, config.value_transform)
    value_loss = base.masked_mean(0.5 * jnp.square(head_target - value_head[:-1]), mask)
    q_loss = base.masked_mean(0.5 * jnp.square(target.q_target - q_taken), mask)
    policy_loss = base.masked_mean(-improvement * log_pi, mask)
    entropy_loss = -base.masked_mean(ops.entropy(heads.logits), mask)
    total = (
        hypers.value_cost * value_loss
        + hypers.q_cost * q_loss
        + hypers.policy_cost * policy_loss
        + hypers.entropy_cost * entropy_loss
    )
    return total, {
        "loss/total": total,
        "loss/value": value_loss,
        "loss/q": q_loss,
        "loss/policy": policy_loss,
        "loss/entropy": entropy_loss,
        "advantage/std": jnp.sqrt(base.masked_mean(jnp.var(heads.q_values, axis=-1), mask)),
        **base.policy_metrics(heads.logits, value, ratio, hypers.rho_clip, mask),
    }


def make(config: Config, network: base.Network, spec: EnvSpec, num_updates: int) -> Agent:
    """The agent; `num_updates` is the length of the learning-rate schedule."""
    return base.make_agent(
        config,
        network,
        spec,
        num_updates,
        loss=partial(loss, config=config, network=network),
        scale=lambda hypers: hypers.advantage_scale,
        burn_in=config.burn_in,
    )
