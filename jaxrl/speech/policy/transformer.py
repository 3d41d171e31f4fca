"""The policy's network: a decoder-only transformer over tokens of text and speech, with a key/value cache.

Pre-norm blocks, RMSNorm (Zhang and Sennrich, 2019), rotary positions (Su et al., 2021), GELU, an untied head. Positions
are relative, so that dialogues may be packed one behind another into a row.
"""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array, lax

# Keys and values of each layer, [B, T, heads, width / heads] each; a row's own cache is its slice [b].
Cache: TypeAlias = tuple[tuple[Array, Array], ...]
NEVER = -1e9  # a logit of what cannot be
BLOCK = 128  # queries that attend at once


def rotate(vectors: Array, positions: Array) -> Array:
    """Rotary positions: `vectors` [B, T, heads, D] turned by angles of `positions` [B, T] (or [T])."""
    half = vectors.shape[-1] // 2
    rates = 10_000.0 ** (-jnp.arange(half) / half)
    angles = positions[..., None, None] * rates
    first, second = lax.split(vectors, (half, half), axis=vectors.ndim - 1)
    cosine, sine = jnp.cos(angles), jnp.sin(angles)
    return jnp.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)


def attend(query: Array, key: Array, value: Array, allowed: Array) -> Array:
    """Attention of [..., Q, heads, D] over [..., T, heads, D], where `allowed` [..., Q, T]; as many as were asked."""
    scores = jnp.einsum("...qhd,...thd->...hqt", query, key) / query.shape[-1] ** 0.5
    weights = jax.nn.softmax(jnp.where(allowed[..., None, :, :], scores, NEVER), axis=-1)
    return jnp.einsum("...hqt,...thd->...qhd", weights, value)


def attend_before(query: Array, key: Array, value: Array, segments: Array) -> Array:
    """Attention of every place over those up to itself that have its segment, [B, T, heads, D].

    `segments` is [B, T]. Scores are most of the bytes of a training step, so a block of queries makes none with what
    comes after it, and none are kept: the way back makes them again. On a CPU rows follow one another, whose scores
    then stay in its cache; elsewhere all are done at once.
    """
    length = query.shape[1]
    earlier = jnp.tril(jnp.ones((length, length), bool))

    @jax.checkpoint
    def of_row(row: tuple[Array, Array, Array, Array]) -> Array:
        query, key, value, segments = row
        allowed = earlier & (segments[:, None] == segments[None, :])
        blocks = [
            attend(query[start:end], key[:end], value[:end], allowed[start:end, :end])
            for start in range(0, length, BLOCK)
            for end in [min(start + BLOCK, length)]
        ]
        return jnp.concatenate(blocks)

    rows = (query, key, value, segments)
    return lax.platform_dependent(rows, cpu=partial(lax.map, of_row), default=jax.vmap(of_row))


def left_out(hidden: Array, key: Array, share: float) -> Array:
    """Dropout of a share of `hidden`, in steps of 1/256: bytes decide, of which a number by chance has four."""
    words = jax.random.bits(key, (-(-hidden.size // 4),), jnp.uint32)
    drawn = lax.bitcast_convert_type(words, jnp.uint8).reshape(-1)[: hidden.size].reshape(hidden.shape)
    dropped = round(256 * share)
    return jnp.where(drawn >= dropped, hidden * (256 / (256 - dropped)), 0.0)


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
        self, hidden: Array, positions: Array, seen: Array, kept: tuple[Array, Array] | None, training: bool
    ) -> tuple[Array, tuple[Array, Array]]:
        """The hidden states, and keys and values: of these positions, or with `kept`, `kept` with them written in.

        Args:
            hidden: [B, T, width]; T is 1 with `kept`.
            positions: [B, T] or [T]; with `kept` also the places in it.
            seen: segments, [B, T], in which a token sees those before it; with `kept` the places that it sees,
                [B, 1, places].
            kept: keys and values before this token.
            training: with dropout, whose key is the stream `dropout`.
        """
        width = hidden.shape[-1]
        small = nn.initializers.variance_scaling(0.5 / self.layers, "fan_in", "truncated_normal")

        def drop(added: Array) -> Array:
            return left_out(added, self.make_rng("dropout"), self.dropout) if training and self.dropout else added

        joined = nn.DenseGeneral((3, self.heads, width // self.heads), use_bias=False)(nn.RMSNorm()(hidden))
        # The gradient of a split is one array joined; that of slices would be three, padded and added.
        query, key, value = (part.squeeze(2) for part in lax.split(joined, (1, 1, 1), axis=2))
        query, key = rotate(query, positions), rotate(key, positions)
        if kept is None:
            mixed = attend_before(query, key, value, seen)
        else:
            rows = jnp.arange(len(hidden))
            key, value = (
                old.at[rows, positions[:, 0]].set(new[:, 0]) for old, new in zip(kept, (key, value), strict=True)
            )
            mixed = attend(query, key, value, seen)
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
        segments = jnp.zeros_like(tokens) if segments is None else jnp.asarray(segments)
        hidden, cache = self.embed(tokens), []
        for block in self.blocks:
            hidden, kept = block(hidden, jnp.arange(tokens.shape[1]), segments, None, training)
            cache.append(kept)
        return self.norm(hidden), tuple(cache)
