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
    size = chunk_size(rows, max_size)
    chunks = -(-rows // size)
    if chunks == 1:
        return function(x)
    if chunks * size != rows:
        x = jnp.pad(x, ((0, chunks * size - rows), *((0, 0),) * (x.ndim - 1)))
    width = max(width for width in range(1, SIDE_BY_SIDE + 1) if chunks % width == 0)
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


def chunk_size(rows: int, max_size: int) -> int:
    """How many of `rows` rows, at most `max_size`, make one chunk.

    One that divides the rows into an even number of chunks, by preference a multiple of 8 or so, so that as many
    devices can share it; where the largest such is much smaller than allowed, chunks as even as can be, of which the
    last is filled up.
    """
    most = max(1, min(rows, max_size))
    if most == rows:
        return rows
    fitting = (size for size in range(1, most + 1) if rows % (2 * size) == 0)
    best = max(fitting, key=lambda size: (min(size & -size, 8), size), default=0)
    return best if 4 * best >= most else -(-rows // (2 * -(-rows // (2 * most))))
