"""Frames that are kept once give the stacks that an environment shows."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxrl.ops import push_frame, stack_frames


def stacks_one_by_one(frames: np.ndarray, first: np.ndarray, size: int) -> np.ndarray:
    """As environments do: an episode starts with its frame `size` times, then the newest pushes the oldest out."""
    rows, envs = first.shape
    out = np.empty((rows, envs, size, *frames.shape[2:]), frames.dtype)
    for env in range(envs):
        stack = [*frames[: size - 1, env]]
        for row in range(rows):
            newest = frames[size - 1 + row, env]
            stack = [newest] * size if first[row, env] else [*stack[-(size - 1) :], newest]
            out[row, env] = stack
    return out


@pytest.mark.parametrize(
    ("size", "rows", "share"), [(4, 12, 0.0), (4, 12, 0.25), (4, 2, 0.5), (2, 7, 0.3), (3, 9, 0.9)]
)
def test_stacks_are_those_of_an_environment(size: int, rows: int, share: float) -> None:
    rng = np.random.default_rng(rows)
    frames = rng.integers(0, 256, (size - 1 + rows, 40, 3, 2), np.uint8)
    first = rng.random((rows, 40)) < share
    stacked = jax.jit(stack_frames)(frames, first)
    np.testing.assert_array_equal(stacked, stacks_one_by_one(frames, first, size))
    older, push = frames[: size - 1].swapaxes(0, 1), jax.jit(push_frame)
    for row in range(rows):  # one frame after the other, as an actor's device gets them
        seen = push(older, frames[size - 1 + row], first[row])
        np.testing.assert_array_equal(seen, stacked[row])
        older = seen[:, 1:]
