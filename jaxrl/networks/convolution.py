"""Two-dimensional convolution and max-pooling in a form for CPUs, with the results of XLA's native form.

XLA's native convolutions are the right choice on accelerators. On CPUs their gradients are slow (the weight gradient
becomes a convolution with a window of a whole frame, the gradient of max-pooling a scatter), while plain matrix
products run near the machine's peak. Here a convolution is therefore one matrix product over image patches.

**Patches without gathers.** With stride `s` the image is folded into blocks of `s x s` pixels (space to depth). A
kernel of `k x k` pixels then is a kernel of `m x m` blocks with stride 1, `m = ceil(k / s)` (zero-padded where `s` does
not divide `k`), and the patches are `m * m` shifted copies of the folded image side by side: long contiguous runs.

**Gradients.** The patches are not kept for the backward pass but cut again: they are `m * m` times as large as the
image, and copying them is cheaper than moving them through main memory. The gradient of the input is itself such a
convolution, with the flipped kernel, over the padded gradient of the output.

Callers run these over chunks of the batch that fit the cache (`jaxrl.networks.microbatch`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

Padding = str | Sequence[tuple[int, int]]
Pads = tuple[tuple[int, int], tuple[int, int]]


class ConvWeights(NamedTuple):
    """Parameters of one convolution."""

    kernel: jax.Array  # [kh, kw, C_in, C_out]
    bias: jax.Array  # [C_out]


class ConvSpec(NamedTuple):
    """What a convolution is, besides its weights; hashable, so that it can be static."""

    features: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: str | tuple[tuple[int, int], ...] = "VALID"

    def pads(self, height: int, width: int) -> Pads:
        """Rows and columns added around an image: ((top, bottom), (left, right))."""
        return resolve_padding((height, width), self.kernel, self.stride, self.padding)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output."""
        (top, bottom), (left, right) = self.pads(height, width)
        tall = (height + top + bottom - self.kernel[0]) // self.stride[0] + 1
        wide = (width + left + right - self.kernel[1]) // self.stride[1] + 1
        return tall, wide


def resolve_padding(size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], padding: Padding) -> Pads:
    """Explicit pads for `SAME`, `VALID` or pads that are explicit already."""
    pads = lax.padtype_to_pads(size, kernel, stride, padding) if isinstance(padding, str) else padding
    (top, bottom), (left, right) = pads
    return (int(top), int(bottom)), (int(left), int(right))


