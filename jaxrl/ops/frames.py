"""Observations that are stacks of the newest frames, of frames that are kept, or come, once."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def stack_frames(frames: jax.Array, first: jax.Array) -> jax.Array:
    """The newest K frames of every row, oldest first, where an episode's first frame stands for those before it.

    Only slices and selections, so that an array that is split over B stays where it is.

    Args:
        frames: [K - 1 + T, B, ...]: the K - 1 older frames of row 0, which may be repetitions, then every row's newest.
        first: bool [T, B], the row starts an episode.

    Returns:
        [T, B, K, ...].
    """
    rows, older = len(first), len(frames) - len(first)
    stacked, started = [frames[older:]], jnp.zeros_like(first)
    for age in range(1, older + 1):
        # An episode that started in the last `age` rows has no frame so old: the next newer one stands for it.
        started |= jnp.pad(first, ((age - 1, 0), (0, 0)))[:rows]
        seen = started.reshape(*started.shape, *(1,) * (frames.ndim - 2))
        stacked.append(jnp.where(seen, stacked[-1], frames[older - age :][:rows]))
    return jnp.stack(stacked[::-1], axis=2)


def push_frame(older: jax.Array, newest: jax.Array, first: jax.Array) -> jax.Array:
    """The stacks of one row, as `stack_frames` makes them of many.

    Args:
        older: [B, K - 1, ...], the frames before the newest, the oldest first.
        newest: [B, ...].
        first: bool [B], an episode starts: its first frame stands for those before it.

    Returns:
        [B, K, ...].
    """
    newest, starts = newest[:, None], first.reshape(-1, *(1,) * newest.ndim)
    return jnp.concatenate([jnp.where(starts, newest, older), newest], axis=1)
