"""Learning from games of two players: an unroll of all games, an update, and the pool's book-keeping, as one program.

It is Anakin (`jaxrl.runtime.anakin`) with two seats. The current policy plays itself in some of the games, frozen
members of the pool and scripts in the others (`Table`); every unroll gives one update, and at the end of a learning
period a copy of the policy may join the pool:

    for each learning period:
        each game: against the current policy with probability p, else against a member of the pool, drawn by f
        learn from it; note the result against each member
        if every member is beaten, or after `patience` periods: a copy of the policy joins the pool

This is fictitious play in the form of arXiv 2303.04096. Everything that the run is goes in and comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.config.seating import Table
from jaxrl.config.sections import SelfPlayConfig
from jaxrl.selfplay import seats
from jaxrl.selfplay.frozen import Pool, close_period, empty_pool, make_decide, record_games, seat_members
from jaxrl.selfplay.games import TwoPlayerGame
from jaxrl.selfplay.opponents import mean_result
from jaxrl.types import Agent, Key, Metrics, TrainState

MEMORY = 0.99  # of a running result, per update: it is about that of the last hundred


class Carry(NamedTuple):
    """A run between two updates."""

    state: TrainState
    play: seats.Play
    pool: Pool
    met: jax.Array  # float32 [1 + scripts, 2]: results and games against the pool and each script, decayed
    key: Key  # of acting and seating


class Ended(NamedTuple):
    """Games against others that ended in an unroll; leaves [N, pool and script games]."""

    there: jax.Array  # bool
    result: jax.Array  # float32: what the learner got
    length: jax.Array  # int32: actions of both seats


class Period(NamedTuple):
    """A run as two pure functions; see `make_period`."""

    init: Callable[[Key, Key, Key], Carry]  # keys of the agent, the games and the actors
    update: Callable[[Carry], tuple[Carry, tuple[Metrics, jax.Array, Ended]]]  # metrics, env steps, what ended


def make_period(
    agent: Agent, game: TwoPlayerGame, config: SelfPlayConfig, table: Table, num_steps: int, num_rows: int
) -> Period:
    """Self-play of `agent` in `game`; jit `update`.

    Args:
        agent: learns from [num_rows, columns].
        game: see there.
        config: the length of a period, and whom to play.
        table: who plays whom.
        num_steps: N, actions of every game before an update.
        num_rows: T, room for one seat's actions in them; a little above N / 2 leaves few rows empty.
    """
    opponents, env, columns = config.opponents, game.make_games(table.num_games), seats.Columns(*table.learners())

    def init(init_key: Key, env_key: Key, actor_key: Key) -> Carry:
        state = agent.init(init_key)
        params = agent.publish(state)
        pool = empty_pool(opponents, table, params)
        decide = make_decide(agent, table, params, pool, game.scripts)
        play = seats.begin(env, columns, decide, agent.initial_actor_state(table.num_games), env_key)
        return Carry(state, play, pool, jnp.zeros((1 + len(table.scripts), 2), jnp.float32), actor_key)

    def update(carry: Carry) -> tuple[Carry, tuple[Metrics, jax.Array, Ended]]:
        act_key, seat_key = jax.random.split(jax.random.fold_in(carry.key, carry.state.updates))
        pool = jax.lax.cond(
            carry.state.updates % config.seat_every == 0,
            lambda pool: seat_members(opponents, pool, seat_key),
            lambda pool: pool,
            carry.pool,
        )
        decide = make_decide(agent, table, agent.publish(carry.state), pool, game.scripts)
        play, unrolled = seats.unroll(env, columns, decide, carry.play, act_key, num_steps=num_steps, num_rows=num_rows)
        trajectory = unrolled.trajectory
        state, metrics = agent.update(carry.state, trajectory)
        pool = record_games(table, pool, unrolled.games)
        ended = _ended(table, unrolled.games)
        met = MEMORY * carry.met + _met(table, ended)
        metrics = {**metrics, **_watch_games(unrolled), **_watch_pool(table, pool, met), **game.watch(trajectory)}
        pool = jax.lax.cond(
            state.updates % config.period == 0,
            lambda pool: close_period(opponents, pool, agent.publish(state))[0],
            lambda pool: pool,
            pool,
        )
        return Carry(state, play, pool, met, carry.key), (metrics, jnp.sum(trajectory.mask), ended)

    return Period(init, update)


def _ended(table: Table, games: seats.Games) -> Ended:
    there, result, length = (x[:, table.self_play :] for x in (games.last, games.result, games.length))
    return Ended(there, jnp.where(table.learner_seats() == 0, result, -result), length)


def _met(table: Table, ended: Ended) -> jax.Array:
    """Results and games [1 + scripts, 2] against the pool and each script."""
    edges, first = [0, table.num_pool_games], table.num_pool_games
    for _, count in table.scripts:
        first += count
        edges.append(first)
    rows = []
    for start, end in pairwise(edges):
        there = ended.there[:, start:end]
        rows.append(jnp.stack([jnp.sum(jnp.where(there, ended.result[:, start:end], 0)), jnp.sum(there)]))
    return jnp.stack(rows).astype(jnp.float32)


def _watch_games(unrolled: seats.Unrolled) -> Metrics:
    """What to watch in the games, and how full the columns are."""
    games, mask = unrolled.games, unrolled.trajectory.mask
    ended = jnp.maximum(jnp.sum(games.last), 1)
    return {
        "selfplay/games": jnp.sum(games.last).astype(jnp.float32),
        "selfplay/game_length": jnp.sum(jnp.where(games.last, games.length, 0)) / ended,
        "selfplay/first_seat": jnp.sum(jnp.where(games.last, games.result, 0)) / ended,
        "selfplay/filled": jnp.mean(mask.astype(jnp.float32)),
        "selfplay/lost": unrolled.lost / jnp.maximum(jnp.sum(~games.last), 1),
    }


def _watch_pool(table: Table, pool: Pool, met: jax.Array) -> Metrics:
    """Win rates; a half where nobody was met yet."""
    rates = 0.5 + 0.5 * met[:, 0] / jnp.maximum(met[:, 1], 1e-9)
    result, there = mean_result(pool.ledger), jnp.arange(len(pool.ledger.games)) < pool.ledger.size
    names = ["pool", *(name for name, _ in table.scripts)]
    return {
        **{f"selfplay/meets_{name}": rate for name, rate in zip(names, rates, strict=True)},
        "selfplay/pool_size": pool.ledger.size.astype(jnp.float32),
        "selfplay/pool_worst": 0.5 + 0.5 * jnp.min(jnp.where(there & (pool.ledger.games > 0), result, 1.0)),
    }
