"""Doubly Robust Trace (CASA; Xiao, Shi, Fan, Deng, arXiv 2105.03923): off-policy targets of V and Q from one scan."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.ops.trace import check_shapes, decayed_sum, discounted


class DRTrace(NamedTuple):
    """Targets [T, ...]; treat them as constants (`stop_gradient`) in a loss."""

    value_target: jax.Array
    q_target: jax.Array


def dr_trace(
    value: jax.Array,
    q_taken: jax.Array,
    reward: jax.Array,
    discount: jax.Array,
    importance_ratio: jax.Array,
    mask: jax.Array,
    *,
    rho_clip: float | jax.Array = 1.05,
    c_clip: float | jax.Array = 1.05,
) -> DRTrace:
    """Targets of the state value and of the taken action's value.

        rho_t = min(w_t, rho_clip),  c_t = min(w_t, c_clip),  delta_t = r_t + gamma_t V_{t+1} - Q_t(a_t)
        v_t = V_t + rho_t delta_t + gamma_t c_t (v_{t+1} - V_{t+1}),         v_T = V_T
        q_t = Q_t + delta_t + gamma_t (v_{t+1} - V_{t+1}) = r_t + gamma_t v_{t+1}

    Where Q is regressed to `q_t` and `E_pi[Q] = V`, the fixed point is `(Q^pi, V^pi)` of the target policy for every
    `rho_clip > 0`; V-trace's is biased towards the behaviour. A head that a policy gradient pulls too is not such a Q:
    see `jaxrl.agents.casa.settled_q`. Special cases: `Q = V` gives V-trace, `rho_clip = c_clip` expected-form
    Retrace(1), `w = pi(a)` tree backup, no clipping the doubly robust estimator. Keep `c_clip <= rho_clip`.

    Args:
        value: V, [T+1, ...].
        q_taken: Q(s_t, a_t), [T, ...].
        reward: [T, ...].
        discount: gamma_t, [T, ...]: discount factor included, 0 where the episode terminated.
        importance_ratio: w = pi(a)/mu(a), [T, ...].
        mask: [T, ...]; 0 on auto-reset rows, where the trace is cut: `v_t = V_t`. `q_t` of such a row means nothing.

    Raises:
        ValueError: shapes that do not fit.
    """
    rows = {"reward": reward, "discount": discount, "importance_ratio": importance_ratio, "mask": mask}
    check_shapes(value, q_taken=q_taken, **rows)
    mask = mask.astype(bool)
    rho = jnp.minimum(importance_ratio, rho_clip)
    c = jnp.minimum(importance_ratio, c_clip)
    delta = rho * (reward + discounted(discount, value[1:]) - q_taken)
    errors = decayed_sum(delta, discounted(discount, c), mask)
    next_target = value[1:] + jnp.concatenate([errors[1:], jnp.zeros_like(errors[:1])])
    return DRTrace(value[:-1] + errors, reward + discounted(discount, next_target))
