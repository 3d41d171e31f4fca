"""Torsos for frames, which come as EnvPool gives them, uint8 [N, C, H, W]; out come features [N, F]."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxrl.networks.cpu import Conv, ConvSpec, ConvWeights, convolve, run_stack
from jaxrl.networks.heads import ROOT_TWO, dense
from jaxrl.networks.motion import motion_frames

NATURE = (ConvSpec(32, (8, 8), (4, 4)), ConvSpec(64, (4, 4), (2, 2)), ConvSpec(64, (3, 3), (1, 1)))
SMALL = (ConvSpec(16, (8, 8), (4, 4)), ConvSpec(32, (4, 4), (2, 2)))
RESNET_CHANNELS = (16, 32, 32)


def make_torso(name: str, hidden_sizes: tuple[int, ...], dtype: str, motion: bool = False) -> nn.Module:
    """The torso `nature`, `small` or `resnet`; with `motion` it sees `motion_frames` instead of the plain ones."""
    if name == "resnet":
        return ResNetTorso(RESNET_CHANNELS, hidden_sizes, jnp.dtype(dtype), motion)
    specs, multiple = (NATURE, 1) if name == "nature" else (SMALL, 4)
    return PlainTorso(specs, hidden_sizes, jnp.dtype(dtype), motion, multiple)


def to_images(frames: jax.Array, first: ConvWeights, dtype: Any, motion: bool) -> tuple[jax.Array, ConvWeights]:
    """What the first layer sees of frames, [N, C, H, W] -> [N, H, W, C], and its weights for that.

    Bytes stay bytes, a quarter of the memory to cut patches from: the kernel is divided by 255 instead of every pixel,
    the same function, and bytes are exact in bfloat16.
    """
    if motion:
        frames = motion_frames(frames)
    images = frames.transpose(0, 2, 3, 1)
    if images.dtype == jnp.uint8:
        return images, first._replace(kernel=first.kernel / 255)
    return images.astype(dtype), first


class PlainTorso(nn.Module):
    """Convolutions with ReLU, then dense layers: the Nature CNN and the small torso differ in numbers only.

    Args:
        specs: the convolutions.
        hidden_sizes: widths of the dense layers.
        dtype: of the computation.
        motion: show `motion_frames` to the convolutions.
        multiple: frames are zero-padded, half before and half after, to a multiple of so many pixels.
    """

    specs: tuple[ConvSpec, ...]
    hidden_sizes: tuple[int, ...]
    dtype: Any = jnp.float32
    motion: bool = False
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
            x, first = to_images(frames, weights[0], self.dtype, self.motion)
            for spec, layer in zip(specs, [first, *weights[1:]], strict=True):
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
        motion: show `motion_frames` to the convolutions.
        blocks: residual blocks of a section.
    """

    channels: tuple[int, ...]
    hidden_sizes: tuple[int, ...]
    dtype: Any = jnp.float32
    motion: bool = False
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
            x, first = to_images(frames, weights["0"], self.dtype, self.motion)
            weights = {**weights, "0": first}

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
