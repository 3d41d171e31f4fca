"""From games to trajectories: what one seat saw, did and got, in the records that every agent learns from.

Two seats take turns of unequal length, and a `Trajectory` belongs to one player. So a *column* of it is one seat of one
game, and **a row runs from the seat's action to its next turn to move**, or to the end of the game:

    reward[j]     all that the seat got in between, whoever moved
    discount[j]   0 where the game was decided in between, else 1: the agent's discount factor counts the seat's own
                  actions, and the last row of both seats carries the result

The other seat's moves are steps of the environment, and nothing of what it saw enters the column. This is the second
alignment of time beside `jaxrl.types`, and it is all in `_to_columns` and `_book`.

**Dense columns.** A row is finished when the seat moves again, so that an action may wait for its outcome at the end of
an unroll. It is carried over with what it saw, and is row 0 of the seat's next column (`Pending`). N steps of the games
finish about N rows in both seats together; the columns have T rows each, filled from the top, and the rest is masked
out by `first`, like the ignored rows of an auto-reset. With N a little under 2 T columns are nearly full. Rows beyond T
are left out, with no other effect: the column ends with a bootstrap there (`Unrolled.lost` counts them).

**Ends.** As in `jaxrl.types` an ignored row stands between two games. A game that is truncated leaves each seat at the
last state that it saw itself: the other's unfinished row becomes the ignored one, and the row before it bootstraps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.selfplay.games import GameStep, TwoPlayerEnv
from jaxrl.types import ActorOutput, ActorState, Key, PyTree, TimeStep, Trajectory

NOTHING, BLANK = -1, -2  # in place of a step's number: no such row; an ignored row that saw nothing

# (games, actor state [B], what the seat to move sees [B], that seat [B], key) -> (its new actor state [B], its action)
Decide = Callable[[PyTree, ActorState, TimeStep, jax.Array, Key], tuple[ActorState, ActorOutput]]


class Columns(NamedTuple):
    """The seats that learn: column c is seat `seat[c]` of game `game[c]`; NumPy int32 [C] each."""

    game: np.ndarray
    seat: np.ndarray


class Seen(NamedTuple):
    """What is known when an action is taken; leaves [B] or [C], behind the steps' axis or without one."""

    observation: PyTree
    legal: jax.Array
    first: jax.Array  # bool: the seat's first action in this game
    output: ActorOutput


class Pending(NamedTuple):
    """The seats' last actions, whose outcome is not known yet; leaves [C, ...]."""

    there: jax.Array  # bool: there is one
    seen: Seen
    actor_state: ActorState  # before it
    reward: jax.Array  # float32: since
    discount: jax.Array  # float32: since
    episode_return: jax.Array  # float32: of the seat in this game
    episode_length: jax.Array  # int32: own actions in this game


class Play(NamedTuple):
    """Games between two unrolls."""

    games: PyTree  # of the TwoPlayerEnv
    actor_state: ActorState  # leaves [2, B, ...] by seat
    fresh: jax.Array  # bool [2, B]: the seat has not moved in this game yet
    pending: Pending


class Games(NamedTuple):
    """What the games did in an unroll, step by step; leaves [N, B]."""

    first: jax.Array  # bool: a game begins here
    last: jax.Array  # bool: it ended with the action before
    result: jax.Array  # float32: what seat 0 got with the action before
    length: jax.Array  # int32: actions of both seats so far


class Unrolled(NamedTuple):
    """An unroll of all games."""

    trajectory: Trajectory  # [T, C]
    games: Games
    lost: jax.Array  # int32 []: finished rows that found no place


class _Book(NamedTuple):
    """Where in its column a seat is, and what its unfinished row has got so far; leaves [C]."""

    rows: jax.Array  # int32: rows begun, ignored ones included
    opened_at: jax.Array  # int32: step of the unfinished row; N where it was carried over
    there: jax.Array
    reward: jax.Array
    discount: jax.Array
    episode_return: jax.Array
    episode_length: jax.Array


class _Entry(NamedTuple):
    """What one step means for each column; leaves [C]."""

    opens: jax.Array  # int32: the row that begins with what the seat sees here, or NOTHING
    blank: jax.Array  # int32: the ignored row behind a game whose last state the seat did not see, or NOTHING
    closes: jax.Array  # int32: the row that is finished here, or NOTHING
    first: jax.Array  # bool: of the row that begins
    reward: jax.Array  # of the row that is finished, as are the following
    discount: jax.Array
    last: jax.Array
    episode_return: jax.Array
    episode_length: jax.Array


