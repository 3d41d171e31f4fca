"""V-trace (Espeholt et al. 2018, arXiv 1802.01561, equation 1): the off-policy target of IMPALA."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.ops.trace import check_shapes, decayed_sum, discounted


class VTrace(NamedTuple):
    """Targets [T, ...]; treat them as constants (`stop_gradient`) in a loss."""

    value_target: jax.Array
    pg_advantage: jax.Array


def vtrace(
    value: jax.Array,
    reward: jax.Array,
    discount: jax.Array,
    importance_ratio: jax.Array,
    mask: jax.Array,
    *,
    rho_clip: float | jax.Array = 1.0,
    c_clip: float | jax.Array = 1.0,
) -> VTrace:
    """Value targets and policy-gradient advantages.

        rho_t = min(w_t, rho_clip),  c_t = min(w_t, c_clip),  delta_t = r_t + gamma_t V_{t+1} - V_t
        v_t   = V_t + rho_t delta_t + gamma_t c_t (v_{t+1} - V_{t+1}),       v_T = V_T
        adv_t = rho_t (r_t + gamma_t v_{t+1} - V_t)

    Args:
        value: V, [T+1, ...].
        reward: [T, ...].
        discount: gamma_t, [T, ...]: discount factor included, 0 where the episode terminated.
        importance_ratio: w = pi(a)/mu(a), [T, ...].
        mask: [T, ...]; 0 on auto-reset rows, where the trace is cut: `v_t = V_t`, `adv_t = 0`.

    Raises:
        ValueError: shapes that do not fit.
    """
    check_shapes(value, reward=reward, discount=discount, importance_ratio=importance_ratio, mask=mask)
    mask = mask.astype(bool)
    rho = jnp.minimum(importance_ratio, rho_clip)
    c = jnp.minimum(importance_ratio, c_clip)
    delta = rho * (reward + discounted(discount, value[1:]) - value[:-1])
    errors = decayed_sum(delta, discounted(discount, c), mask)
    next_target = value[1:] + jnp.concatenate([errors[1:], jnp.zeros_like(errors[:1])])
    pg_advantage = rho * (reward + discounted(discount, next_target) - value[:-1])
    return VTrace(value[:-1] + errors, jnp.where(mask, pg_advantage, 0))
