"""Attention of the policy: of one token over a cache, and of rows over what stands before each of their tokens."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax

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

    return lax.platform_dependent(
        (query, key, value, segments),
        cpu=lambda rows: lax.map(of_row, rows),
        default=lambda rows: jax.vmap(of_row)(rows),
    )
