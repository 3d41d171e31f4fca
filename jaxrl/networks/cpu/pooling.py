"""Max-pooling 3x3 with stride 2, the one of the IMPALA ResNet, without the scatter that XLA's gradient needs."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

WINDOW, STRIDE = 3, 2


def native_max_pool(x: jax.Array) -> jax.Array:
    """XLA's own: [N, H, W, C] -> [N, ceil(H/2), ceil(W/2), C]."""
    return nn.max_pool(x, (WINDOW, WINDOW), (STRIDE, STRIDE), "SAME")


def slice_max_pool(x: jax.Array) -> jax.Array:
    """The same from nine strided slices; the gradient goes to the first maximum of a window, as in XLA's form."""
    return _slice_max_pool((x.shape[1], x.shape[2]), x)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _slice_max_pool(size: tuple[int, int], x: jax.Array) -> jax.Array:
    return _pool(x)[0]


def _pool(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Maxima [N, h, w, C] and which of the nine pixels each one is, uint8 [N, h, w, C]."""
    h, w = -(-x.shape[1] // STRIDE), -(-x.shape[2] // STRIDE)
    pads = lax.padtype_to_pads(x.shape[1:3], (WINDOW,) * 2, (STRIDE,) * 2, "SAME")
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=-jnp.inf)
    best, index = None, jnp.zeros((x.shape[0], h, w, x.shape[3]), jnp.uint8)
    for i in range(WINDOW):
        for j in range(WINDOW):
            pixel = x[:, i : i + 2 * h - 1 : STRIDE, j : j + 2 * w - 1 : STRIDE]
            if best is None:
                best = pixel
                continue
            index = jnp.where(pixel > best, jnp.uint8(WINDOW * i + j), index)
            best = jnp.maximum(best, pixel)
    assert best is not None
    return best, index


def _forward(size: tuple[int, int], x: jax.Array) -> tuple[jax.Array, jax.Array]:
    # The residual is one byte per output, not the input.
    return _pool(x)


def _backward(size: tuple[int, int], index: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    n, h, w, channels = gradient.shape
    (top, _), (left, _) = lax.padtype_to_pads(size, (WINDOW,) * 2, (STRIDE,) * 2, "SAME")
    # Each pixel is seen by up to four windows: in each direction an odd one by one, an even one by two.
    gradient = jnp.pad(gradient, ((0, 0), (1, 1), (1, 1), (0, 0)))
    index = jnp.pad(index, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=WINDOW * WINDOW)

    def share(i: int, j: int) -> jax.Array:
        """What windows give to the pixel (i, j) of theirs, [N, h+1, w+1, C], by the block of the pixel."""
        a, b = 1 - i // 2, 1 - j // 2
        chosen = index[:, a : a + h + 1, b : b + w + 1] == WINDOW * i + j
        return jnp.where(chosen, gradient[:, a : a + h + 1, b : b + w + 1], 0)

    even_even = share(0, 0) + share(0, 2) + share(2, 0) + share(2, 2)
    even_odd, odd_even = share(0, 1) + share(2, 1), share(1, 0) + share(1, 2)
    rows = jnp.stack([jnp.stack([even_even, even_odd], 3), jnp.stack([odd_even, share(1, 1)], 3)], 2)
    image = rows.reshape(n, 2 * (h + 1), 2 * (w + 1), channels)
    return (image[:, top : top + size[0], left : left + size[1]],)


_slice_max_pool.defvjp(_forward, _backward)
