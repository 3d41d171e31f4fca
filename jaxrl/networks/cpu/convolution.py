"""Two-dimensional convolution with gradients that are fast on CPUs too.

XLA's CPU backend hands a convolution to a fast kernel only in one canonical form: images [N, H, W, C], kernels
[kh, kw, C, F], no dilation of the image. Automatic differentiation does not write its gradients in that form, and XLA
rewrites them only at the top level of a program. Inside a loop they become plain scalar code, some fifty times slower,
and at the top level every operation runs over the whole batch, so that each one moves tens of megabytes through main
memory. Hence two things that only work together: the loop over parts of the batch that stay in the cache
(`jaxrl.networks.cpu.chunks`), and here a convolution whose gradients are written in the canonical form:

- of the kernel: the images are the input with channels as batch, [C, H, W, N], the kernel is the gradient of the
  output, [h, w, N, F], spread out by the stride;
- of the input: with stride `s` the image is folded into blocks of `s x s` pixels (space to depth), where the
  convolution has stride 1 and `ceil(k / s)` blocks of kernel. The gradient is a convolution with the flipped kernel,
  and no zeros are put between the pixels of the output's gradient.

Below 32 features the kernel is a slower one, so two neighbouring pixels of the output are computed as one: a third more
multiplications in a 3x3 convolution, up to four times as fast.

On accelerators the native form is used, with XLA's own gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jax.custom_batching import custom_vmap

Pads = tuple[tuple[int, int], tuple[int, int]]

FEATURES = 32  # from so many on the kernel is the fast one


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
        pads = self.padding
        if isinstance(pads, str):
            pads = lax.padtype_to_pads((height, width), self.kernel, self.stride, pads)
        (top, bottom), (left, right) = pads
        return (int(top), int(bottom)), (int(left), int(right))

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output."""
        (top, bottom), (left, right) = self.pads(height, width)
        tall = (height + top + bottom - self.kernel[0]) // self.stride[0] + 1
        wide = (width + left + right - self.kernel[1]) // self.stride[1] + 1
        return tall, wide


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def native_convolution(x: jax.Array, kernel: jax.Array, stride: tuple[int, int], pads: Pads) -> jax.Array:
    """XLA's own convolution: x [N, H, W, C], kernel [kh, kw, C, F] -> [N, h, w, F] in the kernel's dtype.

    An integer `x` is kept as it is and has no gradient.
    """
    return _in_turn(partial(_canonical, pads=pads, stride=stride), x.astype(kernel.dtype), kernel)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def cpu_convolution(x: jax.Array, kernel: jax.Array, stride: tuple[int, int], pads: Pads) -> jax.Array:
    """The same function; its gradients are canonical convolutions."""
    return _in_turn(partial(_wide, pads=pads, stride=stride), x.astype(kernel.dtype), kernel)


def _forward(x: jax.Array, kernel: jax.Array, stride: tuple[int, int], pads: Pads) -> tuple[jax.Array, Any]:
    return cpu_convolution(x, kernel, stride, pads), (x, kernel)


def _native_forward(x: jax.Array, kernel: jax.Array, stride: tuple[int, int], pads: Pads) -> tuple[jax.Array, Any]:
    return native_convolution(x, kernel, stride, pads), (x, kernel)


def _native_backward(stride: tuple[int, int], pads: Pads, residuals: Any, gradient: jax.Array) -> tuple[Any, jax.Array]:
    x, kernel = residuals
    convolution, pixels = partial(_canonical, pads=pads, stride=stride), x.astype(kernel.dtype)

    def of_kernel(x: jax.Array, gradient: jax.Array) -> jax.Array:
        return jax.linear_transpose(lambda kernel: convolution(x, kernel), kernel)(gradient)[0]

    def of_input(kernel: jax.Array, gradient: jax.Array) -> jax.Array:
        return jax.linear_transpose(lambda x: convolution(x, kernel), pixels)(gradient)[0]

    kernel_gradient = _in_turn(of_kernel, pixels, gradient)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return None, kernel_gradient
    return _in_turn(of_input, kernel, gradient).astype(x.dtype), kernel_gradient


def _backward(stride: tuple[int, int], pads: Pads, residuals: Any, gradient: jax.Array) -> tuple[Any, jax.Array]:
    x, kernel = residuals
    kernel_gradient = _kernel_gradient(x.astype(kernel.dtype), kernel, stride, pads, gradient)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return None, kernel_gradient
    return _input_gradient(x, kernel, stride, pads, gradient), kernel_gradient


native_convolution.defvjp(_native_forward, _native_backward)
cpu_convolution.defvjp(_forward, _backward)