def native_convolution(x: jax.Array, kernel: jax.Array, stride: tuple[int, int], pads: Pads) -> jax.Array:
    """XLA's own convolution: x [N, H, W, C], kernel [kh, kw, C, F] -> [N, h, w, F] in the kernel's dtype."""
    x = x.astype(kernel.dtype)
    return lax.conv_general_dilated(x, kernel, stride, pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def matmul_convolution(x: jax.Array, kernel: jax.Array, stride: tuple[int, int], pads: Pads) -> jax.Array:
    """The same as one matrix product over patches; an integer `x` is converted after the patches were cut."""
    h, w = _output_size(x, kernel, stride, pads)
    patches = _patches(_fold(x, kernel, stride, pads), h, w).astype(kernel.dtype)
    return _product(patches, _fold_kernel(kernel, stride))


def _forward(x: jax.Array, kernel: jax.Array, stride: tuple[int, int], pads: Pads) -> tuple[jax.Array, Any]:
    return matmul_convolution(x, kernel, stride, pads), (x, kernel)


def _backward(stride: tuple[int, int], pads: Pads, residuals: Any, gradient: jax.Array) -> tuple[Any, jax.Array]:
    x, kernel = residuals
    (kh, kw, channels, features), (sh, sw) = kernel.shape, stride
    mh, mw = -(-kh // sh), -(-kw // sw)
    n, h, w, _ = gradient.shape
    patches = _patches(_fold(x, kernel, stride, pads), h, w).astype(kernel.dtype)
    flat = jnp.einsum("nhwp,nhwf->pf", patches, gradient)
    kernel_gradient = flat.reshape(mh, mw, sh, sw, channels, features).transpose(0, 2, 1, 3, 4, 5)
    kernel_gradient = kernel_gradient.reshape(mh * sh, mw * sw, channels, features)[:kh, :kw]
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return None, kernel_gradient
    # The transposed convolution, in folded space.
    border = jnp.pad(gradient, ((0, 0), (mh - 1, mh - 1), (mw - 1, mw - 1), (0, 0)))
    flipped = _fold_kernel(kernel, stride).reshape(mh, mw, sh * sw * channels, features)[::-1, ::-1]
    flipped = flipped.transpose(0, 1, 3, 2).reshape(mh * mw * features, sh * sw * channels)
    folded = _product(_patches(border, h + mh - 1, w + mw - 1), flipped)
    (top, _), (left, _) = pads
    image = folded.reshape(n, h + mh - 1, w + mw - 1, sh, sw, channels).transpose(0, 1, 3, 2, 4, 5)
    image = image.reshape(n, (h + mh - 1) * sh, (w + mw - 1) * sw, channels)[:, top:, left:]
    image = image[:, : x.shape[1], : x.shape[2]]
    below, right = x.shape[1] - image.shape[1], x.shape[2] - image.shape[2]
    return jnp.pad(image, ((0, 0), (0, below), (0, right), (0, 0))).astype(x.dtype), kernel_gradient


matmul_convolution.defvjp(_forward, _backward)


def _output_size(x: jax.Array, kernel: jax.Array, stride: tuple[int, int], pads: Pads) -> tuple[int, int]:
    spec = ConvSpec(kernel.shape[3], (kernel.shape[0], kernel.shape[1]), stride, pads)
    return spec.output_size(x.shape[1], x.shape[2])


def _fold(x: jax.Array, kernel: jax.Array, stride: tuple[int, int], pads: Pads) -> jax.Array:
    """Pad or crop to whole blocks of `stride`, then space to depth: [N, h+mh-1, w+mw-1, sh*sw*C]."""
    (sh, sw), (n, height, width, channels) = stride, x.shape
    h, w = _output_size(x, kernel, stride, pads)
    rows, columns = h - 1 - (-kernel.shape[0] // sh), w - 1 - (-kernel.shape[1] // sw)
    (top, _), (left, _) = pads
    # Negative numbers crop: rows that no window reaches.
    edges = ((0, 0, 0), (top, rows * sh - height - top, 0), (left, columns * sw - width - left, 0), (0, 0, 0))
    x = lax.pad(x, jnp.zeros((), x.dtype), edges)
    x = x.reshape(n, rows, sh, columns, sw, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, rows, columns, sh * sw * channels)


def _fold_kernel(kernel: jax.Array, stride: tuple[int, int]) -> jax.Array:
    """Kernel [kh, kw, C, F] as a matrix [mh*mw*sh*sw*C, F] whose rows are in the order of `_patches` over `_fold`."""
    (kh, kw, channels, features), (sh, sw) = kernel.shape, stride
    mh, mw = -(-kh // sh), -(-kw // sw)
    kernel = jnp.pad(kernel, ((0, mh * sh - kh), (0, mw * sw - kw), (0, 0), (0, 0)))
    kernel = kernel.reshape(mh, sh, mw, sw, channels, features).transpose(0, 2, 1, 3, 4, 5)
    return kernel.reshape(mh * mw * sh * sw * channels, features)


def _patches(folded: jax.Array, h: int, w: int) -> jax.Array:
    """Windows with stride 1: [N, h+mh-1, w+mw-1, C] -> [N, h, w, mh*mw*C]."""
    mh, mw = folded.shape[1] - h + 1, folded.shape[2] - w + 1
    return jnp.concatenate([folded[:, i : i + h, j : j + w] for i in range(mh) for j in range(mw)], axis=-1)


def _product(patches: jax.Array, matrix: jax.Array) -> jax.Array:
    """[N, h, w, P] @ [P, F] as one tall product."""
    return (patches.reshape(-1, patches.shape[-1]) @ matrix).reshape(*patches.shape[:-1], matrix.shape[-1])


def by_platform(native: Any, fast: Any, *operands: Any) -> Any:
    """`fast(*operands)` where the program is compiled for a CPU, else `native(*operands)`; decided at lowering."""
    return lax.platform_dependent(*operands, cpu=fast, default=native)


class Conv(nn.Module):
    """As `flax.linen.Conv` for images [N, H, W, C], with the same parameters; fast on CPUs too.

    Args:
        spec: features, kernel, stride, padding.
        dtype: of the computation; parameters are float32.
        kernel_init: initialiser of the kernel; biases start at 0.
    """

    spec: ConvSpec
    dtype: Any = jnp.float32
    kernel_init: Any = nn.initializers.orthogonal(2**0.5)

    @nn.compact
    def weights(self, channels: int) -> ConvWeights:
        """The parameters, for an input of so many channels; lets a torso run several layers as one function."""
        spec = self.spec
        kernel = self.param("kernel", self.kernel_init, (*spec.kernel, channels, spec.features), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros_init(), (spec.features,), jnp.float32)
        return ConvWeights(kernel.astype(self.dtype), bias.astype(self.dtype))

    def __call__(self, x: jax.Array) -> jax.Array:
        weights, spec = self.weights(x.shape[3]), self.spec
        native, fast = (partial(convolve, spec, form) for form in (native_convolution, matmul_convolution))
        return by_platform(native, fast, weights, x)


def convolve(spec: ConvSpec, convolution: Any, weights: ConvWeights, x: jax.Array) -> jax.Array:
    """One layer without its activation: [N, H, W, C] -> [N, h, w, F], by `convolution`, one of the two above."""
    return convolution(x, weights.kernel, spec.stride, spec.pads(x.shape[1], x.shape[2])) + weights.bias
