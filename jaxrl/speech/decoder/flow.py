"""Flow matching from noise to envelope, pitch and voicing at 50 Hz, given codes and a voice (Lipman et al., 2023).

    x_t = (1 - t) noise + t data,   v(x_t, t, codes, voice) = data - noise

The network sees a third of a second to both sides, so that a stream can be decoded in chunks. The ablation is the same
network without noise and time, which regresses the data.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from jaxrl.speech.sound.features import ENVELOPE, FRAMES
from jaxrl.speech.tokenizer.codec import Residual

CHANNELS = ENVELOPE + 2  # envelope, pitch, voicing


class FlowNetwork(nn.Module):
    """The field `v`, `noisy [B, T, 34], time [B], linguistic [B, 2 n], semantic [B, 3 n], voice [B, 34]`, T = 6 n.

    Args:
        width: channels.
        linguistic: codes of the linguistic codebook.
        semantic: codes of the semantic codebook.
    """

    width: int
    linguistic: int
    semantic: int

    @nn.compact
    def __call__(self, noisy: Array, time: Array, linguistic: Array, semantic: Array, voice: Array) -> Array:
        """The velocity, `[B, T, 34]`."""
        two = nn.Embed(self.linguistic, self.width)(linguistic)
        three = nn.Embed(self.semantic, self.width)(semantic)
        batch, frames = noisy.shape[:2]
        place = nn.Embed(FRAMES, self.width)(jnp.arange(frames) % FRAMES)
        hidden = jnp.repeat(two, FRAMES // 2, axis=1) + jnp.repeat(three, FRAMES // 3, axis=1) + place
        hidden += nn.Dense(self.width)(voice)[:, None] + nn.Dense(self.width)(_waves(time, self.width))[:, None]
        hidden = nn.Dense(self.width)(noisy) + hidden
        for dilation in (1, 2, 4, 8, 1):
            hidden = Residual(dilation)(hidden)
        return nn.Dense(CHANNELS)(nn.LayerNorm()(hidden)).reshape(batch, frames, CHANNELS)


def _waves(time: Array, width: int) -> Array:
    """Sines and cosines of a time in [0, 1], [B] -> [B, width]."""
    rates = jnp.exp(jnp.linspace(0.0, jnp.log(1000.0), width // 2))
    return jnp.concatenate([jnp.sin(time[:, None] * rates), jnp.cos(time[:, None] * rates)], axis=-1)


def integrate(field, noise: Array, steps: int) -> Array:
    """Euler's method from `noise` at time 0 to data at time 1; `field(x, time [B])` is the velocity."""

    def step(x: Array, index: Array) -> tuple[Array, None]:
        time = jnp.full(len(x), index / steps)
        return x + field(x, time) / steps, None

    return jax.lax.scan(step, noise, jnp.arange(steps))[0]
