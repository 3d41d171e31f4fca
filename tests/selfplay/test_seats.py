"""One seat's trajectory: a row from its action to its next turn, in every order in which two seats can move."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.agents import casa, impala
from jaxrl.networks.heads import NetworkOutput, PolicyValueNetwork
from jaxrl.networks.lstm import LSTM
from jaxrl.networks.mlp import MLPTorso
from jaxrl.selfplay import seats
from jaxrl.selfplay.games import BatchedGames
from jaxrl.types import Agent, Trajectory
from tests.selfplay.oracle_game import OracleGame, read_value

GAMES = 16
BOTH = seats.Columns(np.repeat(np.arange(GAMES, dtype=np.int32), 2), np.tile(np.arange(2, dtype=np.int32), GAMES))


class KnowingNetwork:
    """The value stands in the observation; all actions are alike, and `gain` makes the actors' policy another one."""

    def init(self, rngs: Any, observation: jax.Array) -> dict[str, Any]:
        return {"params": {"gain": jnp.ones(())}}

    def initial_memory(self, num_envs: int) -> tuple[()]:
        return ()

    def apply(self, variables: dict[str, Any], observation: jax.Array, *memory: Any) -> NetworkOutput:
        preferences = jnp.broadcast_to(variables["params"]["gain"] * jnp.arange(3.0), (len(observation), 3))
        return NetworkOutput(preferences, read_value(observation))


class AlikeNetwork(KnowingNetwork):
    """Advantages of 0 where CASA looks for them, in the learner; the actors' `gain` is taken off by one."""

    def apply(self, variables: dict[str, Any], observation: jax.Array, *memory: Any) -> NetworkOutput:
        preferences = (variables["params"]["gain"] - 1) * jnp.arange(3.0)
        return NetworkOutput(jnp.broadcast_to(preferences, (len(observation), 3)), read_value(observation))


def play(
    agent: Agent,
    game: OracleGame,
    columns: seats.Columns = BOTH,
    gain: float = 1.0,
    unrolls: int = 4,
    num_steps: int = 30,
    num_rows: int = 24,
) -> list[seats.Unrolled]:
    """Unrolls one after the other."""
    env = BatchedGames(game, GAMES)
    params = agent.publish(agent.init(jax.random.key(0)))._replace(params={"gain": jnp.float32(gain)})

    def decide(games, actor_state, timestep, player, key):
        return agent.act(params, actor_state, timestep, key)

    now = seats.begin(env, columns, decide, agent.initial_actor_state(GAMES), jax.random.key(1))
    step = jax.jit(partial(seats.unroll, env, columns, decide, num_steps=num_steps, num_rows=num_rows))
    found = []
    for index in range(unrolls):
        now, unrolled = step(now, jax.random.key(2 + index))
        found.append(jax.device_get(unrolled))
    return found


def make_impala(discount_factor: float = 0.5) -> tuple[Agent, Any]:
    config = impala.Config(impala.Hypers(discount_factor=discount_factor), reward_transform="identity")
    network = KnowingNetwork()
    return impala.make(config, network, OracleGame().spec, 1), partial(impala.loss, config=config, network=network)


def make_casa() -> tuple[Agent, Any]:
    config = casa.Config(casa.Hypers(discount_factor=0.5), reward_transform="identity")
    network = AlikeNetwork()
    return casa.make(config, network, OracleGame().spec, 1), partial(casa.loss, config=config, network=network)


def loss_of(loss: Any, trajectory: Trajectory, hypers: Any) -> dict[str, float]:
    metrics = jax.jit(loss)({"gain": jnp.ones(())}, hypers, trajectory)[1]
    return {name: float(value) for name, value in metrics.items()}


@pytest.mark.parametrize("gain", [1.0, -0.5])
def test_impala_has_nothing_to_learn_from_the_oracle(gain):
    agent, loss = make_impala()
    for unrolled in play(agent, OracleGame(), gain=gain):
        trajectory = unrolled.trajectory
        assert (trajectory.last & (trajectory.discount == 0) & trajectory.mask).sum() > 10
        metrics = loss_of(loss, trajectory, impala.Hypers(discount_factor=0.5))
        assert metrics["loss/value"] == 0 and metrics["loss/policy"] == 0
        assert (abs(metrics["trace/rho_mean"] - 1) < 1e-4) == (gain == 1.0)


