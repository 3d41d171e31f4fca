"""The reverse scan that V-trace and DR-Trace share, the shape rule both obey, and the mean of a loss."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def check_shapes(value: jax.Array, **rows: jax.Array) -> None:
    """Every array of `rows` is [T, ...] where `value` is [T+1, ...].

    Raises:
        ValueError: naming the first array that does not fit.
    """
    if value.ndim == 0 or value.shape[0] < 2:
        raise ValueError(f"value must be [T+1, ...] with T >= 1, one row more than the rewards, got {value.shape}")
    expected = (value.shape[0] - 1, *value.shape[1:])
    for name, row in rows.items():
        if row.shape != expected:
            raise ValueError(f"{name} must be {expected} because value is {value.shape}, got {row.shape}")


def discounted(discount: jax.Array, future: jax.Array) -> jax.Array:
    """`discount * future`, and 0 where `discount` is 0 whatever `future` is: 0 times NaN or infinity would leak."""
    return jnp.where(discount == 0, 0, discount * future)


def decayed_sum(delta: jax.Array, decay: jax.Array, mask: jax.Array) -> jax.Array:
    """`acc_t = mask_t (delta_t + decay_t acc_{t+1})` with `acc_T = 0`; all [T, ...].

    A masked row is an auto-reset: nothing of what follows it may reach what came before, so the sum is cut there, not
    passed through. `where` instead of a product keeps poison (NaN) in and behind masked rows from leaking.
    """
    dtype = jnp.result_type(delta, decay)  # one of them may be wider, where only one clip is an array
    delta, decay = (jnp.where(mask, x, 0).astype(dtype) for x in (delta, decay))

    def step(acc: jax.Array, row: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        acc = row[0] + discounted(row[1], acc)
        return acc, acc

    _, errors = jax.lax.scan(step, jnp.zeros_like(delta[0]), (delta, decay), reverse=True)
    return errors


def masked_mean(x: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean over the rows where `mask`; 0 where there is none."""
    return jnp.sum(jnp.where(mask, x, 0)) / jnp.maximum(jnp.sum(mask), 1)
