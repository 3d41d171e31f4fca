"""Two-step matching pennies: its rules, its equilibrium, and that games teach it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.agents import impala
from jaxrl.config.seating import make_table
from jaxrl.config.sections import SelfPlayConfig
from jaxrl.networks.heads import PolicyValueNetwork
from jaxrl.networks.mlp import MLPTorso
from jaxrl.selfplay.games import BatchedGames
from jaxrl.selfplay.pennies import HEADS, TAILS, Pennies, all_observations, expected_value, nash_conv
from jaxrl.selfplay.period import make_period


@pytest.mark.parametrize(
    ("coins", "won"),
    [
        ((HEADS, HEADS, TAILS, TAILS), (1, 2)),
        ((HEADS, TAILS, HEADS, HEADS), (-1, 2)),
        ((TAILS, TAILS, HEADS, TAILS), (1, -2)),
    ],
)
def test_rules(coins, won):
    game = Pennies()
    state, rewards = game.init(jax.random.key(0)), []
    seen = all_observations()
    for number, coin in enumerate(coins):
        turn = game.timestep(state)
        assert not turn.last and turn.player == number % 2
        sight = 0 if number < 2 else 1 + 2 * coins[0] + coins[1]  # the newest coin of the other is not shown
        np.testing.assert_array_equal(turn.observation, seen[number % 2, sight])
        state = game.step(state, jnp.int32(coin), jax.random.key(1))
        rewards.append(game.timestep(state).reward)
    turn = game.timestep(state)
    assert turn.last and turn.discount == 0 and turn.episode_length == 4
    np.testing.assert_array_equal(rewards, [[0, 0], [won[0], -won[0]], [0, 0], [won[1], -won[1]]])


def test_the_equilibrium_and_what_is_none():
    half = np.full((2, 5), 0.5)
    assert expected_value(half, half) == 0 and nash_conv(half) == 0
    heads_first = half.copy()
    heads_first[0, 0] = 1.0  # the other takes the first round
    assert nash_conv(heads_first) == pytest.approx(1)
    heads_then = half.copy()
    heads_then[1, 1:] = 1.0  # seat 0 takes the second one
    assert nash_conv(heads_then) == pytest.approx(2)


def test_games_played_have_the_expected_value():
    env, chance = BatchedGames(Pennies(), 2000), 0.8

    def step(state, key):
        turn = env.timestep(state)
        coin = jnp.where(jax.random.bernoulli(key, chance, (env.num_envs,)), HEADS, TAILS)
        return env.step(state, coin), (turn.last, turn.reward[:, 0])

    _, (last, won) = jax.lax.scan(step, env.reset(jax.random.key(0)), jax.random.split(jax.random.key(1), 50))
    expected = expected_value(*[np.full((2, 5), chance)] * 2)
    assert expected == pytest.approx(3 * 0.6**2)
    assert float(won.sum() / last.sum()) == pytest.approx(expected, abs=0.05)


def test_either_seat_learns_the_best_response():
    """Against `heads` seat 0 wins 3 with heads and seat 1 with tails: each result must reach its own seat's rows."""
    updates, network = 100, PolicyValueNetwork(MLPTorso((16,), jnp.dtype("float32")), 2)
    hypers = impala.Hypers(discount_factor=1.0, learning_rate=2e-2)
    agent = impala.make(impala.Config(hypers=hypers, reward_transform="identity"), network, Pennies().spec, updates)
    selfplay = SelfPlayConfig(num_slots=0, scripts={"heads": 1.0})
    period = make_period(agent, Pennies(), selfplay, make_table(selfplay, 64), 8, 6)

    @jax.jit
    def train(carry):
        return jax.lax.scan(lambda carry, _: (period.update(carry)[0], None), carry, None, length=updates)[0]

    carry = train(period.init(*jax.random.split(jax.random.key(0), 3)))
    out: Any = network.apply({"params": carry.state.params}, jnp.asarray(all_observations().reshape(10, -1)))
    learnt, heads = np.asarray(jax.nn.softmax(out.policy)[:, HEADS]).reshape(2, 5), np.ones((2, 5))
    assert expected_value(learnt, heads) > 2.5 and -expected_value(heads, learnt) > 2.5
