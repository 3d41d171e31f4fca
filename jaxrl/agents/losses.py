"""What the losses of actor-critics share: the rows that they start from, their parts, and what to watch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import jax
import jax.numpy as jnp

from jaxrl import ops
from jaxrl.agents.acting import preference_scale
from jaxrl.agents.actor_critic import ActorCriticConfig, OffPolicyHypers
from jaxrl.agents.exploration import Drawn, make_exploration
from jaxrl.agents.unrolling import Network, unroll_network
from jaxrl.types import Metrics, Params, Trajectory


@dataclass(frozen=True)
class Rows:
    """A trajectory as a loss needs it, made by `read_rows`; and the parts of a loss over its unmasked rows."""

    config: ActorCriticConfig
    distribution: ops.Distribution
    preferences: jax.Array  # [T, B, A]
    logits: jax.Array  # [T, B, A], log pi; of a continuous action what pi is made of
    log_pi: jax.Array  # [T, B], of the action taken
    log_mu: jax.Array  # [T, B], likewise, of the policy that acted
    value: jax.Array  # [T+1, B], in the learner's units of reward
    value_head: jax.Array  # [T+1, B], as the network predicts it
    reward: jax.Array  # [T, B], transformed
    discount: jax.Array  # [T, B], 0 at termination, else the discount factor
    ratio: jax.Array  # [T, B], pi/mu of the action taken, a constant
    temperature: jax.Array  # [T, B], at which the sample acted
    mask: jax.Array  # bool [T, B]

    def value_loss(self, target: jax.Array, *others: jax.Array) -> jax.Array:
        """Mean of `1/2 (h(v) - h(V))^2` for targets v [T, B], constants; h is the value transform.

        With `others` [T, B] in place of the head h(V), the largest of all, row by row.
        """
        head_target = ops.compress_value(target, self.config.value_transform)
        errors = (0.5 * jnp.square(head_target - head) for head in (self.value_head[:-1], *others))
        return ops.masked_mean(reduce(jnp.maximum, errors), self.mask)

    def improvement(self, advantage: jax.Array) -> jax.Array:
        """`advantage` [T, B], times the temperature where it is a factor."""
        return self.temperature * advantage if self.config.temperature_factor else advantage

    def policy_loss(self, advantage: jax.Array) -> jax.Array:
        """Minus the mean of `improvement(advantage) log pi(a)`; advantage [T, B]."""
        return ops.masked_mean(-self.improvement(advantage) * self.log_pi, self.mask)

    @property
    def log_ratio(self) -> jax.Array:
        """log(pi/mu) of the action taken [T, B], with its gradient; 0 where masked."""
        return jnp.where(self.mask, self.log_pi - self.log_mu, 0)

    def clipped_policy_loss(self, advantage: jax.Array, clip_range: Any) -> tuple[jax.Array, jax.Array]:
        """PPO's, and the share of the rows whose ratio w is outside of the range: minus the mean of

        min(w A, clip(w, 1 - clip_range, 1 + clip_range) A),    A = improvement(advantage)
        """
        advantage, ratio = self.improvement(advantage), jnp.exp(self.log_ratio)
        bounded = jnp.clip(ratio, 1 - clip_range, 1 + clip_range)
        outside = ops.masked_mean(jnp.abs(ratio - 1) > clip_range, self.mask)
        return -ops.masked_mean(jnp.minimum(ratio * advantage, bounded * advantage), self.mask), outside

    def entropy_loss(self) -> jax.Array:
        """Minus the mean entropy of the policy, in nats."""
        return -ops.masked_mean(self.distribution.entropy(self.logits), self.mask)

    def weigh(self, rho_clip: Any, **parts: tuple[jax.Array | float, jax.Array]) -> tuple[jax.Array, Metrics]:
        """The sum of `parts`, each a weight and a mean; and metrics: the parts, scale of values, off-policyness."""
        total = reduce(add, (weight * part for weight, part in parts.values()))
        return total, {
            "loss/total": total,
            **{f"loss/{name}": part for name, (_, part) in parts.items()},
            "policy/entropy": ops.masked_mean(self.distribution.entropy(self.logits), self.mask),
            self.distribution.spread_name: ops.masked_mean(self.distribution.spread(self.logits), self.mask),
            "value/mean": ops.masked_mean(self.value[:-1], self.mask),
            "trace/rho_mean": ops.masked_mean(self.ratio, self.mask),
            "trace/rho_clipped": ops.masked_mean(self.ratio > rho_clip, self.mask),
        }


def read_rows(params: Params, hypers: Any, trajectory: Trajectory, config: ActorCriticConfig, network: Network) -> Rows:
    """The network's present opinion of a trajectory beside what was recorded.

    The temperature is the sample's own, not that of `hypers`, which only `fixed` and `ladder` act with: a vote gives
    each episode another one, and pi at any other would have an importance ratio that nobody meant.
    """
    head, value_head = unroll_network(network, params, trajectory)
    temperature, legal = trajectory.extras.temperature, trajectory.legal
    preferred, drawn = preference_scale(hypers) * head, Drawn(temperature, trajectory.extras.coordinates)
    distribution = ops.distribution_of(jnp.issubdtype(trajectory.action.dtype, jnp.floating), config.continuous_policy)
    family = make_exploration(config.exploration, distribution)
    logits = family.learnt(preferred, drawn, None if legal is None else legal[:-1])
    log_pi, log_mu = (distribution.log_prob(p, trajectory.action) for p in (logits, trajectory.behaviour_logits))
    return Rows(
        config=config,
        distribution=distribution,
        preferences=preferred,
        logits=logits,
        log_pi=log_pi,
        log_mu=log_mu,
        value=ops.expand_value(value_head, config.value_transform),
        value_head=value_head,
        reward=ops.transform_reward(trajectory.reward, config.reward_transform, hypers.reward_scale),
        discount=hypers.discount_factor * trajectory.discount,
        ratio=jax.lax.stop_gradient(jnp.exp(log_pi - log_mu)),
        temperature=temperature,
        mask=trajectory.mask,
    )


def decayed_clip(ratio: jax.Array, hypers: OffPolicyHypers) -> jax.Array:
    """The bound [T, B] with which a trace has `c = trace_lambda min(ratio, c_clip, rho_clip)`, for lambda in [0, 1].

    The operators know no lambda: they take `c = min(ratio, bound)`, and this bound is never above the ratio. The
    papers ask for `c_clip <= rho_clip`, which holds here whatever the two are.
    """
    return hypers.trace_lambda * jnp.minimum(ratio, jnp.minimum(hypers.c_clip, hypers.rho_clip))