def _canonical(
    x: jax.Array, kernel: jax.Array, pads: Any, stride: tuple[int, int] = (1, 1), spread: tuple[int, int] = (1, 1)
) -> jax.Array:
    """A convolution as the CPU backend wants it; `spread` is the distance of neighbouring kernel pixels."""
    return lax.conv_general_dilated(
        x, kernel, stride, pads, rhs_dilation=spread, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _in_turn(function: Callable[..., jax.Array], *arguments: jax.Array) -> jax.Array:
    """`function(*arguments)`, of which `vmap`, as over the members of a population, makes one after the other.

    All at once would be a convolution in groups, which is not canonical; and where the images are split over devices,
    every device would gather those of all others.
    """
    alone = custom_vmap(function)

    @alone.def_vmap
    def members(size: int, is_batched: Any, *arguments: jax.Array) -> tuple[jax.Array, bool]:
        each = (a if b else jnp.broadcast_to(a, (size, *a.shape)) for a, b in zip(arguments, is_batched, strict=True))
        return lax.map(lambda member: alone(*member), tuple(each)), True

    return alone(*arguments)


def _wide(x: jax.Array, kernel: jax.Array, pads: Any, stride: tuple[int, int] = (1, 1)) -> jax.Array:
    """The same without `spread`; of few features two neighbouring pixels are made as one of twice as many.

    The kernel is as wide as both windows, with zeros where a pixel's own window has nothing.
    """
    (kh, kw, channels, features), step = kernel.shape, stride[1]
    width = (x.shape[2] + sum(pads[1]) - kw) // step + 1
    if features >= FEATURES or width % 2:
        return _canonical(x, kernel, pads, stride)
    both = [jnp.pad(kernel, ((0, 0), (before, step - before), (0, 0), (0, 0))) for before in (0, step)]
    both = jnp.stack(both, 3).reshape(kh, kw + step, channels, 2 * features)
    y = _canonical(x, both, pads, (stride[0], 2 * step))
    return y.reshape(*y.shape[:2], width, features)


def _kernel_gradient(
    x: jax.Array, kernel: jax.Array, stride: tuple[int, int], pads: Pads, gradient: jax.Array
) -> jax.Array:
    """[kh, kw, C, F]; entry (i, j) is the sum over output pixels of gradient x the input pixel under (i, j)."""
    # Rows and columns that no window reaches are cropped, so that the result has the kernel's size.
    reached = [(side - 1) * s + k for side, s, k in zip(gradient.shape[1:3], stride, kernel.shape[:2], strict=True)]
    after = [end - start - size for end, (start, _), size in zip(reached, pads, x.shape[1:3], strict=True)]
    height, width = (size + min(0, pad) for size, pad in zip(x.shape[1:3], after, strict=True))
    around = [(start, max(0, pad)) for (start, _), pad in zip(pads, after, strict=True)]
    images, kernels = x[:, :height, :width].transpose(3, 1, 2, 0), gradient.transpose(1, 2, 0, 3)
    return _in_turn(partial(_canonical, pads=around, spread=stride), images, kernels).transpose(1, 2, 0, 3)


def _input_gradient(
    x: jax.Array, kernel: jax.Array, stride: tuple[int, int], pads: Pads, gradient: jax.Array
) -> jax.Array:
    """[N, H, W, C]: in blocks of `stride`, counted from the first padded pixel, a convolution with stride 1."""
    (n, height, width, channels), (kh, kw, _, features), (sh, sw) = x.shape, kernel.shape, stride
    (top, _), (left, _) = pads
    mh, mw = -(-kh // sh), -(-kw // sw)
    blocks = jnp.pad(kernel, ((0, mh * sh - kh), (0, mw * sw - kw), (0, 0), (0, 0)))
    blocks = blocks.reshape(mh, sh, mw, sw, channels, features)[::-1, :, ::-1]
    blocks = blocks.transpose(0, 2, 5, 1, 3, 4).reshape(mh, mw, features, sh * sw * channels)
    # Only the blocks [first, last) that hold pixels of x; negative pads crop.
    first, last = (top // sh, left // sw), (-(-(top + height) // sh), -(-(left + width) // sw))
    before = (mh - 1 - first[0], mw - 1 - first[1])
    around = [(b, end - gradient.shape[i]) for i, (b, end) in enumerate(zip(before, last, strict=True), start=1)]
    folded = _in_turn(partial(_wide, pads=around), gradient, blocks)
    rows, columns = last[0] - first[0], last[1] - first[1]
    image = folded.reshape(n, rows, columns, sh, sw, channels).transpose(0, 1, 3, 2, 4, 5)
    image = image.reshape(n, rows * sh, columns * sw, channels)
    return image[:, top % sh : top % sh + height, left % sw : left % sw + width].astype(x.dtype)


class Conv(nn.Module):
    """The parameters of a convolution, which are those of `flax.linen.Conv`; `convolve` applies them.

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


def convolve(spec: ConvSpec, convolution: Any, weights: ConvWeights, x: jax.Array) -> jax.Array:
    """One layer without its activation: [N, H, W, C] -> [N, h, w, F], by `convolution`, one of the two above."""
    return convolution(x, weights.kernel, spec.stride, spec.pads(x.shape[1], x.shape[2])) + weights.bias
