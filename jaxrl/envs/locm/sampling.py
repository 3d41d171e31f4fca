"""Uniform choice among legal actions, cheap enough to be called at every step of a large batch."""

import jax
import jax.numpy as jnp
from jax import Array

from jaxrl.envs.locm.arrays import iota, total

GROUP = 13


def running_total(values: Array) -> Array:
    """Sums of values[:i+1] along axis 0, int16 `[N, *batch]`, for small N."""
    rows = [values[0]]
    for i in range(1, values.shape[0]):
        rows.append(rows[-1] + values[i])
    return jnp.stack(rows)


def nth_true(mask: Array, n: Array) -> Array:
    """The index of the n-th (from 0) True along axis 0 of bool `[A, *batch]`, int16 `[*batch]`.

    Two levels, groups of 13 and places in the group: on each, the answer is the number of running
    totals that do not exceed n. Returns an index past the end if there is none.
    """
    size, batch = mask.shape[0], mask.shape[1:]
    groups = -(-size // GROUP)
    padding = jnp.zeros((groups * GROUP - size, *batch), jnp.bool_)
    grouped = jnp.concatenate([mask, padding]).reshape((groups, GROUP, *batch))
    so_far = running_total(total(grouped, 1))
    before = so_far <= n
    group = total(before)
    rest = n - jnp.max(jnp.where(before, so_far, 0), axis=0)
    chosen = (grouped & (iota(groups, n) == group)[:, None]).any(0)
    place = total(running_total(chosen.astype(jnp.int16)) <= rest)
    return GROUP * group + place


def random_action(key: Array, legal: Array) -> Array:
    """A uniformly random legal action, int16 `[*batch]`, of a mask bool `[A, *batch]`.

    A 16-bit number u becomes u * count / 2^16: no action's probability is off by more than 2^-16.
    """
    count = jnp.sum(legal, axis=0, dtype=jnp.int32)
    bits = jax.random.bits(key, legal.shape[1:], jnp.uint16).astype(jnp.int32)
    return nth_true(legal, (bits * count >> 16).astype(jnp.int16))
