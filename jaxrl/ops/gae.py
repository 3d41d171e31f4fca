"""Generalised advantage estimation (Schulman et al. 2016, arXiv 1506.02438, equation 16): the advantages of PPO."""

from __future__ import annotations

import jax

from jaxrl.ops.trace import check_shapes, decayed_sum, discounted


def generalised_advantage(
    value: jax.Array,
    reward: jax.Array,
    discount: jax.Array,
    mask: jax.Array,
    *,
    trace_lambda: float | jax.Array,
) -> jax.Array:
    """Advantages [T, ...]; with the value they make the target `V_t + A_t`, the lambda-return.

        delta_t = r_t + gamma_t V_{t+1} - V_t,    A_t = delta_t + gamma_t lambda A_{t+1},    A_T = 0

    Args:
        value: V, [T+1, ...].
        reward: [T, ...].
        discount: gamma_t, [T, ...]: discount factor included, 0 where the episode terminated.
        mask: [T, ...]; 0 on auto-reset rows, where the sum is cut and `A_t = 0`.
        trace_lambda: in [0, 1]; 0 is the one-step error, 1 the n-step return.

    Raises:
        ValueError: shapes that do not fit.
    """
    check_shapes(value, reward=reward, discount=discount, mask=mask)
    delta = reward + discounted(discount, value[1:]) - value[:-1]
    return decayed_sum(delta, discount * trace_lambda, mask.astype(bool))
