"""Reading and masking slots: the small array idioms the rules are written in.

Slot axes come first and batch axes last (`state.py`), so a mask over slots is a comparison with `iota`
and a look-up of one slot is a masked sum: on a processor both are cheaper than an indexed gather.
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxrl.envs.locm.state import Board


def iota(size: int, like: Array) -> Array:
    """0 .. size-1 as int16 `[size, 1, ...]`, one axis more than `like`, to compare with it."""
    return jnp.arange(size, dtype=jnp.int16).reshape((size,) + (1,) * like.ndim)


def total(x: Array, axes: int | tuple[int, ...] = 0) -> Array:
    """Sum over leading axes as int16 (counts and sums here are small; int16 vectorises best)."""
    return jnp.sum(x, axis=axes, dtype=jnp.int16)


def select(when: Array, new, old):
    """`new` in the games where `when` holds, else `old`; any pytrees of `[..., *batch]` arrays."""
    return jax.tree.map(lambda a, b: jnp.where(when, a, b), new, old)


def both(own: Array, opponent: Array) -> Array:
    """Two `[*batch]` arrays -> by side `[2, *batch]`."""
    return jnp.where(iota(2, own) == 0, own, opponent)


def flat_places(like: Array) -> Array:
    """The flattened place 0..11 of every board slot, int16 `[2, 2, 3, 1...]`."""
    return jnp.arange(12, dtype=jnp.int16).reshape((2, 2, 3) + (1,) * like.ndim)


def present(board: Board) -> Array:
    """bool `[2, 2, 3, *batch]`: the slot holds a creature."""
    return board.card >= 0


def read(values: Array, mask: Array) -> Array:
    """The value of the one board slot in `mask` (0 if none) -> `[*batch]`."""
    return total(jnp.where(mask, values, 0), (0, 1, 2))


def highest(score: Array) -> Array:
    """The index of the highest score along axis 0, the first of equal ones, int16 `[*batch]`.

    As two reductions, which vectorise; `argmax` is one of pairs, which on a processor does not.
    """
    last = score.shape[0] - 1
    return jnp.min(jnp.where(score == jnp.max(score, axis=0), iota(last + 1, score[0]), last), axis=0)


def take(table: Array, index: Array) -> Array:
    """table `[N, *batch]` at index `[K, *batch]`, which must be in range -> `[K, *batch]`."""
    return jnp.take_along_axis(table, index, axis=0, mode="promise_in_bounds")
