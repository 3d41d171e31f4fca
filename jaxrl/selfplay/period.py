"""Learning from games of two players: an unroll of all games, an update, and the pool's book-keeping, as one program.

It is Anakin (`jaxrl.runtime.anakin`) with two seats. The current policy plays itself in some of the games, frozen
members of the pool and scripts in the others (`Table`); every unroll gives one update, and at the end of a learning
period a copy of the policy may join the pool:

    for each learning period:
        each game: against the current policy with probability p, else against a member of the pool, drawn by f
        learn from it; note the result against each member
        if every member is beaten, or was not in more than `patience` periods: a copy of the policy joins the pool

This is fictitious play in the form of arXiv 2303.04096. Everything that the run is goes in and comes out. On several
devices each has a table of games of its own and its part of every batch; parameters and the pool are on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrl.config.seating import Table
from jaxrl.config.sections import SelfPlayConfig
from jaxrl.runtime.learner import make_mesh
from jaxrl.selfplay import seats
from jaxrl.selfplay.frozen import Pool, close_period, empty_pool, make_decide, record_games, seat_members
from jaxrl.selfplay.games import TwoPlayerGame
from jaxrl.selfplay.opponents import Ledger, mean_result
from jaxrl.types import ActorParams, Agent, Device, Key, Metrics, TrainState, Trajectory

MEMORY = 0.99  # of a running result, per update: it is about that of the last hundred


class Carry(NamedTuple):
    """A run between two updates."""

    state: TrainState
    play: seats.Play  # leaves [D, ...], one table of games a device
    pool: Pool
    met: jax.Array  # float32 [1 + scripts, 2]: results and games against the pool and each script, decayed
    key: Key  # of acting and seating


class Ended(NamedTuple):
    """Games against others that ended in an unroll; leaves [N, pool and script games of all devices]."""

    there: jax.Array  # bool
    result: jax.Array  # float32: what the learner got
    length: jax.Array  # int32: actions of both seats


class _Played(NamedTuple):
    """What an unroll gave, on all devices."""

    trajectory: Trajectory
    games: seats.Games
    ended: Ended
    fair: jax.Array
    ledger: Ledger  # what is to be added to it
    met: jax.Array
    lost: jax.Array


class Period(NamedTuple):
    """A run as two pure functions; see `make_period`."""

    init: Callable[[Key, Key, Key], Carry]  # keys of the agent, the games and the actors
    update: Callable[[Carry], tuple[Carry, tuple[Metrics, jax.Array, Ended]]]  # metrics, env steps, what ended


def make_period(
    agent: Agent,
    game: TwoPlayerGame,
    config: SelfPlayConfig,
    table: Table,
    num_steps: int,
    num_rows: int,
    devices: Sequence[Device] = (),
) -> Period:
    """Self-play of `agent` in `game`; jit `update`.

    Args:
        agent: learns from [num_rows, columns of all devices].
        game: see there.
        config: the length of a period, and whom to play.
        table: who plays whom on each device.
        num_steps: N, actions of every game before an update.
        num_rows: T, room for one seat's actions in them; a little above N / 2 leaves few rows empty.
        devices: that share the work; JAX's first one where none is named.
    """
    opponents, env, columns = config.opponents, game.make_games(table.num_games), seats.Columns(*table.learners())
    mesh = make_mesh(devices or jax.devices()[:1])

    @jax.jit
    def begin(init_key: Key, env_key: Key, actor_key: Key) -> Carry:
        state = agent.init(init_key)
        params = agent.publish(state)
        pool = empty_pool(opponents, table, params)
        # What it decides is filler, so that nobody else need be there, nor compiled.
        decide = make_decide(agent, Table(table.num_games, 0, 0), params, None)
        actor_state = agent.initial_actor_state(table.num_games)
        tables = [
            seats.begin(env, columns, decide, actor_state, jax.random.fold_in(env_key, number))
            for number in range(mesh.size)
        ]
        play = jax.tree.map(lambda *x: jnp.stack(x), *tables)
        pool = pool._replace(fair=jnp.tile(pool.fair, mesh.size))
        return Carry(state, play, pool, jnp.zeros((1 + len(table.scripts), 2), jnp.float32), actor_key)

    def init(init_key: Key, env_key: Key, actor_key: Key) -> Carry:
        carry = begin(init_key, env_key, actor_key)
        return jax.device_put(carry, _shardings(carry, mesh))

    def play_table(params: ActorParams, pool: Pool, play: seats.Play, key: Key) -> tuple[seats.Play, _Played]:
        """One device's unroll; leaves of `play` [1, ...]."""
        play = jax.tree.map(lambda x: x[0], play)
        key = jax.random.fold_in(key, jax.lax.axis_index("batch"))
        decide = make_decide(agent, table, params, pool, game.scripts)
        play, unrolled = seats.unroll(env, columns, decide, play, key, num_steps=num_steps, num_rows=num_rows)
        ended, ledger = _ended(table, unrolled.games), record_games(table, pool, unrolled.games)
        found = jax.tree.map(jnp.subtract, ledger.ledger, pool.ledger), _met(table, ended), unrolled.lost
        found = jax.lax.psum(found, "batch")
        played = _Played(unrolled.trajectory, unrolled.games, ended, ledger.fair, *found)
        return jax.tree.map(lambda x: x[None], play), played

    rows, columns_of = PartitionSpec(None, "batch"), PartitionSpec("batch")
    pool_specs = Pool(PartitionSpec(), PartitionSpec(), PartitionSpec(), columns_of)  # pyright: ignore[reportArgumentType]
    trajectory_specs = Trajectory(*[rows] * len(Trajectory._fields))._replace(actor_state=columns_of)
    played_specs = _Played(trajectory_specs, rows, rows, columns_of, *[PartitionSpec()] * 3)  # pyright: ignore[reportArgumentType]
    play_tables = jax.shard_map(
        play_table,
        mesh=mesh,
        in_specs=(PartitionSpec(), pool_specs, columns_of, PartitionSpec()),
        out_specs=(columns_of, played_specs),
        check_vma=False,
    )

    def update(carry: Carry) -> tuple[Carry, tuple[Metrics, jax.Array, Ended]]:
        act_key, seat_key = jax.random.split(jax.random.fold_in(carry.key, carry.state.updates))
        pool = jax.lax.cond(
            carry.state.updates % config.seat_every == 0,
            lambda pool: seat_members(opponents, pool, seat_key),
            lambda pool: pool,
            carry.pool,
        )
        play, played = play_tables(agent.publish(carry.state), pool, carry.play, act_key)
        trajectory = played.trajectory
        state, metrics = agent.update(carry.state, trajectory)
        pool = pool._replace(ledger=jax.tree.map(jnp.add, pool.ledger, played.ledger), fair=played.fair)
        met = MEMORY * carry.met + played.met
        metrics = {**metrics, **_watch_games(played), **_watch_pool(table, pool, met), **game.watch(trajectory)}
        pool = jax.lax.cond(
            state.updates % config.period == 0,
            lambda pool: close_period(opponents, table, pool, agent.publish(state))[0],
            lambda pool: pool,
            pool,
        )
        return Carry(state, play, pool, met, carry.key), (metrics, jnp.sum(trajectory.mask), played.ended)

    return Period(init, update)


