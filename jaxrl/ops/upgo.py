"""UPGO, upgoing policy update (Vinyals et al. 2019, AlphaStar, supplement): follow a trajectory while it goes well."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxrl.ops.trace import check_shapes, decayed_sum, discounted


def upgo_advantage(
    value: jax.Array,
    reward: jax.Array,
    discount: jax.Array,
    importance_ratio: jax.Array,
    mask: jax.Array,
    *,
    rho_clip: float | jax.Array = 1.0,
) -> jax.Array:
    """Advantages [T, ...]; treat them as constants (`stop_gradient`) in a loss.

        delta_t = r_t + gamma_t V_{t+1} - V_t
        G_t     = r_t + gamma_t (G_{t+1} if delta_{t+1} >= 0 else V_{t+1}),       G_T = V_T
        adv_t   = min(w_t, rho_clip) (G_t - V_t)

    Arguments are as of `jaxrl.ops.vtrace`; at an auto-reset row, where `mask` is 0, the return bootstraps.
    """
    check_shapes(value, reward=reward, discount=discount, importance_ratio=importance_ratio, mask=mask)
    mask = mask.astype(bool)
    delta = reward + discounted(discount, value[1:]) - value[:-1]
    # G_t - V_t = delta_t + gamma_t [delta_{t+1} >= 0] (G_{t+1} - V_{t+1}); behind the last row nothing follows.
    upwards = jnp.concatenate([delta[1:] >= 0, jnp.zeros_like(mask[:1])])
    excess = decayed_sum(delta, discount * upwards, mask)
    return jnp.where(mask, jnp.minimum(importance_ratio, rho_clip) * excess, 0)
