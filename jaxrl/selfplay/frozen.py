"""The pool: frozen copies of the policy, and the slots of games in which the current one plays against them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.config.seating import Table
from jaxrl.config.sections import OpponentConfig
from jaxrl.selfplay.games import Script
from jaxrl.selfplay.opponents import Ledger, empty_ledger, end_period, opponent_distribution
from jaxrl.selfplay.opponents import record_games as add_games
from jaxrl.selfplay.seats import Decide, Games
from jaxrl.types import ActorOutput, ActorParams, ActorState, Agent, Key, PyTree, TimeStep


class Pool(NamedTuple):
    """Frozen members and who plays them; M places, S slots."""

    members: ActorParams  # leaves [M, ...]; those behind `ledger.size` mean nothing
    ledger: Ledger
    seated: jax.Array  # int32 [S]: the member in each slot
    fair: jax.Array  # bool [pool games]: the game has had one opponent from its beginning


def empty_pool(config: OpponentConfig, table: Table, params: ActorParams) -> Pool:
    """A pool without members; `params` gives the shapes."""
    members = jax.tree.map(lambda x: jnp.broadcast_to(x, (config.capacity, *x.shape)), params)
    seated = jnp.zeros(table.slots, jnp.int32)
    return Pool(members, empty_ledger(config.capacity), seated, jnp.zeros(table.num_pool_games, bool))


def seat_members(config: OpponentConfig, pool: Pool, key: Key) -> Pool:
    """Draw the slots' members anew.

    They are drawn systematically: with S slots a member of probability q has S q of them, rounded up or down. A game
    that is under way goes on with another opponent: it is learnt from, and does not enter the scores.
    """
    share = opponent_distribution(config, pool.ledger)
    num_slots = len(pool.seated)
    points = (jnp.arange(num_slots) + jax.random.uniform(key)) / max(num_slots, 1)
    seated = jnp.searchsorted(jnp.cumsum(share), points, side="right")
    seated = jnp.minimum(seated, jnp.maximum(pool.ledger.size - 1, 0)).astype(jnp.int32)
    return pool._replace(seated=seated, fair=jnp.zeros_like(pool.fair))


def make_decide(
    agent: Agent,
    table: Table,
    params: ActorParams,
    pool: Pool | None,
    scripts: Mapping[str, Script] = MappingProxyType({}),
) -> Decide:
    """The actions of whoever is to move: the current policy `params`, the slot's member in its seat, or a script.

    As long as the pool is empty the current policy is its own opponent. A pool is needed where the table has slots.
    """
    frozen = None if pool is None or table.slots == 0 else _in_slots(pool, params)
    start = table.self_play
    end = start + table.num_pool_games
    learner = table.learner_seats()

    def decide(
        games: PyTree, actor_state: ActorState, timestep: TimeStep, player: jax.Array, key: Key
    ) -> tuple[ActorState, ActorOutput]:
        state, output = agent.act(params, actor_state, timestep, key)
        is_theirs = player[start:] != learner
        if frozen is not None:
            shape = table.slots, table.games_per_slot
            before, seen = jax.tree.map(lambda x: x[start:end].reshape(*shape, *x.shape[1:]), (actor_state, timestep))
            keys = jax.random.split(jax.random.fold_in(key, 1), table.slots)
            theirs = jax.vmap(agent.act)(frozen, before, seen, keys)

            def choose(mine: jax.Array, other: jax.Array) -> jax.Array:
                other = other.reshape(table.num_pool_games, *other.shape[2:])
                where = is_theirs[: end - start].reshape(-1, *(1,) * (mine.ndim - 1))
                return jnp.concatenate([mine[:start], jnp.where(where, other, mine[start:end]), mine[end:]])

            state, output = jax.tree.map(choose, (state, output), theirs)
        first = end
        for number, (name, count) in enumerate(table.scripts):
            part = slice(first, first + count)
            moves, mine = is_theirs[first - start : first - start + count], output.action[part]
            action = scripts[name](games, part, moves, jax.random.fold_in(key, 2 + number))
            chosen = jnp.where(moves, action.astype(mine.dtype), mine)
            output = output._replace(action=output.action.at[part].set(chosen))
            first += count
        return state, output

    return decide


def _in_slots(pool: Pool, params: ActorParams) -> ActorParams:
    """The parameters of each slot's member, leaves [S, ...]."""

    def seat(member: jax.Array, current: jax.Array) -> jax.Array:
        return jnp.where(pool.ledger.size == 0, current, member[pool.seated])

    return jax.tree.map(seat, pool.members, params)


def record_games(table: Table, pool: Pool, games: Games) -> Pool:
    """Enter what ended in an unroll [N, B] into the ledger, for games whose opponent was one member throughout."""
    if table.slots == 0:
        return pool
    part = slice(table.self_play, table.self_play + table.num_pool_games)
    first, last, result = (x[:, part] for x in (games.first, games.last, games.result))
    fair = pool.fair | (jnp.cumsum(first, axis=0) > 0)
    counts = last & fair & (pool.ledger.size > 0)
    won = jnp.where(table.learner_seats()[: table.num_pool_games] == 0, result, -result)
    member = jnp.repeat(pool.seated, table.games_per_slot)
    score, number = (jnp.sum(x, axis=0).astype(jnp.float32) for x in (jnp.where(counts, won, 0), counts))
    return pool._replace(ledger=add_games(pool.ledger, member, score, number), fair=fair[-1])


def close_period(config: OpponentConfig, table: Table, pool: Pool, params: ActorParams) -> tuple[Pool, jax.Array]:
    """Close a learning period, and freeze a copy of `params` where it is time to; bool [] says whether it was."""
    ledger, freeze, place = end_period(config, pool.ledger)

    def take(members: jax.Array, current: jax.Array) -> jax.Array:
        here = (jnp.arange(config.capacity) == place) & freeze
        return jnp.where(here.reshape(-1, *(1,) * current.ndim), current, members)

    # The new member plays on where the one whose place it takes began, or the current policy against itself.
    taken = jnp.repeat(freeze & (pool.seated == place), table.games_per_slot)
    fair = pool.fair & ~jnp.tile(taken, pool.fair.size // max(taken.size, 1))  # the table of every device
    return pool._replace(members=jax.tree.map(take, pool.members, params), ledger=ledger, fair=fair), freeze
