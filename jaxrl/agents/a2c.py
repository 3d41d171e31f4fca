"""A2C (Mnih et al. 2016, arXiv 1602.01783): the n-step advantage actor-critic, on-policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp

from jaxrl import ops
from jaxrl.agents import base
from jaxrl.agents.exploration import ExplorationConfig
from jaxrl.agents.optimiser import OptimiserConfig
from jaxrl.ops.rewards import RewardTransform
from jaxrl.ops.trace import decayed_sum
from jaxrl.types import Agent, EnvSpec, Metrics, Params, Trajectory


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hypers:
    """Floats that a sweep may touch.

    Args:
        learning_rate: peak step size.
        weight_decay: of AdamW, follows the learning rate's schedule.
        discount_factor: per env step.
        temperature: of the policy `softmax(logits / temperature)`.
        value_cost: weight of the value's regression.
        entropy_cost: weight of the entropy bonus.
        reward_scale: factor on transformed rewards.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    discount_factor: float = 0.99
    temperature: float = 1.0
    value_cost: float = 0.5
    entropy_cost: float = 0.01
    reward_scale: float = 1.0


@dataclass(frozen=True)
class Config:
    """A2C; set runtime.policy_lag to 0, because nothing here corrects for old policies.

    Args:
        hypers: floats; see below.
        optimiser: see below.
        reward_transform: `clip` to [-1, 1], the CASA authors' `log`, or `identity`.
        num_epochs: how often each sample is trained; 1 is A2C.
        num_minibatches: gradient steps per epoch; must divide the number of environments.
        exploration: see below.
    """

    hypers: Hypers = field(default_factory=Hypers)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    reward_transform: RewardTransform = "clip"
    num_epochs: int = 1
    num_minibatches: int = 1
    exploration: ExplorationConfig = field(default_factory=ExplorationConfig)


def loss(
    params: Params, hypers: Hypers, trajectory: Trajectory, *, config: Config, network: base.Network
) -> tuple[jax.Array, Metrics]:
    """Mean over unmasked rows of

        value_cost/2 (sg(v) - V)^2  -  sg(v - V) log pi(a)  -  entropy_cost H[pi]

    with `v_t = r_t + gamma_t v_{t+1}` and `v_T = V_T`, the n-step return.
    """
    head, value = base.unroll_network(network, params, trajectory)
    legal = None if trajectory.legal is None else trajectory.legal[:-1]
    logits = ops.softmax_policy(head, trajectory.extras.temperature, legal)
    mask = trajectory.mask

    reward = ops.transform_reward(trajectory.reward, config.reward_transform, hypers.reward_scale)
    discount = hypers.discount_factor * trajectory.discount
    advantage = decayed_sum(reward + discount * value[1:] - value[:-1], discount, mask)  # v - V
    value_target = jax.lax.stop_gradient(value[:-1] + advantage)
    advantage = jax.lax.stop_gradient(advantage)

    value_loss = base.masked_mean(0.5 * jnp.square(value_target - value[:-1]), mask)
    policy_loss = base.masked_mean(-advantage * ops.log_prob(logits, trajectory.action), mask)
    entropy_loss = -base.masked_mean(ops.entropy(logits), mask)
    total = hypers.value_cost * value_loss + policy_loss + hypers.entropy_cost * entropy_loss
    # Nothing is corrected or clipped with it: while it is 1 the samples were on-policy.
    ratio = ops.importance_ratio(logits, trajectory.behaviour_logits, trajectory.action)
    return total, {
        "loss/total": total,
        "loss/value": value_loss,
        "loss/policy": policy_loss,
        "loss/entropy": entropy_loss,
        **base.policy_metrics(logits, value, ratio, jnp.inf, mask),
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
    )
