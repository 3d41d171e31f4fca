"""Slots of games for frozen members: who sits where, who acts, and which games count."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.config.seating import Table, make_table
from jaxrl.config.sections import OpponentConfig, SelfPlayConfig
from jaxrl.errors import ConfigError
from jaxrl.selfplay.frozen import Pool, close_period, empty_pool, make_decide, record_games, seat_members
from jaxrl.selfplay.opponents import Ledger
from jaxrl.selfplay.seats import Games
from jaxrl.types import ActorOutput, Agent

TABLE = Table(self_play=2, slots=2, games_per_slot=4)
CONFIG = OpponentConfig(capacity=3, distribution="uniform")


def share_out(games: int, slots: int, self_play: float, **scripts: float) -> Table:
    config = SelfPlayConfig(num_slots=slots, scripts=scripts, opponents=OpponentConfig(self_play=self_play))
    return make_table(config, games)


def test_tables():
    assert share_out(40, 4, 0.6) == Table(24, 4, 4)
    assert share_out(40, 4, 1.0) == Table(40, 0, 0)
    assert share_out(40, 4, 0.0) == Table(0, 4, 10)
    assert share_out(40, 0, 0.0) == Table(40, 0, 0)
    assert share_out(30, 4, 0.6, **dict.fromkeys("abc", 1 / 3)).self_play == 0
    table = share_out(50, 4, 0.6, clever=0.12, dull=0.08)
    assert table == Table(24, 4, 4, (("clever", 6), ("dull", 4))) and table.num_games == 50
    assert table.num_columns == 2 * 24 + 16 + 10
    for settings, message in (
        ((8, 8, 0.6), "cannot be shared out to 8 slots"),
        ((8, 0, 1.0, 0.1), "less than two of 8 games"),
        ((8, 0, 1.0, 0.5, 0.8), "add up to at most 1, got 1.3"),
        ((4, 0, 1.0, 0.6, 0.6), "add up to at most 1, got 1.2"),
        ((6, 0, 1.0, 0.5, 0.5), "gives its players 8 of 6 games"),
        ((20, 2, 0.98), "cannot be shared out to 2 slots"),
    ):
        with pytest.raises(ConfigError, match=message):
            share_out(*settings[:3], **{f"s{k}": share for k, share in enumerate(settings[3:])})
    game, seat = TABLE.learners()
    np.testing.assert_array_equal(game, [0, 0, 1, 1, *range(2, 10)])
    np.testing.assert_array_equal(seat, [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1])


def pool_of(size: int, seated: list[int]) -> Pool:
    """Members whose parameters are 10, 11, 12."""
    members = jnp.float32([10, 11, 12])
    ledger = Ledger(jnp.zeros(3), jnp.zeros(3), jnp.int32(size), jnp.int32(0))
    return Pool(members, ledger, jnp.int32(seated), jnp.ones(8, bool))


SEEN: Any = jnp.zeros(10)  # what is seen does not matter here


def act(params, actor_state, timestep, key):
    """The action is the parameter; the memory counts actions, in tens of it."""
    batch = len(timestep)
    action = jnp.full(batch, params).astype(jnp.int32)
    return actor_state + params, ActorOutput(action, jnp.zeros((batch, 2)), ())


AGENT = Agent(*(None,) * 4, act=act, update=None, look=None)  # pyright: ignore[reportArgumentType]


def test_each_seat_is_played_by_its_own_policy():
    decide = make_decide(AGENT, TABLE, jnp.float32(1), pool_of(3, [2, 0]))
    for player in (0, 1):
        memory, output = decide((), jnp.arange(10.0), SEEN, jnp.full(10, player), jax.random.key(0))
        expected = np.array([1, 1, 12, 12, 12, 12, 10, 10, 10, 10])
        expected[2 + player :: 2] = 1  # the learner's turn
        np.testing.assert_array_equal(output.action, expected)
        np.testing.assert_array_equal(memory, np.arange(10) + expected)


def test_scripts_play_their_games_and_seats():
    """A script is given its own games, and acts where it sits; the learner acts elsewhere, and so do frozen members."""
    table = TABLE._replace(scripts=(("ten", 4), ("game", 2)))
    scripts = {
        "ten": lambda *_: jnp.full(4, 10),
        "game": lambda games, part, *_: games[part],
    }
    decide = make_decide(AGENT, table, jnp.float32(1), pool_of(3, [2, 0]), scripts)
    games = 100 + jnp.arange(16)
    _, output = decide(games, jnp.zeros(16), jnp.zeros(16), jnp.zeros(16, jnp.int32), jax.random.key(0))
    np.testing.assert_array_equal(output.action, [1, 1, 1, 12, 1, 12, 1, 10, 1, 10, 1, 10, 1, 10, 1, 115])


def test_an_empty_pool_is_the_current_policy():
    decide = make_decide(AGENT, TABLE, jnp.float32(1), pool_of(0, [0, 0]))
    _, output = decide((), jnp.zeros(10), SEEN, jnp.zeros(10, jnp.int32), jax.random.key(0))
    assert (output.action == 1).all()


def test_members_are_seated_in_their_shares():
    """Systematic sampling: 12 slots for weights 3/4 and 1/4 are 9 and 3, whatever is drawn."""
    config = OpponentConfig(capacity=3, distribution="squared")
    ledger = Ledger(jnp.float32([-1, 1 - 2 / 3**0.5, 0]), jnp.ones(3), jnp.int32(2), jnp.int32(0))
    pool = Pool(jnp.zeros(3), ledger, jnp.zeros(12, jnp.int32), jnp.ones(24, bool))
    for seed in range(5):
        seated = seat_members(config, pool, jax.random.key(seed))
        np.testing.assert_array_equal(np.bincount(seated.seated, minlength=3), [9, 3, 0])
        assert not seated.fair.any()


def test_only_games_with_one_opponent_throughout_count():
    first, last = np.zeros((4, 10), bool), np.zeros((4, 10), bool)
    last[2, :] = True
    first[3, :] = True
    first[0, [2, 3, 6]] = True  # these began after the members were seated
    result = np.zeros((4, 10), np.float32)
    result[2] = 1  # seat 0 wins everywhere; the learner has it in games 2, 4, ...
    games = Games(*map(jnp.asarray, (first, last, result, np.zeros((4, 10), np.int32))))
    pool = pool_of(3, [2, 0])._replace(fair=jnp.zeros(8, bool).at[3].set(True))  # game 5, from before
    pool = record_games(TABLE, pool, games)
    np.testing.assert_array_equal(pool.ledger.games, [1, 0, 3])
    np.testing.assert_array_equal(pool.ledger.score, [1, 0, -1])
    assert pool.fair.all()


def test_a_copy_is_kept_as_it_was():
    pool = empty_pool(CONFIG, TABLE, {"w": jnp.zeros(2), "key": jax.random.key(0)})
    pool, frozen = close_period(CONFIG, TABLE, pool, {"w": jnp.ones(2), "key": jax.random.key(1)})
    assert frozen and pool.ledger.size == 1
    np.testing.assert_array_equal(pool.members["w"], [[1, 1], [0, 0], [0, 0]])
    assert pool.members["key"][0] == jax.random.key(1)


def test_games_under_way_against_a_member_that_is_replaced_do_not_count_for_the_new_one():
    """On two devices, of which each has two slots of four games."""
    pool = pool_of(3, [2, 0])._replace(fair=jnp.ones(16, bool))
    pool = pool._replace(
        ledger=pool.ledger._replace(score=jnp.float32([1, 1, 9]), games=jnp.full(3, 10.0), waited=jnp.int32(1))
    )
    after, frozen = close_period(dataclasses.replace(CONFIG, patience=0), TABLE, pool, jnp.float32(13))
    np.testing.assert_array_equal(after.members, [10, 11, 13])
    assert frozen and np.asarray(after.fair).tolist() == 2 * (4 * [False] + 4 * [True])
    kept, frozen = close_period(dataclasses.replace(CONFIG, patience=9), TABLE, pool, jnp.float32(13))
    assert not frozen and kept.fair.all()
