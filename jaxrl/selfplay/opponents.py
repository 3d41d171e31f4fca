"""Whom to play: what is known of the pool's members, how one is drawn, and when the pool grows.

The practical form of optimistic smooth fictitious play (arXiv 2303.04096, section 4): the newest policy's extra weight
is the share of games it plays against itself, and the pool stands for all earlier ones. How members are drawn is not
published; on matrix games (`jaxrl.selfplay.matrix`) it decides whether the last policy settles or goes round.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.config.sections import OpponentConfig


class Ledger(NamedTuple):
    """What is known of the members; M is the pool's capacity, and the first `size` places are taken."""

    score: jax.Array  # float32 [M]: sum of the results for the policy (of cards 1, 0, -1) in this period
    games: jax.Array  # float32 [M]
    size: jax.Array  # int32 []
    waited: jax.Array  # int32 []: learning periods since a copy was frozen


def empty_ledger(capacity: int) -> Ledger:
    """The ledger of a pool without members."""
    zero = jnp.zeros(capacity, jnp.float32)
    return Ledger(zero, zero, jnp.int32(0), jnp.int32(0))


def mean_result(ledger: Ledger) -> jax.Array:
    """Mean result [M] in [-1, 1] against each member; 0 where none was played."""
    return ledger.score / jnp.maximum(ledger.games, 1e-9)


def opponent_distribution(config: OpponentConfig, ledger: Ledger) -> jax.Array:
    """Probability [M] of each member as the next opponent; all zeros while the pool is empty."""
    result = mean_result(ledger)
    there = jnp.arange(len(result)) < ledger.size
    match config.distribution:
        case "uniform":
            weight = jnp.ones_like(result)
        case "squared":
            # 1 - win rate = (1 - mean result) / 2. The floor decides only where every member is always beaten.
            weight = jnp.square(jnp.maximum(1 - result, 0) / 2) + 1e-6
        case "softmin":
            worst = jnp.min(jnp.where(there, result, jnp.inf))
            weight = jnp.exp(-(result - worst) / config.softmin_temperature)
    weight = jnp.where(there, weight, 0)
    return weight / jnp.maximum(jnp.sum(weight), 1e-30)


def record_games(ledger: Ledger, member: jax.Array, result: jax.Array, games: jax.Array) -> Ledger:
    """The ledger after `games` [N] games with `result` [N] in sum, against `member` int32 [N]."""
    return ledger._replace(score=ledger.score.at[member].add(result), games=ledger.games.at[member].add(games))


def end_period(config: OpponentConfig, ledger: Ledger) -> tuple[Ledger, jax.Array, jax.Array]:
    """Close a learning period.

    Returns:
        The next period's ledger with all scores at 0, bool [] whether a copy of the policy is frozen now, and int32 []
        the place it takes.
    """
    capacity = len(ledger.score)
    there = jnp.arange(capacity) < ledger.size
    beaten = jnp.all(jnp.where(there, mean_result(ledger) > config.threshold, True))
    freeze = beaten | (ledger.waited > config.patience)
    full = ledger.size >= capacity
    easiest = jnp.argmax(jnp.where(there, mean_result(ledger), -jnp.inf))
    place = jnp.where(full, easiest, ledger.size).astype(jnp.int32)
    size = jnp.minimum(ledger.size + freeze.astype(jnp.int32), capacity)
    zero = jnp.zeros_like(ledger.score)
    return Ledger(zero, zero, size, jnp.where(freeze, 0, ledger.waited + 1)), freeze, place
