"""Running a function over parts of a batch that fit the cache.

A layer-by-layer pass over a whole batch writes every intermediate result to main memory and reads it again. Taken a few
samples at a time, patches and activations stay in the cache. Nothing else changes: the samples of a batch do not see
each other in a network, and the gradient of the weights is the sum over the parts, which `lax.map` takes care of.

Several parts a turn, because a convolution keeps one core busy only, and parts that do not depend on each other run
side by side; and a loop of few turns copies less of what the gradient needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

SIDE_BY_SIDE = 8  # at most so many chunks in one turn of the loop; where there are no more, there is no loop


def map_in_chunks(function: Callable[[jax.Array], Any], x: jax.Array, max_size: int) -> Any:
    """`function(x)` for a function that treats rows separately, at most `max_size` rows at a time.

    Args:
        function: [n, ...] -> pytree of [n, ...], each row of the output depending on that row of the input only.
        x: [N, ...]; filled up with zero rows where N does not divide evenly.
        max_size: rows that go through `function` at once.
    """
    rows = x.shape[0]
    if rows <= max_size:
        return function(x)
    size, chunks = cut(rows, max_size)
    if chunks * size != rows:
        x = jnp.pad(x, ((0, chunks * size - rows), *((0, 0),) * (x.ndim - 1)))
    width = side_by_side(chunks)
    # Chunk c has rows c, c + chunks, c + 2 chunks, ...: of a batch that is sharded over its rows every device has a
    # part of every chunk. A chunk of neighbours would lie on one device, and every device would compute it.
    x = x.reshape(size, chunks // width, width, *x.shape[1:])
    parts = [x[:, :, i].swapaxes(0, 1) for i in range(width)]
    if chunks == width:
        y = [jax.tree.map(lambda leaf: leaf[None], function(part[0])) for part in parts]
    else:
        y = lax.map(lambda parts: [function(part) for part in parts], parts)

    def join(*parts: jax.Array) -> jax.Array:
        """Leaves [chunks / width, size, ...] of every part as [N, ...]."""
        y = jnp.stack([part.swapaxes(0, 1) for part in parts], 2)
        return y.reshape(chunks * size, *y.shape[3:])[:rows]

    return jax.tree.map(join, *y)


def side_by_side(chunks: int) -> int:
    """How many of so many chunks are in each turn of the loop."""
    return max(width for width in range(1, SIDE_BY_SIDE + 1) if chunks % width == 0)


def cut(rows: int, max_size: int) -> tuple[int, int]:
    """Size and number of the chunks of `rows` rows, above `max_size`: together they may have a few rows more.

    By what was measured a chunk takes as long as its rows and two more, and a tenth to a fifth longer where its size is
    no multiple of 8, which fill vector registers and can be shared by as many devices.
    """

    def number(size: int) -> int:
        chunks = -(-rows // size)
        return chunks if side_by_side(chunks) > 1 else chunks + 1

    def cost(size: int) -> float:
        return number(size) * (size + 2) * (1.0 if size % 8 == 0 else 1.05 if size % 4 == 0 else 1.2)

    size = min(range(max(1, max_size), 0, -1), key=cost)
    return size, number(size)
