"""The network of the tokenizer: encoder, two quantised branches, and what supervises them.

    log-mel 100 Hz -> 50 Hz -> [stride 3 -> linguistic 16.7 Hz | stride 2 -> semantic 25 Hz] -> envelope 50 Hz

The linguistic codes alone must tell the phones, the semantic ones alone F0, voicing and energy, and both together the
envelope. Rates and branches are Step-Audio's (P), what supervises them is ours (O).
"""

from __future__ import annotations

from typing import NamedTuple

from flax import linen as nn
from jax import Array

from jaxrl.speech.sound.features import ENVELOPE

CODE_WIDTH = 16


class Told(NamedTuple):
    """What the codes say: envelope [B, 6 n, 32], logits of the phones [B, 6 n, P], and pitch, logit of voicing, energy
    [B, 3 n, 3]."""

    envelope: Array
    phones: Array
    prosody: Array


class Residual(nn.Module):
    """Two convolutions over time around a skip, `[B, T, C] -> [B, T, C]`."""

    dilation: int = 1

    @nn.compact
    def __call__(self, inputs: Array) -> Array:
        width = inputs.shape[-1]
        hidden = nn.gelu(nn.LayerNorm()(inputs))
        hidden = nn.gelu(nn.Conv(width, (3,), kernel_dilation=self.dilation)(hidden))
        return inputs + nn.Conv(width, (1,))(hidden)


class Encoder(nn.Module):
    """Log-mel to the vectors that are quantised, `[B, 12 n, 80] -> [B, 2 n, 16], [B, 3 n, 16]`."""

    width: int

    @nn.compact
    def __call__(self, mel: Array) -> tuple[Array, Array]:
        hidden = nn.Conv(self.width, (4,), strides=2)(mel / 4.0 + 1.0)
        for dilation in (1, 2, 4):
            hidden = Residual(dilation)(hidden)
        two = nn.Conv(self.width, (5,), strides=3, padding=[(1, 1)])(hidden)
        three = nn.Conv(self.width, (4,), strides=2, padding=[(1, 1)])(hidden)
        return nn.Dense(CODE_WIDTH)(nn.gelu(Residual()(two))), nn.Dense(CODE_WIDTH)(nn.gelu(Residual()(three)))


class Decoder(nn.Module):
    """Code values to what they say, `[B, 2 n, 16], [B, 3 n, 16] -> Told`."""

    width: int
    phones: int

    @nn.compact
    def __call__(self, linguistic: Array, semantic: Array) -> Told:
        batch, frames = linguistic.shape[0], 3 * linguistic.shape[1]
        # From each code alone: what a code means may not depend on its neighbours.
        phones = nn.Dense(3 * self.phones)(nn.gelu(nn.Dense(self.width)(linguistic)))
        prosody = nn.Dense(3)(nn.gelu(nn.Dense(self.width)(semantic)))
        hidden = nn.Dense(3 * self.width)(linguistic).reshape(batch, frames, self.width)
        hidden += nn.Dense(2 * self.width)(semantic).reshape(batch, frames, self.width)
        for dilation in (1, 2, 4, 1):
            hidden = Residual(dilation)(hidden)
        envelope = nn.Dense(ENVELOPE)(nn.LayerNorm()(hidden))
        return Told(envelope, phones.reshape(batch, frames, self.phones), prosody)


class Codec(nn.Module):
    """Both."""

    width: int
    phones: int

    def setup(self):
        self.encoder = Encoder(self.width)
        self.decoder = Decoder(self.width, self.phones)

    def __call__(self, mel: Array) -> Told:
        """For the shapes of the parameters."""
        return self.decoder(*self.encoder(mel))

    def encode(self, mel: Array) -> tuple[Array, Array]:
        """The vectors before they are quantised."""
        return self.encoder(mel)

    def decode(self, linguistic: Array, semantic: Array) -> Told:
        """What code values say."""
        return self.decoder(linguistic, semantic)
