"""A stack of convolutions in the form that is fast where it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax import lax

from jaxrl.networks.cpu.chunks import map_in_chunks
from jaxrl.networks.cpu.convolution import cpu_convolution, native_convolution
from jaxrl.networks.cpu.pooling import native_max_pool, slice_max_pool

# A chunk holds at least 8 samples: they are the channels of the convolution that gives the kernel's gradient, and fill
# a vector register. More of them only while the input and output of the largest layer stay in the cache.
CHUNK_ROWS, CHUNK_BYTES = 8, 5 * 2**19

Stack = Callable[..., jax.Array]


def run_stack(stack: Stack, weights: Any, frames: jax.Array, layer_floats: int) -> jax.Array:
    """Run convolutions over frames, [N, C, H, W] -> [N, F]: XLA's own on accelerators, chunked products on CPUs.

    Args:
        stack: (convolution, pool, weights, frames [n, C, H, W]) -> [n, F].
        weights: pytree of `ConvWeights`, passed to `stack`.
        frames: uint8 or float.
        layer_floats: numbers in the input and output of the largest layer of one sample, which set a chunk's size.
    """

    def fast(weights: Any, frames: jax.Array) -> jax.Array:
        part = partial(stack, cpu_convolution, slice_max_pool, weights)
        rows = CHUNK_ROWS * max(1, CHUNK_BYTES // (4 * layer_floats * CHUNK_ROWS))
        # Two chunks run side by side: what would fit into one is split too, where both halves are large enough.
        return map_in_chunks(part, frames, min(rows, max(CHUNK_ROWS, -(-len(frames) // 2))))

    native = partial(stack, native_convolution, native_max_pool)
    return lax.platform_dependent(weights, frames, cpu=fast, default=native)  # decided at lowering
