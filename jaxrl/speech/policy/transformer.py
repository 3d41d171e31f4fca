"""The policy's network: a decoder-only transformer over tokens of text and speech, with a key/value cache.

Pre-norm blocks, RMSNorm (Zhang and Sennrich, 2019), rotary positions (Su et al., 2021), GELU, an untied head. Positions
are relative, so that dialogues may be packed one behind another into a row.
"""

from __future__ import annotations

from typing import TypeAlias

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

# Keys and values of each layer, [B, T, heads, width / heads] each; a row's own cache is its slice [b].
Cache: TypeAlias = tuple[tuple[Array, Array], ...]
NEVER = -1e9  # a logit of what cannot be


def rotate(vectors: Array, positions: Array) -> Array:
    """Rotary positions: `vectors` [B, T, heads, D] turned by angles of `positions` [B, T] (or [T])."""
    half = vectors.shape[-1] // 2
    rates = 10_000.0 ** (-jnp.arange(half) / half)
    angles = positions[..., None, None] * rates
    first, second = vectors[..., :half], vectors[..., half:]
    cosine, sine = jnp.cos(angles), jnp.sin(angles)
    return jnp.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)


def attend(query: Array, key: Array, value: Array, allowed: Array) -> Array:
    """Attention of [B, Q, heads, D] over [B, T, heads, D] where `allowed` [B or 1, Q, T]; returns [B, Q, heads, D]."""
    scores = jnp.einsum("bqhd,bthd->bhqt", query, key) / query.shape[-1] ** 0.5
    weights = jax.nn.softmax(jnp.where(allowed[:, None], scores, NEVER), axis=-1)
    return jnp.einsum("bhqt,bthd->bqhd", weights, value)


class Block(nn.Module):
    """Attention and a perceptron, each around a skip, `[B, T, width] -> [B, T, width]`.

    Args:
        heads: of attention.
        layers: of the whole network, which scale the first weights.
        dropout: share of what either adds that is left out in training.
    """

    heads: int
    layers: int
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self, hidden: Array, positions: Array, allowed: Array, kept: tuple[Array, Array] | None, training: bool
    ) -> tuple[Array, tuple[Array, Array]]:
        """The hidden states, and keys and values: of these positions, or with `kept`, `kept` with them written in.

        Args:
            hidden: [B, T, width]; T is 1 with `kept`.
            positions: [B, T] or [T]; with `kept` also the places in it.
            allowed: who sees whom, [B or 1, T, T], or [B, 1, places of the cache].
            kept: keys and values before this token.
            training: with dropout, whose key is the stream `dropout`.
        """
        width = hidden.shape[-1]
        small = nn.initializers.variance_scaling(0.5 / self.layers, "fan_in", "truncated_normal")
        drop = nn.Dropout(self.dropout, deterministic=not training)
        joined = nn.DenseGeneral((3, self.heads, width // self.heads), use_bias=False)(nn.RMSNorm()(hidden))
        query, key, value = (joined[..., i, :, :] for i in range(3))
        query, key = rotate(query, positions), rotate(key, positions)
        if kept is not None:
            rows = jnp.arange(len(hidden))
            key, value = (
                old.at[rows, positions[:, 0]].set(new[:, 0]) for old, new in zip(kept, (key, value), strict=True)
            )
        mixed = attend(query, key, value, allowed)
        hidden += drop(nn.DenseGeneral(width, axis=(-2, -1), use_bias=False, kernel_init=small)(mixed))
        inner = nn.gelu(nn.Dense(4 * width, use_bias=False)(nn.RMSNorm()(hidden)))
        return hidden + drop(nn.Dense(width, use_bias=False, kernel_init=small)(inner)), (key, value)


class Transformer(nn.Module):
    """Tokens to logits of the next token, `int32 [B, T] -> float32 [B, T, A]`.

    Args:
        size: number of tokens A.
        width: of the hidden states; a multiple of twice `heads`.
        layers: blocks.
        heads: of attention.
        dropout: in training.
        phones: classes of an auxiliary head for what is heard and said at each place; 0 for none.
    """

    size: int
    width: int = 128
    layers: int = 4
    heads: int = 4
    dropout: float = 0.0
    phones: int = 0

    def setup(self):
        self.embed = nn.Embed(self.size, self.width)
        self.blocks = [Block(self.heads, self.layers, self.dropout) for _ in range(self.layers)]
        self.norm = nn.RMSNorm()
        self.head = nn.Dense(self.size, use_bias=False)
        self.ear = nn.Dense(self.phones) if self.phones else None

    def __call__(self, tokens: Array, segments: Array | None = None, training: bool = False) -> Array:
        """Logits at every position; `segments` [B, T] number the dialogues of a row, which do not see each other."""
        return self.head(self.features(tokens, segments, training))

    def with_phones(
        self, tokens: Array, segments: Array | None = None, training: bool = False
    ) -> tuple[Array, Array | None]:
        """Logits at every position, and those of its phone [B, T, phones] where there is a head for them."""
        hidden = self.features(tokens, segments, training)
        return self.head(hidden), self.ear(hidden) if self.ear else None

    def features(self, tokens: Array, segments: Array | None = None, training: bool = False) -> Array:
        """The last hidden states, [B, T, width], from which heads are read."""
        return self._run(tokens, segments, training)[0]

    def prefill(self, tokens: Array, room: int) -> tuple[Array, Cache]:
        """Logits [B, T, A] of prompts, and their cache with `room` more places.

        What stands behind a shorter prompt in its row is overwritten before anything sees it.
        """
        hidden, cache = self._run(tokens, None, False)
        padding = ((0, 0), (0, room), (0, 0), (0, 0))
        return self.head(hidden), tuple((jnp.pad(key, padding), jnp.pad(value, padding)) for key, value in cache)

    def step(self, token: Array, cache: Cache, position: Array) -> tuple[Array, Cache]:
        """Logits [B, A] after one more token of each row, and the cache with it.

        Args:
            token: [B].
            cache: of the tokens before it; give it away, it is written in place.
            position: place of the token in its row, [B].
        """
        hidden = self.embed(token[:, None])
        seen = jnp.arange(cache[0][0].shape[1]) <= position[:, None, None]
        written = []
        for block, kept in zip(self.blocks, cache, strict=True):
            hidden, kept = block(hidden, position[:, None], seen, kept, False)
            written.append(kept)
        return self.head(self.norm(hidden))[:, 0], tuple(written)

    def empty_cache(self, batch: int, places: int) -> Cache:
        """A cache of nothing yet, for `places` tokens."""
        zeros = jnp.zeros((batch, places, self.heads, self.width // self.heads))
        return ((zeros, zeros),) * self.layers

    def _run(self, tokens: Array, segments: Array | None, training: bool) -> tuple[Array, Cache]:
        length = tokens.shape[1]
        allowed = jnp.tril(jnp.ones((length, length), bool))[None]
        if segments is not None:
            allowed &= segments[:, :, None] == segments[:, None, :]
        hidden, cache = self.embed(tokens), []
        for block in self.blocks:
            hidden, kept = block(hidden, jnp.arange(length), allowed, None, training)
            cache.append(kept)
        return self.norm(hidden), tuple(cache)
