"""Winners are copied, the worst replaced, hyper-parameters perturbed; and competing beats a fixed grid."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from jaxrl.agents import casa
from jaxrl.agents.pbt import Contest, compete, perturb, succeed, with_pbt, without_pbt
from jaxrl.agents.population import populate
from jaxrl.config.sections import PBTConfig
from jaxrl.types import Agent, TrainState, Trajectory

CONFIG = PBTConfig(every=5, fraction=0.25, perturb=("rate",), factors=(0.5, 2.0))


@struct.dataclass
class Hypers:
    rate: jax.Array
    other: jax.Array


def state_of(size, episodes, total, score=None) -> TrainState:
    """Members that are told apart by every leaf."""
    number = jnp.arange(size, dtype=jnp.float32)
    keys = jax.vmap(lambda _: jax.random.key(3))(number)
    score = jnp.full(size, -jnp.inf) if score is None else jnp.asarray(score, jnp.float32)
    contest = Contest(number + 300, jnp.asarray(total, jnp.float32), jnp.asarray(episodes, jnp.int32), score, keys)
    return TrainState(
        params={"w": number + 100},
        opt_state=number[:, None] + 200,
        hypers=Hypers(rate=2.0**number, other=number + 400),
        agent_state=contest,
        key=jax.random.split(jax.random.key(0), size),
        updates=jnp.int32(5),
        moments={"mean": number + 500},
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_worst_copy_everything_of_the_best_and_nobody_else_moves(seed):
    episodes = [2, 1, 4, 2, 1, 1, 2, 1]
    total = [20, 3, 4, 30, 70, 5, 2, 60]  # means 10, 3, 1, 15, 70, 5, 1, 60: the worst are 2 and 6, the best 4 and 7
    state = state_of(8, episodes, total).replace(updates=jnp.int32(5 + seed))
    after, replaced = jax.jit(compete, static_argnums=1)(state, CONFIG)
    np.testing.assert_array_equal(replaced, [False, False, True, False, False, False, True, False])
    parent = np.asarray(after.params["w"] - 100, int)
    assert (parent[~replaced] == np.arange(8)[~replaced]).all() and set(parent[replaced]) <= {4, 7}
    np.testing.assert_array_equal(after.opt_state[:, 0], parent + 200)
    np.testing.assert_array_equal(after.agent_state.members, parent + 300)
    np.testing.assert_array_equal(after.moments["mean"], parent + 500)
    np.testing.assert_array_equal(after.hypers.other, parent + 400)
    np.testing.assert_array_equal(after.hypers.rate[~replaced], state.hypers.rate[~replaced])
    assert set(np.asarray(after.hypers.rate[replaced] / 2.0 ** parent[replaced])) <= {0.5, 2.0}
    assert (jax.random.key_data(after.key) == jax.random.key_data(state.key)).all(), "no two members act alike"
    means = np.array(total) / np.array(episodes)
    np.testing.assert_allclose(after.agent_state.score, means[parent])
    assert not np.asarray(after.agent_state.total).any() and not np.asarray(after.agent_state.episodes).any()
    again, _ = compete(state, CONFIG)
    jax.tree.map(np.testing.assert_array_equal, again.params, after.params)


def test_all_the_best_and_all_factors_are_drawn():
    score = jnp.array([3.0, 9.0, 1.0, 8.0, 2.0, 7.0, 4.0, 5.0])
    keys = jax.random.split(jax.random.key(1), 200)
    parents = jax.vmap(lambda key: succeed(score, key, 0.25).parent)(keys)
    for loser in (2, 4):
        counts = np.bincount(np.asarray(parents[:, loser]), minlength=8)
        assert counts.sum() == counts[1] + counts[3] and 60 < counts[1] < 140
    hypers = Hypers(jnp.ones(200), jnp.ones(200))
    moved = perturb(hypers, jnp.arange(200) < 100, jax.random.key(2), CONFIG)
    assert (moved.rate[100:] == 1).all() and (moved.other == 1).all()
    assert set(np.asarray(moved.rate[:100]).tolist()) == {0.5, 2.0} and 30 < (moved.rate[:100] == 2).sum() < 70


def test_no_value_leaves_its_range():
    config = PBTConfig(every=1, perturb=("trace_lambda", "learning_rate", "temperature"), factors=(0.5, 2.0))
    hypers = casa.Hypers(trace_lambda=0.9, learning_rate=0.9, temperature=1.5e-6)
    moved = perturb(hypers, jnp.ones(50, bool), jax.random.key(0), config)
    np.testing.assert_allclose(np.unique(moved.temperature), [1e-6, 3e-6])
    np.testing.assert_allclose(np.unique(moved.trace_lambda), [0.45, 1.0])
    np.testing.assert_allclose(np.unique(moved.learning_rate), [0.45, 1.8])


def test_without_episodes_the_last_score_counts_and_before_there_is_one_nobody_moves():
    kept, replaced = compete(state_of(4, [1, 0, 1, 1], [1, 0, 2, 3]), CONFIG)
    assert not replaced.any() and (kept.params["w"] == jnp.arange(4) + 100).all()
    _, replaced = compete(state_of(4, [1, 0, 1, 1], [1, 0, 2, 3], score=[0, -5, 0, 0]), CONFIG)
    np.testing.assert_array_equal(replaced, [False, True, False, False])


# A toy: each member minimises |w|^2/2 by steps of `rate`, of which the best is far above the grid


class Published(NamedTuple):
    w: jax.Array


def toy_agent() -> Agent:
    def init(key):
        zero = jnp.zeros((), jnp.int32)
        return TrainState(jnp.float32(1.0), (), Hypers(jnp.float32(0.0), jnp.float32(0.0)), (), key, zero)

    def update(state, trajectory, past=()):
        w = state.params - state.hypers.rate * state.params
        return state.replace(params=w, updates=state.updates + 1), {"loss/total": jnp.square(w)}

    return Agent(init, lambda s: Published(s.params), lambda s: Published(s.params), lambda n: (), None, update, None)


def train_toy(pbt: PBTConfig | None, num_updates=100, size=8):
    """Each member finishes one episode an update, whose return is -|w|."""
    rates = np.geomspace(1e-4, 1e-2, size, dtype=np.float32)
    agent = populate(toy_agent(), size, {"rate": rates})
    agent = agent if pbt is None else with_pbt(agent, size, pbt)
    state, replaced = agent.init(jax.random.key(0)), []
    update = jax.jit(agent.update)
    for _ in range(num_updates):
        row = -jnp.abs(agent.publish(state).w)[None]
        blank = jnp.zeros((1, size))
        trajectory = Trajectory(
            *([blank] * 6), blank, last=blank == 0, episode_return=row, episode_length=blank, actor_state=(), extras=()
        )
        state, metrics = update(state, trajectory)
        replaced.append(float(np.sum(metrics.get("population/replaced", 0))))
    return without_pbt(state), np.asarray(replaced)


def test_competing_beats_the_grid():
    grid, _ = train_toy(None)
    moved, replaced = train_toy(CONFIG)
    assert float(jnp.abs(moved.params).max()) < 0.5 * float(jnp.abs(grid.params).min()), "the worst beats the best"
    assert float(moved.hypers.rate.max()) > 2 * float(grid.hypers.rate.max()), "rates left the grid"
    assert set(np.flatnonzero(replaced) % 5) == {4} and (replaced[4::5] == 2).all(), "two of eight after 5, 10, ..."
