"""IMPALA (Espeholt et al. 2018, arXiv 1802.01561): V-trace actor-critic with an entropy bonus, the honest baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

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
    temperature: Annotated[float, TEMPERATURES] = 1.0
    value_cost: float = 0.5
    entropy_cost: float = 0.01
    rho_clip: Annotated[float, AtLeast(TINY)] = 1.0
    c_clip: Annotated[float, AtLeast(TINY)] = 1.0
    trace_lambda: Annotated[float, Between(0, 1)] = 1.0
    reward_scale: float = 1.0


@dataclass(frozen=True)
class Config:
    """IMPALA with V-trace.

    Args:
        hypers: floats; see below.
        optimiser: see below.
        reward_transform: `clip` to [-1, 1], the CASA authors' `log`, or `identity`.
        num_epochs: how often each sample is trained.
        num_minibatches: gradient steps per epoch; must divide the number of environments.
        temperature_factor: multiply the policy term by the temperature, so that it pulls at the logits alike at all.
        exploration: see below.
        value_transform: `identity`, or `rescale` to let the network predict h(V), about the root of V.
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


def loss(
    params: Params, hypers: Hypers, trajectory: Trajectory, *, config: Config, network: base.Network
) -> tuple[jax.Array, Metrics]:
    """Mean over unmasked rows of

    value_cost/2 (sg(v) - V)^2  -  sg(adv) log pi(a)  -  entropy_cost H[pi]

    with `v, adv` from V-trace (equation 1 and section 4.2 of the paper). With `value_transform: rescale` the value
    head is h(V) and the first term `value_cost/2 (sg(h(v)) - h(V))^2`.
    """
    head, value_head = base.unroll_network(network, params, trajectory)
    value = ops.expand_value(value_head, config.value_transform)
    legal = None if trajectory.legal is None else trajectory.legal[:-1]
    temperature = trajectory.extras.temperature
    logits = ops.softmax_policy(head, temperature, legal)
    mask = trajectory.mask

    ratio = jax.lax.stop_gradient(ops.importance_ratio(logits, trajectory.behaviour_logits, trajectory.action))
    target = ops.vtrace(
        value,
        ops.transform_reward(trajectory.reward, config.reward_transform, hypers.reward_scale),
        hypers.discount_factor * trajectory.discount,
        ratio,
        mask,
        rho_clip=hypers.rho_clip,
        c_clip=base.decayed_clip(ratio, hypers),
    )
    target = jax.lax.stop_gradient(target)

    head_target = ops.compress_value(target.value_target, config.value_transform)
    value_loss = base.masked_mean(0.5 * jnp.square(head_target - value_head[:-1]), mask)
    improvement = temperature * target.pg_advantage if config.temperature_factor else target.pg_advantage
    policy_loss = base.masked_mean(-improvement * ops.log_prob(logits, trajectory.action), mask)
    entropy_loss = -base.masked_mean(ops.entropy(logits), mask)
    total = hypers.value_cost * value_loss + policy_loss + hypers.entropy_cost * entropy_loss
    return total, {
        "loss/total": total,
        "loss/value": value_loss,
        "loss/policy": policy_loss,
        "loss/entropy": entropy_loss,
        **base.policy_metrics(logits, value, ratio, hypers.rho_clip, mask),
    }


def make(config: Config, network: base.Network, spec: EnvSpec, num_updates: int) -> Agent:
    """The agent; `num_updates` is the length of the learning-rate schedule."""
    return base.make_agent(
        config,
        network,
        spec,
        num_updates,
        loss=partial(loss, config=config, network=network),
        scale=lambda hypers: jnp.float32(1.0),
        burn_in=config.burn_in,
    )