def test_casa_has_nothing_to_learn_from_the_oracle():
    agent, loss = make_casa()
    for unrolled in play(agent, OracleGame(), gain=3.0):
        metrics = loss_of(loss, unrolled.trajectory, casa.Hypers(discount_factor=0.5))
        assert metrics["loss/value"] < 1e-10 and metrics["loss/q"] < 1e-10
        assert metrics["trace/rho_mean"] != 1


def test_the_result_known_from_the_first_observation():
    """The value is +1 or -1 all along: the last row of both seats must carry it, and no other row anything."""
    agent, loss = make_impala(1.0)
    for unrolled in play(agent, OracleGame(discount_factor=1.0, known_result=True)):
        trajectory = unrolled.trajectory
        assert loss_of(loss, trajectory, impala.Hypers(discount_factor=1.0))["loss/value"] == 0
        ends = trajectory.last & trajectory.mask
        assert (np.abs(trajectory.reward[ends]) == 1).all() and not trajectory.reward[trajectory.mask & ~ends].any()
        assert (trajectory.discount[trajectory.mask] == ~ends[trajectory.mask]).all()
        assert (trajectory.episode_return[ends] == read_value(trajectory.observation)[:-1][ends]).all()
        assert ends[:, 0::2].any() and ends[:, 1::2].any()


@pytest.mark.parametrize("change", ["reward", "discount_factor", "first"])
def test_the_oracle_notices(change):
    agent, loss = make_impala()
    trajectory, factor = play(agent, OracleGame())[-1].trajectory, 0.5
    if change == "reward":
        trajectory = trajectory._replace(reward=np.roll(trajectory.reward, 1, axis=0))
    elif change == "first":
        trajectory = trajectory._replace(first=np.zeros_like(trajectory.first))
    else:
        factor = 0.25
    assert loss_of(loss, trajectory, impala.Hypers(discount_factor=factor))["loss/value"] > 1e-3


def test_poison_in_the_other_seat_changes_nothing():
    """Seat 1 sees NaN: the columns of seat 0 are the same to the bit, and so is what is learnt from them."""
    agent, loss = make_impala()
    columns = seats.Columns(np.arange(GAMES, dtype=np.int32), np.zeros(GAMES, np.int32))
    clean, poisoned = (play(agent, OracleGame(poisoned=poison), columns) for poison in (False, True))
    gradient = jax.jit(jax.grad(lambda *arguments: loss(*arguments)[0]))
    hypers = impala.Hypers(discount_factor=0.25)  # a wrong one, so that there is something to learn
    for a, b in zip(clean, poisoned, strict=True):
        jax.tree.map(np.testing.assert_array_equal, a.trajectory, b.trajectory)
        slopes = [gradient({"gain": jnp.ones(())}, hypers, x.trajectory)["gain"] for x in (a, b)]
        assert np.isfinite(slopes[0]) and slopes[0] == slopes[1] != 0


def rows_of(unrolls: list[seats.Unrolled], column: int) -> list[tuple[float, ...]]:
    """What counts in a column, unroll after unroll: (actions so far, reward, discount, last, own actions)."""
    rows = []
    for unrolled in unrolls:
        t = unrolled.trajectory
        for j in np.flatnonzero(t.mask[:, column]):
            place = (j, column)
            assert t.observation[place][1] == column % 2, "the seat itself was to move"
            rows.append((t.observation[place][2], t.discount[place], t.last[place], t.episode_length[place]))
    return rows


