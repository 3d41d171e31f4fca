"""Running a function over parts of a batch that fit the cache.

A layer-by-layer pass over a whole batch writes every intermediate result to main memory and reads it again. Taken a few
samples at a time, patches and activations stay in the cache. Nothing else changes: the samples of a batch do not see
each other in a network, and the gradient of the weights is the sum over the parts, which `lax.map` takes care of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def map_in_chunks(function: Callable[[jax.Array], Any], x: jax.Array, max_size: int) -> Any:
    """`function(x)` for a function that treats rows separately, at most `max_size` rows at a time.

    Args:
        function: [n, ...] -> pytree of [n, ...], each row of the output depending on that row of the input only.
        x: [N, ...]; filled up with zero rows where N does not divide evenly.
        max_size: rows that go through `function` at once.
    """
    rows = x.shape[0]
    chunks = max(1, -(-rows // max(1, max_size)))
    if chunks == 1:
        return function(x)
    size = -(-rows // chunks)
    if chunks * size != rows:
        x = jnp.pad(x, ((0, chunks * size - rows), *((0, 0),) * (x.ndim - 1)))
    y = lax.map(function, x.reshape(chunks, size, *x.shape[1:]))
    return jax.tree.map(lambda leaf: leaf.reshape(chunks * size, *leaf.shape[2:])[:rows], y)
