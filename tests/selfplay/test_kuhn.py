"""Kuhn poker's rules, and the exact exploitability of a policy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.agents import impala
from jaxrl.config.seating import Table
from jaxrl.networks.heads import PolicyValueNetwork
from jaxrl.networks.mlp import MLPTorso
from jaxrl.selfplay import seats
from jaxrl.selfplay.frozen import make_decide
from jaxrl.selfplay.games import BatchedGames
from jaxrl.selfplay.kuhn import BET, PASS, Kuhn, all_observations, expected_value, nash_conv

JACK, QUEEN, KING = range(3)


def equilibrium(alpha: float) -> np.ndarray:
    """Probabilities of BET [3, 4] of the known family of equilibria, 0 <= alpha <= 1/3."""
    bet = np.zeros((3, 4))
    bet[:, 0] = alpha, 0, 3 * alpha
    bet[:, 1] = 1 / 3, 0, 1
    bet[:, 2] = 0, 1 / 3, 1
    bet[:, 3] = 0, alpha + 1 / 3, 1
    return bet


@pytest.mark.parametrize("alpha", [0.0, 0.2, 1 / 3])
def test_equilibria_are_not_exploitable(alpha):
    bet = equilibrium(alpha)
    assert expected_value(bet, bet) == pytest.approx(-1 / 18)
    assert nash_conv(bet) == pytest.approx(0, abs=1e-12)


def test_other_policies_are():
    assert nash_conv(np.full((3, 4), 0.5)) == pytest.approx(11 / 12)
    assert nash_conv(equilibrium(0.5).clip(0, 1)) > 0.01


@pytest.mark.parametrize(
    ("cards", "actions", "won"),
    [
        ((KING, JACK), (PASS, PASS), 1),
        ((JACK, QUEEN), (PASS, PASS), -1),
        ((JACK, KING), (BET, PASS), 1),
        ((JACK, KING), (BET, BET), -2),
        ((QUEEN, JACK), (PASS, BET, PASS), -1),
        ((QUEEN, JACK), (PASS, BET, BET), 2),
    ],
)
def test_rules(cards, actions, won):
    game = Kuhn()
    state = game.init(jax.random.key(0))._replace(cards=jnp.int32(cards))
    for number, action in enumerate(actions):
        turn = game.timestep(state)
        assert not turn.last and turn.player == number % 2
        assert turn.observation[cards[number % 2]] == 1 and turn.observation[:3].sum() == 1
        state = game.step(state, jnp.int32(action), jax.random.key(1))
    turn = game.timestep(state)
    assert turn.last and turn.discount == 0 and turn.episode_length == len(actions)
    np.testing.assert_array_equal(turn.reward, [won, -won])


def test_games_played_have_the_expected_value():
    """A policy that bets half the time everywhere, in 40,000 games."""
    env = BatchedGames(Kuhn(), 2000)

    def step(state, key):
        action = jax.random.bernoulli(key, 0.5, (env.num_envs,)).astype(jnp.int32)
        turn = env.timestep(state)
        return env.step(state, action), (turn.last, turn.reward[:, 0])

    _, (last, won) = jax.lax.scan(step, env.reset(jax.random.key(0)), jax.random.split(jax.random.key(1), 80))
    expected = expected_value(*[np.full((3, 4), 0.5)] * 2)
    assert last.sum() > 40_000
    assert float(won.sum() / last.sum()) == pytest.approx(expected, abs=0.03)


def test_all_observations():
    seen = all_observations()
    assert seen.shape == (3, 4, 7) and (seen.sum(-1) == 2).all() and len(np.unique(seen.reshape(12, 7), axis=0)) == 12


def test_games_teach_the_exact_gradient():
    """Of what each seat wins against the other as it is: rewards, baselines and ratios of both seats, end to end."""
    network, game, table = PolicyValueNetwork(MLPTorso((16,), jnp.dtype("float32")), 2), Kuhn(), Table(8192, 0, 0)
    hypers = impala.Hypers(discount_factor=1.0, entropy_cost=0.0, value_cost=0.0)
    config = impala.Config(hypers=hypers, reward_transform="identity")
    agent = impala.make(config, network, game.spec, 1)
    state = agent.init(jax.random.key(1))
    head = state.params["policy"]
    sharp = {**head, "kernel": jax.random.normal(jax.random.key(2), head["kernel"].shape)}
    params = {**state.params, "policy": sharp}
    env, columns = game.make_games(table.num_games), seats.Columns(*table.learners())

    @jax.jit
    def learnt(key):
        """The gradient of the policy's head from one unroll, and its rows and games."""
        decide = make_decide(agent, table, agent.publish(state.replace(params=params)), None)
        start, go_on = jax.random.split(key)
        play = seats.begin(env, columns, decide, agent.initial_actor_state(env.num_envs), start)
        _, unrolled = seats.unroll(env, columns, decide, play, go_on, num_steps=24, num_rows=18)
        rows, loss = (
            unrolled.trajectory,
            lambda params: impala.loss(params, hypers, rows, config=config, network=network)[0],
        )
        return jax.grad(loss)(params)["policy"], jnp.sum(rows.mask), jnp.sum(unrolled.games.last)

    def won(params):
        seen = all_observations().reshape(12, -1)
        output: Any = network.apply({"params": params}, seen)
        own = jax.nn.softmax(output.policy)[:, BET].reshape(3, 4)
        other = jax.lax.stop_gradient(own)
        return expected_value(own, other) - expected_value(other, own)

    gradients, rows, games = zip(*[learnt(jax.random.key(number)) for number in range(8)], strict=True)
    exact = np.concatenate([np.ravel(x) for x in jax.tree.leaves(jax.grad(won)(params)["policy"])])
    found = -np.mean([np.concatenate([np.ravel(x) for x in jax.tree.leaves(g)]) for g in gradients], axis=0)
    found = found * sum(rows) / sum(games)  # a loss is a mean over rows
    error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert error < 0.05, error