def begin(env: TwoPlayerEnv, columns: Columns, decide: Decide, actor_state: ActorState, key: Key) -> Play:
    """Games at their beginning; `actor_state` [B, ...] is that of policies that have seen nothing."""
    games, num_columns = env.reset(key), len(columns.game)
    turn = env.timestep(games)
    player = jnp.asarray(turn.player, jnp.int32)
    # Rows that nothing was seen in are filled with what is pending: numbers that a loss can compute with.
    output = decide(games, actor_state, view_of(turn, turn.first), player, key)[1]
    seen = jax.tree.map(lambda x: x[columns.game], Seen(turn.observation, turn.legal, turn.first, output))
    zero = jnp.zeros(num_columns, jnp.float32)
    pending = Pending(
        there=zero > 0,
        seen=seen._replace(observation=jax.tree.map(jnp.zeros_like, seen.observation), legal=jnp.ones_like(seen.legal)),
        actor_state=jax.tree.map(lambda x: x[columns.game], actor_state),
        reward=zero,
        discount=zero,
        episode_return=zero,
        episode_length=jnp.zeros(num_columns, jnp.int32),
    )
    both = jax.tree.map(lambda x: jnp.stack([x, x]), actor_state)
    return Play(games, both, jnp.ones((2, env.num_envs), bool), pending)


def unroll(
    env: TwoPlayerEnv, columns: Columns, decide: Decide, play: Play, key: Key, *, num_steps: int, num_rows: int
) -> tuple[Play, Unrolled]:
    """N = `num_steps` actions in every game, as T = `num_rows` rows of every column."""

    def step(now: tuple, index: jax.Array) -> tuple[tuple, tuple]:
        games, actor_state, fresh, before, book = now
        turn = env.timestep(games)
        player = jnp.asarray(turn.player, jnp.int32)
        fresh = fresh | turn.first
        first = jnp.where(player == 0, fresh[0], fresh[1])
        own = jax.tree.map(lambda x: of_mover(player, x), actor_state)
        after, output = decide(games, own, view_of(turn, first), player, jax.random.fold_in(key, index))
        moves = (jnp.arange(2)[:, None] == player) & ~turn.last  # [2, B]
        actor_state = jax.tree.map(lambda new, old: jnp.where(_like(moves, old), new[None], old), after, actor_state)
        opens = moves[columns.seat, columns.game]
        before = jax.tree.map(lambda new, old: jnp.where(_like(opens, old), new[columns.game], old), own, before)
        book, entry = _book(columns, turn, first, index, book)
        seen = Seen(turn.observation, turn.legal, first, output)
        log = Games(turn.first, turn.last, turn.reward[:, 0], turn.episode_length)
        return (env.step(games, output.action), actor_state, fresh & ~moves, before, book), (seen, log, entry)

    pending = play.pending
    book = _Book(
        rows=pending.there.astype(jnp.int32),
        opened_at=jnp.where(pending.there, num_steps, NOTHING),
        there=pending.there,
        reward=pending.reward,
        discount=pending.discount,
        episode_return=pending.episode_return,
        episode_length=pending.episode_length,
    )
    start = play.games, play.actor_state, play.fresh, pending.actor_state, book
    now, (seen, log, entry) = jax.lax.scan(step, start, jnp.arange(num_steps))
    games, actor_state, fresh, before, book = now
    trajectory = _to_columns(columns, seen, entry, pending, num_rows)
    carried = Pending(
        there=book.there,
        seen=_look_up(columns, seen, pending.seen, book.opened_at),
        actor_state=before,
        reward=book.reward,
        discount=book.discount,
        episode_return=book.episode_return,
        episode_length=book.episode_length,
    )
    finished = jnp.sum(entry.closes != NOTHING)
    lost = finished - jnp.sum(trajectory.mask)
    return Play(games, actor_state, fresh, carried), Unrolled(trajectory, log, lost)


