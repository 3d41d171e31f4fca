"""Updates of self-play in Kuhn poker: learning, the pool, scripts, and going on from a saved run."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.agents import impala
from jaxrl.config.seating import make_table
from jaxrl.config.sections import OpponentConfig, SelfPlayConfig
from jaxrl.networks.heads import PolicyValueNetwork
from jaxrl.networks.mlp import MLPTorso
from jaxrl.record import leaves
from jaxrl.selfplay.kuhn import BET, Kuhn
from jaxrl.selfplay.pennies import HEADS, TAILS, Pennies
from jaxrl.selfplay.period import make_period
from jaxrl.selfplay.scripted import make_contest, win_rate
from jaxrl.types import Agent, TrainState

KUHN = Kuhn()
SMALL = SelfPlayConfig(
    period=3,
    num_slots=4,
    seat_every=2,
    scripts={"calling": 0.2},
    opponents=OpponentConfig(threshold=-2.0, capacity=2),
)


def make_agent(num_updates: int, game: Any = KUHN, layers: tuple[int, ...] = (32,), **hypers: float) -> Agent:
    """IMPALA with an MLP."""
    network = PolicyValueNetwork(MLPTorso(layers, jnp.dtype("float32")), 2)
    config = impala.Config(upgo=1.0, hypers=impala.Hypers(discount_factor=1.0, **hypers), reward_transform="identity")
    return impala.make(config, network, game.spec, num_updates)


@pytest.fixture(scope="module")
def small():
    table = make_table(SMALL, 50)
    period = make_period(make_agent(100), Kuhn(), SMALL, table, num_steps=8, num_rows=6)
    return table, jax.jit(period.update), period.init(*jax.random.split(jax.random.key(0), 3))


def test_periods(small):
    table, update, carry = small
    assert table.num_games == 50 and table.scripts == (("calling", 10),)
    sizes, met = [], 0.0
    for _ in range(9):
        before = carry
        carry, (metrics, env_steps, ended) = update(carry)
        sizes.append(int(carry.pool.ledger.size))
        assert 150 < env_steps <= 6 * table.num_columns and metrics["selfplay/games"] > 80
        assert ended.there.shape == (8, 26) and (jnp.abs(ended.result[ended.there]) >= 1).all()
        assert 0.3 < metrics["selfplay/filled"] <= 1
        assert int(carry.state.updates) == int(before.state.updates) + 1
        played = carry.met[1, 1]
        assert played > met, "games against the script are counted"
        met = played
    assert sizes == [0, 0, 1, 1, 1, 2, 2, 2, 2], "a copy at the end of every period; a full pool gives one up"
    current = jax.tree.leaves(carry.state.params)
    members = jax.tree.leaves(carry.pool.members.params)
    same = [all(jnp.array_equal(m[i], x) for m, x in zip(members, current, strict=True)) for i in range(2)]
    assert sorted(same) == [False, True], "the newest member is the current policy"


def test_a_saved_run_goes_on_bit_for_bit(small):
    _, update, carry = small
    carry, _ = update(carry)
    again = leaves.unflatten(small[2], leaves.flatten(carry))
    expected, found = update(carry), update(again)
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)


def test_a_match_against_a_script_is_what_the_policy_gets():
    """A policy that always bets meets one that always calls: 2 to whoever has the higher card, so a half; and wins 1
    in every game of one that passes, as one that always passes loses 1, on either seat."""
    agent, game = make_agent(1), Kuhn()
    state = agent.init(jax.random.key(0))
    policy = state.params["policy"]
    scripts = {"calling": game.scripts["calling"], "passing": lambda games, part, *_: 0 * games.state.node[part]}
    contest = jax.jit(make_contest(agent, game, scripts, 400))

    def always(action: int) -> TrainState:
        bias = 50 * jax.nn.one_hot(action, 2)
        return state.replace(params={**state.params, "policy": {**policy, "bias": bias}})

    bets, passes = (contest(always(action), jax.random.key(1)) for action in (BET, 1 - BET))
    assert set(np.asarray(bets["calling"])) == {-2, 2} and abs(win_rate(bets["calling"]) - 0.5) < 0.15
    assert (bets["passing"] == 1).all() and win_rate(bets["passing"]) == 1
    assert (passes["calling"] == -1).all() and win_rate(passes["calling"]) == 0


def test_a_match_of_several_payments_adds_them_up():
    """Seat 0 lays heads and seat 1 tails against one who lays heads: 1 and 2 are won as seat 0, and as seat 1."""
    agent, game = make_agent(1, Pennies(), layers=()), Pennies()
    state = agent.init(jax.random.key(0))
    contest = make_contest(agent, game, game.scripts, 4)
    kernel = jnp.zeros((7, 2)).at[0, HEADS].set(50).at[1, TAILS].set(50)
    policy = {**state.params["policy"], "kernel": kernel}
    returns = contest(state.replace(params={**state.params, "policy": policy}), jax.random.key(1))
    assert (returns["heads"] == 3).all()


def test_learning_beats_the_script():
    """Calling always loses to a policy that learns to fold the lowest card and to bet the highest."""
    config = dataclasses.replace(SMALL, scripts={"calling": 0.5}, opponents=OpponentConfig(self_play=1.0))
    agent = make_agent(100, learning_rate=1e-2)
    period = make_period(agent, Kuhn(), config, make_table(config, 128), num_steps=8, num_rows=6)
    carry = period.init(*jax.random.split(jax.random.key(1), 3))

    @jax.jit
    def go(carry):
        return jax.lax.scan(lambda carry, _: period.update(carry), carry, None, length=60)

    _, (metrics, _, ended) = go(carry)
    got = [jnp.mean(ended.result[part], where=ended.there[part]) for part in (slice(6), slice(-20, None))]
    assert got[1] > got[0] + 0.2, got
    rate = metrics["selfplay/meets_calling"]
    assert rate.min() > 0 and rate.max() < 1, "a share of games, whatever they are worth"
