"""Which rows of a column belong to the same game: what a game shows in all of them is computed once.

The 120 cards on offer in version 1.5 and the 30 picks of a deck stand in every row of a game. A column of T rows meets
few games, S = 1 + (T - 1) / 32 rounded up: between two beginnings lie 30 picks, a battle action and the ignored row. So
their cards are embedded S times and not T times, and rows look up their game's by a product with a one-hot matrix,
whose gradient is a product too.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxrl.envs.locm.state import DECK_SIZE

GAME_ROWS = DECK_SIZE + 2  # of one seat: at least so many lie between the beginnings of two games


class Games:
    """The games of rows [B, T]; N = B T rows, column by column."""

    def __init__(self, first: jax.Array):
        """Bool [B, T]: where a game begins. Rows behind the last game of a column count as its own."""
        self.shape = first.shape
        time = first.shape[1]
        self.most = 1 + -(-(time - 1) // GAME_ROWS)
        number = jnp.cumsum(first.at[:, 0].set(False), axis=1)
        number = jnp.minimum(number, self.most - 1)
        self.of = number[..., None] == jnp.arange(self.most)  # bool [B, T, S]

    def words(self, rows: jax.Array, shown: jax.Array) -> jax.Array:
        """Of rows [N, C, 2] the first of each game that is among those `shown` bool [N] -> [B, S, C, 2]."""
        rows = rows.reshape(*self.shape, *rows.shape[1:])
        where = jnp.argmax(self.of & shown.reshape(*self.shape, 1), axis=1)  # row 0 where there is none: never used
        return jnp.take_along_axis(rows, where[..., None, None], axis=1)

    def spread(self, things: jax.Array) -> jax.Array:
        """Things [B, S, ...] of the games -> [N, ...] for the rows."""
        batch, most = things.shape[:2]
        flat = jnp.einsum("bts,bsx->btx", self.of.astype(things.dtype), things.reshape(batch, most, -1))
        return flat.reshape(-1, *things.shape[2:])

    def weigh(self, weights: jax.Array, things: jax.Array) -> jax.Array:
        """Sums [N, E] of the things [B, S, C, E] of each row's game with the row's weights [N, C]."""
        batch, most, number, size = things.shape
        own = self.of[..., None] * weights.reshape(*self.shape, 1, number)
        own = own.reshape(batch, -1, most * number)
        return jnp.einsum("btk,bke->bte", own, things.reshape(batch, most * number, size)).reshape(-1, size)

    def match(self, queries: jax.Array, things: jax.Array) -> jax.Array:
        """Products [N, C] of each row's query [N, E] with the things [B, S, C, E] of its game."""
        batch, most, number, size = things.shape
        queries = queries.reshape(batch, -1, size)
        every = jnp.einsum("bte,bke->btk", queries, things.reshape(batch, most * number, size))
        own = jnp.where(self.of[..., None], every.reshape(batch, -1, most, number), 0)
        return jnp.sum(own, axis=2).reshape(-1, number)