def _shardings(carry: Carry, mesh: Mesh) -> Carry:
    """Where each leaf lies: games and what belongs to them are split, and all else is everywhere."""
    everywhere, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("batch"))
    found = jax.tree.map(lambda _: everywhere, carry)
    pool = found.pool._replace(fair=split)
    return found._replace(play=jax.tree.map(lambda _: split, carry.play), pool=pool)


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
        rows.append(jnp.stack([jnp.sum(jnp.where(there, jnp.sign(ended.result[:, start:end]), 0)), jnp.sum(there)]))
    return jnp.stack(rows).astype(jnp.float32)


def _watch_games(unrolled: _Played) -> Metrics:
    """What to watch in the games, and how full the columns are."""
    games, mask = unrolled.games, unrolled.trajectory.mask
    ended = jnp.maximum(jnp.sum(games.last), 1)
    return {
        "selfplay/games": jnp.sum(games.last).astype(jnp.float32),
        "selfplay/game_length": jnp.sum(jnp.where(games.last, games.length, 0)) / ended,
        "selfplay/first_seat": jnp.sum(jnp.where(games.last, games.result, 0)) / ended,
        "selfplay/filled": jnp.mean(mask.astype(jnp.float32)),
        "selfplay/lost": unrolled.lost / jnp.maximum(unrolled.lost + jnp.sum(mask), 1),
    }


def _watch_pool(table: Table, pool: Pool, met: jax.Array) -> Metrics:
    """Win rates; a half where nobody was met yet."""
    rates = 0.5 + 0.5 * met[:, 0] / jnp.maximum(met[:, 1], 1e-9)
    there = (jnp.arange(len(pool.ledger.games)) < pool.ledger.size) & (pool.ledger.games > 0)
    worst = jnp.min(jnp.where(there, mean_result(pool.ledger), 1.0))
    names = ["pool", *(name for name, _ in table.scripts)]
    return {
        **{f"selfplay/meets_{name}": rate for name, rate in zip(names, rates, strict=True)},
        "selfplay/pool_size": pool.ledger.size.astype(jnp.float32),
        "selfplay/pool_worst": 0.5 + 0.5 * jnp.where(there.any(), worst, 0.0),
    }
