"""One learning period as one compiled program: games, both seats' policies, learning and the pool's book-keeping.

It is Anakin (`jaxrl.runtime.anakin`) with two seats. The current policy plays itself in some of the games and frozen
members of the pool in the others (`Table`), every unroll gives one update, and at the end a copy of the policy may join
the pool. Everything that the run is goes in and comes out, so that it can be saved between two periods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.selfplay import seats
from jaxrl.selfplay.frozen import (
    Pool,
    Table,
    close_period,
    empty_pool,
    make_decide,
    make_table,
    record_games,
    seat_members,
)
from jaxrl.selfplay.games import TwoPlayerEnv
from jaxrl.selfplay.opponents import OpponentConfig, mean_result
from jaxrl.types import Agent, Key, Metrics, PyTree, TrainState


@dataclass(frozen=True)
class PeriodConfig:
    """Sizes of a learning period.

    Args:
        num_games: B, played side by side.
        num_slots: opponents from the pool at a time, each in an equal share of the games against the pool.
        unroll_steps: N, actions of every game before an update.
        unroll_rows: T, room for one seat's actions in them; a little above N / 2 leaves few rows empty.
        updates: of a period.
        seat_every: updates after which the slots' members are drawn anew.
        opponents: see there.
    """

    num_games: int = 64
    num_slots: int = 4
    unroll_steps: int = 56
    unroll_rows: int = 32
    updates: int = 50
    seat_every: int = 10
    opponents: OpponentConfig = field(default_factory=OpponentConfig)


class Carry(NamedTuple):
    """A run between two updates."""

    state: TrainState
    play: seats.Play
    pool: Pool
    key: Key  # of acting and seating


class Report(NamedTuple):
    """What a period was like."""

    metrics: Metrics  # means over its updates
    env_steps: jax.Array  # int32 []: actions of both seats
    games: jax.Array  # int32 []: that ended
    results: jax.Array  # float32 [M]: mean result against each member
    played: jax.Array  # float32 [M]: games behind it
    frozen: jax.Array  # bool []: a copy of the policy has joined the pool at the end
    watched: PyTree  # what `watch` made of each unroll; leaves [updates, ...]


class Period(NamedTuple):
    """A run as two pure functions."""

    table: Table
    init: Callable[[Key, Key, Key], Carry]  # keys of the agent, the games and the actors
    run: Callable[[Carry], tuple[Carry, Report]]


def make_period(
    agent: Agent,
    make_env: Callable[[int], TwoPlayerEnv],
    config: PeriodConfig,
    watch: Callable[[seats.Unrolled], PyTree] = lambda unrolled: (),
) -> Period:
    """Periods of `agent` in the game that `make_env` makes; jit `run`.

    Raises:
        ValueError: games that cannot be shared out.
    """
    opponents = config.opponents
    table = make_table(opponents, config.num_games, config.num_slots)
    env, columns = make_env(table.num_games), table.columns()

    def init(init_key: Key, env_key: Key, actor_key: Key) -> Carry:
        state = agent.init(init_key)
        params = agent.publish(state)
        pool = empty_pool(opponents, table, params)
        decide = make_decide(agent, table, params, pool)
        play = seats.begin(env, columns, decide, agent.initial_actor_state(table.num_games), env_key)
        return Carry(state, play, pool, actor_key)

    def update(carry: Carry, _: None) -> tuple[Carry, tuple]:
        act_key, seat_key = jax.random.split(jax.random.fold_in(carry.key, carry.state.updates))
        pool = jax.lax.cond(
            carry.state.updates % config.seat_every == 0,
            lambda pool: seat_members(opponents, pool, seat_key),
            lambda pool: pool,
            carry.pool,
        )
        decide = make_decide(agent, table, agent.publish(carry.state), pool)
        play, unrolled = seats.unroll(
            env,
            columns,
            decide,
            carry.play,
            act_key,
            num_steps=config.unroll_steps,
            num_rows=config.unroll_rows,
        )
        state, metrics = agent.update(carry.state, unrolled.trajectory)
        pool = record_games(table, pool, unrolled.games)
        metrics = {**metrics, **_games_metrics(unrolled)}
        counts = jnp.sum(~unrolled.games.last), jnp.sum(unrolled.games.last)
        return Carry(state, play, pool, carry.key), (metrics, counts, watch(unrolled))

    def run(carry: Carry) -> tuple[Carry, Report]:
        carry, (metrics, (steps, games), watched) = jax.lax.scan(update, carry, None, length=config.updates)
        ledger = carry.pool.ledger
        pool, frozen = close_period(opponents, carry.pool, agent.publish(carry.state))
        report = Report(
            metrics=jax.tree.map(jnp.mean, metrics),
            env_steps=jnp.sum(steps),
            games=jnp.sum(games),
            results=mean_result(ledger),
            played=ledger.games,
            frozen=frozen,
            watched=watched,
        )
        return carry._replace(pool=pool), report

    return Period(table, init, run)


def _games_metrics(unrolled: seats.Unrolled) -> Metrics:
    """What to watch in the games, and how full the columns are."""
    games, mask = unrolled.games, unrolled.trajectory.mask
    ended = jnp.maximum(jnp.sum(games.last), 1)
    return {
        "selfplay/game_length": jnp.sum(jnp.where(games.last, games.length, 0)) / ended,
        "selfplay/seat_0": jnp.sum(jnp.where(games.last, games.result, 0)) / ended,
        "selfplay/filled": jnp.mean(mask.astype(jnp.float32)),
        "selfplay/lost": unrolled.lost / jnp.maximum(jnp.sum(~games.last), 1),
    }
