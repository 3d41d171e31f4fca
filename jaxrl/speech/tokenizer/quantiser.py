"""Vector quantisation on a sphere: codes are directions, and unused ones are restarted where the data are.

van den Oord et al., 2017, with moving averages instead of a loss for the codebook, and cosine distance.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

DECAY, MIN_SHARE = 0.97, 0.05  # of the mean use, below which a code is restarted


class Codebook(NamedTuple):
    """Unit vectors [K, D], and moving averages of their use [K] and of the sum of what they stand for [K, D]."""

    codes: Array
    use: Array
    sums: Array


def init_codebook(key: Array, size: int, width: int) -> Codebook:
    """Random directions, all used alike."""
    codes = unit(jax.random.normal(key, (size, width)))
    return Codebook(codes, jnp.ones(size), jnp.array(codes))  # a copy: both are donated to the first step


def unit(vectors: Array) -> Array:
    """Vectors of length 1."""
    return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)


def nearest_code(book: Codebook, vectors: Array) -> Array:
    """The number of the nearest code of each unit vector, int32 [...]."""
    return jnp.argmax(vectors @ book.codes.T, axis=-1).astype(jnp.int32)


def quantise(book: Codebook, vectors: Array) -> tuple[Array, Array, Array]:
    """Codes of vectors [..., D]: their values, through which gradients pass straight, their numbers, and the commitment
    loss, the mean squared distance."""
    directions = unit(vectors)
    numbers = nearest_code(book, jax.lax.stop_gradient(directions))
    values = book.codes[numbers]
    commitment = jnp.mean(jnp.sum((directions - jax.lax.stop_gradient(values)) ** 2, axis=-1))
    return directions + jax.lax.stop_gradient(values - directions), numbers, commitment


def learn(book: Codebook, vectors: Array, key: Array, restart: Array) -> Codebook:
    """The codebook after a batch of vectors [N, D]; where `restart` holds, dead codes become vectors of the batch."""
    directions = unit(vectors)
    numbers = nearest_code(book, directions)
    size = len(book.use)
    use = DECAY * book.use + (1 - DECAY) * jnp.zeros(size).at[numbers].add(1.0) * (size / len(numbers))
    sums = DECAY * book.sums + (1 - DECAY) * jnp.zeros_like(book.sums).at[numbers].add(directions) * (
        size / len(numbers)
    )
    dead = restart & (use < MIN_SHARE)
    fresh = directions[jax.random.randint(key, (size,), 0, len(directions))]
    codes = jnp.where(dead[:, None], fresh, unit(sums))
    return Codebook(codes, jnp.where(dead, 1.0, use), jnp.where(dead[:, None], fresh, sums))
