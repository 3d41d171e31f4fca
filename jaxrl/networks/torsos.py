"""Torsos: what turns an observation into features [N, F]. Frames come as EnvPool gives them, uint8 [N, C, H, W]."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxrl.networks.cpu.chunks import map_in_chunks
from jaxrl.networks.cpu.convolution import (
    Conv,
    ConvSpec,
    ConvWeights,
    by_platform,
    convolve,
    cpu_convolution,
    native_convolution,
)
from jaxrl.networks.cpu.pooling import native_max_pool, slice_max_pool

ROOT_TWO = 2**0.5
# A chunk holds at least 16 samples: they are the channels of the convolution that gives the kernel's gradient, and fill
# a vector register. More of them only while the input and output of the largest layer stay in the cache.
CHUNK_ROWS, CHUNK_BYTES = 16, 5 * 2**19

Stack = Callable[..., jax.Array]


def dense(features: int, gain: float, dtype: Any, name: str) -> nn.Dense:
    """A dense layer with orthogonal kernel of this gain and zero bias; parameters float32."""
    return nn.Dense(features, dtype=dtype, kernel_init=nn.initializers.orthogonal(gain), name=name)


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
        return map_in_chunks(part, frames, rows)

    return by_platform(partial(stack, native_convolution, native_max_pool), fast, weights, frames)


def to_images(frames: jax.Array, dtype: Any) -> jax.Array:
    """[N, C, H, W] -> [N, H, W, C]; bytes stay bytes (a quarter of the memory to cut patches from)."""
    frames = frames.transpose(0, 2, 3, 1)
    return frames if frames.dtype == jnp.uint8 else frames.astype(dtype)


def scale_for(frames: jax.Array, weights: ConvWeights) -> ConvWeights:
    """Divide the first kernel by 255 instead of every pixel: the same function, and bytes are exact in bfloat16."""
    return weights._replace(kernel=weights.kernel / 255) if frames.dtype == jnp.uint8 else weights


class PlainTorso(nn.Module):
    """Convolutions with ReLU, then dense layers: the Nature CNN and the small torso differ in numbers only.

    Args:
        specs: the convolutions.
        hidden_sizes: widths of the dense layers.
        dtype: of the computation.
        multiple: frames are zero-padded, half before and half after, to a multiple of so many pixels.
    """

    specs: tuple[ConvSpec, ...]
    hidden_sizes: tuple[int, ...]
    dtype: Any = jnp.float32
    multiple: int = 1

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        (_, channels, height, width), weights, largest = frames.shape, [], 1
        pads = [(total // 2, total - total // 2) for total in (-height % self.multiple, -width % self.multiple)]
        specs = (self.specs[0]._replace(padding=tuple(pads)), *self.specs[1:])
        for i, spec in enumerate(specs):
            weights.append(Conv(spec, self.dtype, name=f"conv_{i}").weights(channels))
            before = height * width * channels
            height, width = spec.output_size(height, width)
            channels = spec.features
            largest = max(largest, before + height * width * channels)

        def stack(convolution: Any, pool: Any, weights: list[ConvWeights], frames: jax.Array) -> jax.Array:
            x, weights = to_images(frames, self.dtype), [scale_for(frames, weights[0]), *weights[1:]]
            for spec, layer in zip(specs, weights, strict=True):
                x = nn.relu(convolve(spec, convolution, layer, x))
            return x.reshape(x.shape[0], -1)

        x = run_stack(stack, weights, frames, largest)
        for i, size in enumerate(self.hidden_sizes):
            x = nn.relu(dense(size, ROOT_TWO, self.dtype, f"dense_{i}")(x))
        return x


class ResNetTorso(nn.Module):
    """The deep residual network of IMPALA: per section a convolution, max-pooling and two residual blocks.

    Args:
        channels: of the sections.
        hidden_sizes: widths of the dense layers.
        dtype: of the computation.
        blocks: residual blocks of a section.
    """

    channels: tuple[int, ...]
    hidden_sizes: tuple[int, ...]
    dtype: Any = jnp.float32
    blocks: int = 2

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        channels, weights = frames.shape[1], {}
        for s, features in enumerate(self.channels):
            spec = ConvSpec(features, (3, 3), (1, 1), "SAME")
            weights[f"{s}"] = Conv(spec, self.dtype, name=f"section_{s}").weights(channels)
            channels = features
            for b in range(self.blocks):
                for c in range(2):
                    name = f"section_{s}_block_{b}_conv_{c}"
                    weights[f"{s}/{b}/{c}"] = Conv(spec, self.dtype, name=name).weights(channels)

        def stack(convolution: Any, pool: Any, weights: dict[str, ConvWeights], frames: jax.Array) -> jax.Array:
            x, weights = to_images(frames, self.dtype), {**weights, "0": scale_for(frames, weights["0"])}

            def layer(name: str, x: jax.Array) -> jax.Array:
                spec = ConvSpec(weights[name].kernel.shape[3], (3, 3), (1, 1), "SAME")
                return convolve(spec, convolution, weights[name], x)

            for s in range(len(self.channels)):
                x = pool(layer(f"{s}", x))
                for b in range(self.blocks):
                    x = x + layer(f"{s}/{b}/1", nn.relu(layer(f"{s}/{b}/0", nn.relu(x))))
            return nn.relu(x).reshape(x.shape[0], -1)

        largest = frames.shape[2] * frames.shape[3] * (frames.shape[1] + self.channels[0])
        x = run_stack(stack, weights, frames, largest)
        for i, size in enumerate(self.hidden_sizes):
            x = nn.relu(dense(size, ROOT_TWO, self.dtype, f"dense_{i}")(x))
        return x


class MLPTorso(nn.Module):
    """Dense layers over the flattened observation, [N, ...] -> [N, F].

    Args:
        hidden_sizes: widths.
        dtype: of the computation.
        activation: after every layer.
    """

    hidden_sizes: tuple[int, ...]
    dtype: Any = jnp.float32
    activation: Callable[[jax.Array], jax.Array] = nn.tanh

    @nn.compact
    def __call__(self, observation: jax.Array) -> jax.Array:
        x = observation.reshape(observation.shape[0], -1)
        x = x.astype(self.dtype) / 255 if x.dtype == jnp.uint8 else x.astype(self.dtype)
        for i, size in enumerate(self.hidden_sizes):
            x = self.activation(dense(size, ROOT_TWO, self.dtype, f"dense_{i}")(x))
        return x


NATURE = (ConvSpec(32, (8, 8), (4, 4)), ConvSpec(64, (4, 4), (2, 2)), ConvSpec(64, (3, 3), (1, 1)))
SMALL = (ConvSpec(16, (8, 8), (4, 4)), ConvSpec(32, (4, 4), (2, 2)))
RESNET_CHANNELS = (16, 32, 32)
