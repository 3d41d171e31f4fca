"""The pool: frozen copies of the policy, and the slots of games in which the current one plays against them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.selfplay.opponents import Ledger, OpponentConfig, empty_ledger, end_period, opponent_distribution
from jaxrl.selfplay.opponents import record_games as add_games
from jaxrl.selfplay.seats import Columns, Decide, Games
from jaxrl.types import ActorOutput, ActorParams, ActorState, Agent, Key, TimeStep


class Table(NamedTuple):
    """How B games are shared out: the first `self_play` for the current policy in both seats, then slots of equal size.

    All games of a slot have the same frozen opponent, so that it is one pass of a network for each slot, vmapped, and
    not one for each member. The learner has seat 0 in every other game of a slot.
    """

    self_play: int
    slots: int
    games_per_slot: int

    @property
    def num_games(self) -> int:
        """B."""
        return self.self_play + self.num_pool_games

    @property
    def num_pool_games(self) -> int:
        """Games against the pool."""
        return self.slots * self.games_per_slot

    def learner_seats(self) -> np.ndarray:
        """Where the learner sits in the games against the pool, int32 [pool games]."""
        return np.arange(self.num_pool_games, dtype=np.int32) % 2

    def columns(self) -> Columns:
        """The seats that learn: both of self-play, the learner's in the others."""
        own = np.arange(self.self_play, dtype=np.int32)
        pool = np.arange(self.self_play, self.num_games, dtype=np.int32)
        seat = [np.tile(np.arange(2, dtype=np.int32), self.self_play), self.learner_seats()]
        return Columns(np.concatenate([np.repeat(own, 2), pool]), np.concatenate(seat))


def make_table(config: OpponentConfig, num_games: int, num_slots: int) -> Table:
    """Share `num_games` out as nearly as whole slots allow.

    Raises:
        ValueError: a share of games that no slots of an even number of games can have.
    """
    against_pool = round(num_games * (1 - config.self_play))
    if against_pool == 0 or num_slots == 0:
        return Table(num_games, 0, 0)
    size = 2 * round(against_pool / num_slots / 2)
    if size == 0 or size * num_slots > num_games:
        raise ValueError(
            f"{num_games} games with a self-play share of {config.self_play:g} cannot be shared out to {num_slots} "
            "slots of at least two games each"
        )
    return Table(num_games - size * num_slots, num_slots, size)


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


def make_decide(agent: Agent, table: Table, params: ActorParams, pool: Pool) -> Decide:
    """The actions of whoever is to move: the current policy `params`, or the slot's member in its seat.

    As long as the pool is empty the current policy is its own opponent.
    """
    if table.slots == 0:
        return lambda actor_state, timestep, player, key: agent.act(params, actor_state, timestep, key)

    def seat(member: jax.Array, current: jax.Array) -> jax.Array:
        return jnp.where(pool.ledger.size == 0, current, member[pool.seated])

    frozen = jax.tree.map(seat, pool.members, params)
    learner, start = table.learner_seats(), table.self_play
    shape = table.slots, table.games_per_slot

    def decide(
        actor_state: ActorState, timestep: TimeStep, player: jax.Array, key: Key
    ) -> tuple[ActorState, ActorOutput]:
        own = agent.act(params, actor_state, timestep, key)
        state, seen = jax.tree.map(lambda x: x[start:].reshape(*shape, *x.shape[1:]), (actor_state, timestep))
        keys = jax.random.split(jax.random.fold_in(key, 1), table.slots)
        theirs = jax.vmap(agent.act)(frozen, state, seen, keys)
        is_theirs = player[start:] != learner

        def choose(mine: jax.Array, other: jax.Array) -> jax.Array:
            other = other.reshape(table.num_pool_games, *other.shape[2:])
            where = is_theirs.reshape(-1, *(1,) * (mine.ndim - 1))
            return jnp.concatenate([mine[:start], jnp.where(where, other, mine[start:])])

        return jax.tree.map(choose, own, theirs)

    return decide


def record_games(table: Table, pool: Pool, games: Games) -> Pool:
    """Enter what ended in an unroll [N, B] into the ledger, for games whose opponent was one member throughout."""
    if table.slots == 0:
        return pool
    first, last, result = (x[:, table.self_play :] for x in (games.first, games.last, games.result))
    fair = pool.fair | (jnp.cumsum(first, axis=0) > 0)
    counts = last & fair & (pool.ledger.size > 0)
    won = jnp.where(table.learner_seats() == 0, result, -result)
    member = jnp.repeat(pool.seated, table.games_per_slot)
    score, number = (jnp.sum(x, axis=0).astype(jnp.float32) for x in (jnp.where(counts, won, 0), counts))
    return pool._replace(ledger=add_games(pool.ledger, member, score, number), fair=fair[-1])


def close_period(config: OpponentConfig, pool: Pool, params: ActorParams) -> tuple[Pool, jax.Array]:
    """Close a learning period, and freeze a copy of `params` where it is time to; bool [] says whether it was."""
    ledger, freeze, place = end_period(config, pool.ledger)

    def take(members: jax.Array, current: jax.Array) -> jax.Array:
        here = (jnp.arange(config.capacity) == place) & freeze
        return jnp.where(here.reshape(-1, *(1,) * current.ndim), current, members)

    # A new first member plays on where the current policy played against itself.
    fair = pool.fair & (pool.ledger.size > 0)
    return pool._replace(members=jax.tree.map(take, pool.members, params), ledger=ledger, fair=fair), freeze