def _book(columns: Columns, turn: GameStep, first: jax.Array, index: jax.Array, book: _Book) -> tuple[_Book, _Entry]:
    """Enter step `index` into the columns' books."""
    seat, game = columns.seat, columns.game
    over, mine = turn.last[game], turn.player[game] == seat
    reward, discount = turn.reward[game, seat], turn.discount[game]
    begins = turn.first[game]
    episode_return = jnp.where(begins, 0, book.episode_return) + reward
    episode_length = jnp.where(begins, 0, book.episode_length)
    moves = mine & ~over
    decided = discount == 0
    closes = book.there & (mine | (over & decided))
    # Behind the last row stands an ignored one: of the game's last state, if that is the seat's to see.
    ignored = closes & over
    shows = moves | (ignored & mine)
    entry = _Entry(
        opens=jnp.where(shows, book.rows, NOTHING),
        blank=jnp.where(ignored & ~mine, book.rows, NOTHING),
        closes=jnp.where(closes, book.rows - 1, NOTHING),
        first=moves & first[game],
        reward=book.reward + reward,
        discount=book.discount * discount,
        last=over,
        episode_return=episode_return,
        episode_length=episode_length,
    )
    waits = book.there & ~over
    book = _Book(
        rows=book.rows + (moves | ignored),
        opened_at=jnp.where(moves, index, book.opened_at),
        there=moves | waits,
        reward=jnp.where(moves, 0, book.reward + reward),
        discount=jnp.where(moves, 1, book.discount * discount),
        episode_return=episode_return,
        episode_length=episode_length + moves,
    )
    return book, entry


def _to_columns(columns: Columns, seen: Seen, entry: _Entry, pending: Pending, num_rows: int) -> Trajectory:
    """The rows [T, C] of entries [N, C] and of what was seen [N, B]."""
    num_steps, num_columns = entry.closes.shape
    steps, column = jnp.arange(num_steps)[:, None], jnp.arange(num_columns)

    def place(rows: jax.Array, value: jax.Array | int, into: jax.Array) -> jax.Array:
        # Negative numbers would count from the end.
        return into.at[jnp.where(rows < 0, len(into), rows), column].set(value, mode="drop")

    opened = jnp.full((num_rows + 1, num_columns), NOTHING).at[0].set(jnp.where(pending.there, num_steps, NOTHING))
    opened = place(entry.blank, BLANK, place(entry.opens, steps, opened))
    closed = place(entry.closes, steps, jnp.full((num_rows, num_columns), NOTHING))

    def of_closing(x: jax.Array, otherwise: float = 0) -> jax.Array:
        return jnp.where(closed >= 0, x[jnp.maximum(closed, 0), column], otherwise).astype(x.dtype)

    first = jnp.where(opened >= 0, entry.first[jnp.clip(opened, 0, num_steps - 1), column], opened == NOTHING)
    first = first.at[0].set(jnp.where(pending.there, pending.seen.first, first[0]))
    rows = _look_up(columns, seen, pending.seen, opened)
    output = jax.tree.map(lambda x: x[:-1], rows.output)
    return Trajectory(
        observation=rows.observation,
        first=first,
        legal=rows.legal,
        action=output.action,
        behaviour_logits=output.behaviour_logits,
        reward=of_closing(entry.reward),
        discount=of_closing(entry.discount, 1),
        last=of_closing(entry.last),
        episode_return=of_closing(entry.episode_return),
        episode_length=of_closing(entry.episode_length),
        actor_state=pending.actor_state,
        extras=output.extras,
    )


def _look_up(columns: Columns, seen: Seen, pending: Seen, at: jax.Array) -> Seen:
    """What was seen [N, B] at the steps `at` [..., C], and what is `pending` [C] where `at` is not among them."""
    num_steps = len(seen.first)
    among, index = (at >= 0) & (at < num_steps), jnp.clip(at, 0, num_steps - 1)

    def gather(x: jax.Array, waiting: jax.Array) -> jax.Array:
        rows = x[index, columns.game]
        return jnp.where(_like(among, rows), rows, waiting)

    return jax.tree.map(gather, seen, pending)


def view_of(turn: GameStep, first: jax.Array) -> TimeStep:
    """What an agent's `act` is given: rewards and counters are not its business."""
    zero = jnp.zeros(first.shape, jnp.float32)
    return TimeStep(turn.observation, zero, turn.discount, first, turn.last, turn.legal, zero, turn.episode_length)


def of_mover(player: jax.Array, x: jax.Array) -> jax.Array:
    """Leaves [2, B, ...] by seat -> [B, ...] of the seat to move."""
    return jnp.where(_like(player == 0, x[0]), x[0], x[1])


def _like(condition: jax.Array, x: jax.Array) -> jax.Array:
    """`condition` with axes of size 1 behind, to select in `x`."""
    return condition.reshape(*condition.shape, *(1,) * (x.ndim - condition.ndim))