def test_every_action_is_one_row():
    """No action is lost or doubled over the edges of unrolls; own actions count up from 1 in every game."""
    agent, _ = make_impala()
    game = OracleGame(end_probability=0.05)
    unrolls = play(agent, game, unrolls=6, num_steps=20, num_rows=24)
    assert not any(unrolled.lost for unrolled in unrolls)
    whole = play(agent, game, unrolls=1, num_steps=120, num_rows=130)
    short, long = ([len(rows_of(part, c)) for c in range(2 * GAMES)] for part in (unrolls, whole))
    actions = sum((~unrolled.games.last).sum() for unrolled in unrolls)
    # What is not there waits for its outcome, or was dropped by a truncation.
    cut = sum((unrolled.games.last).sum() for unrolled in unrolls)
    assert actions - 2 * GAMES - cut <= sum(short) <= actions
    assert min(short) > 20 and min(long) > 20
    for column in range(2 * GAMES):
        expected = 1
        for _, discount, last, length in rows_of(unrolls, column):
            if length == 1:
                expected = 1
            assert length == expected, "own actions count up"
            expected = 1 if last else expected + 1
            assert discount == 1 or last


def test_unrolls_of_any_length_hold_the_same_rows():
    """With a policy that draws the same actions, the columns do not depend on where unrolls end."""
    game = OracleGame(num_actions=3)
    env = BatchedGames(game, GAMES)
    agent, _ = make_impala()
    params = agent.publish(agent.init(jax.random.key(0)))

    def decide(games, actor_state, timestep, player, key):
        return agent.act(params, actor_state, timestep, jax.random.key(7))

    found = []
    for num_steps, unrolls in ((12, 5), (60, 1)):
        now = seats.begin(env, BOTH, decide, agent.initial_actor_state(GAMES), jax.random.key(1))
        parts = []
        for index in range(unrolls):
            now, unrolled = seats.unroll(
                env, BOTH, decide, now, jax.random.key(index), num_steps=num_steps, num_rows=num_steps + 2
            )
            parts.append(jax.device_get(unrolled))
        found.append([rows_of(parts, column) for column in range(2 * GAMES)])
    assert found[0] == found[1] and sum(map(len, found[0])) > 600


def test_rows_beyond_the_last_are_left_out_and_nothing_else_changes():
    """Columns much shorter than the unroll: the loss is still exactly 0."""
    agent, loss = make_impala()
    for unrolled in play(agent, OracleGame(), num_steps=40, num_rows=8):
        assert unrolled.lost > 100 and unrolled.trajectory.mask.mean() > 0.6
        assert loss_of(loss, unrolled.trajectory, impala.Hypers(discount_factor=0.5))["loss/value"] == 0


def test_memory_goes_with_the_seat():
    """A recurrent policy that is run along the columns again says what it said in the games: no seat has the other's
    memory, none is forgotten at an unroll's edge, and each begins a game with none."""
    network = PolicyValueNetwork(MLPTorso((8,), jnp.dtype("float32")), 3, core=LSTM(8))
    config = impala.Config(reward_transform="identity")
    agent = impala.make(config, network, OracleGame().spec, 1)
    params = agent.init(jax.random.key(0)).params
    # From so small a policy head nothing would be seen.
    params = {**params, "policy": jax.tree.map(lambda x: 300 * x, params["policy"])}
    behaviour = agent.publish(agent.init(jax.random.key(0)))._replace(params=params)
    env = BatchedGames(OracleGame(), GAMES)

    def decide(games, actor_state, timestep, player, key):
        return agent.act(behaviour, actor_state, timestep, key)

    now = seats.begin(env, BOTH, decide, agent.initial_actor_state(GAMES), jax.random.key(1))
    step = jax.jit(partial(seats.unroll, env, BOTH, decide, num_steps=30, num_rows=20))
    loss = jax.jit(partial(impala.loss, config=config, network=network))
    for index in range(3):
        now, unrolled = step(now, jax.random.key(index))
        metrics = loss(params, impala.Hypers(rho_clip=1.0001), unrolled.trajectory)[1]
        assert float(metrics["trace/rho_mean"]) == pytest.approx(1, abs=1e-5)
        assert float(metrics["trace/rho_clipped"]) == 0 and 0.1 < float(metrics["policy/entropy"]) < 1.05
