"""Running mean and variance of what arrives in batches (Chan, Golub, LeVeque 1983, equation 1.5)."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

LEAST_VARIANCE = 1e-8
LIMIT = 10.0  # in standard deviations


class Moments(NamedTuple):
    """Of all rows so far; before the first one mean 0 and variance 1."""

    count: jax.Array  # float32 []
    mean: jax.Array  # float32 [...]
    squares: jax.Array  # float32 [...], summed squares of the distances from the mean

    @property
    def deviation(self) -> jax.Array:
        """Standard deviation [...]."""
        variance = jnp.where(self.count > 0, self.squares / jnp.maximum(self.count, 1), 1)
        return jnp.sqrt(variance + LEAST_VARIANCE)


def no_moments(shape: tuple[int, ...]) -> Moments:
    """Of no rows of `shape`."""
    return Moments(jnp.zeros(()), jnp.zeros(shape), jnp.zeros(shape))


def add_rows(moments: Moments, rows: jax.Array, mask: jax.Array) -> Moments:
    """With `rows` [..., *shape] added, of which `mask` [...] counts."""
    mask = mask.reshape(*mask.shape, *(1,) * (rows.ndim - mask.ndim))
    axes = tuple(range(rows.ndim - moments.mean.ndim))
    rows = jnp.where(mask, rows, 0).astype(jnp.float32)
    count = jnp.sum(mask, dtype=jnp.float32)
    mean = jnp.sum(rows, axes) / jnp.maximum(count, 1)
    squares = jnp.sum(jnp.where(mask, jnp.square(rows - mean), 0), axes)
    total = moments.count + count
    step = mean - moments.mean
    share = count / jnp.maximum(total, 1)
    return Moments(
        total, moments.mean + share * step, moments.squares + squares + jnp.square(step) * moments.count * share
    )


def standardise(moments: Moments, x: jax.Array) -> jax.Array:
    """`x` [..., *shape] in standard deviations from the mean, within `LIMIT`."""
    return jnp.clip((x - moments.mean) / moments.deviation, -LIMIT, LIMIT)


def scale_down(moments: Moments, x: jax.Array) -> jax.Array:
    """`x` [..., *shape] in standard deviations, its sign kept, within `LIMIT`."""
    return jnp.clip(x / moments.deviation, -LIMIT, LIMIT)


def like(spec: Any) -> Any:
    """No rows yet of each array of a tree."""
    return jax.tree.map(lambda array: no_moments(array.shape), spec)
