"""The ring holds what was put in, every unroll is learnt again as often as promised, and only fresh ones are news."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import ops
from jaxrl.agents import exploration, impala
from jaxrl.agents.exploration import ExplorationConfig
from jaxrl.agents.replay_buffer import ReplayConfig, empty, insert, look_up, unroll_like, with_replay
from jaxrl.agents.updating import draw_minibatches, side_by_side, take_minibatch
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.recall import Recall
from jaxrl.networks import mlp
from jaxrl.runtime.actor import Actor, make_act
from jaxrl.types import Agent, TrainState
from tests.support.linear import SPEC, LinearNetwork, draw_trajectory

LENGTH, NUM_ENVS, CAPACITY, PER_FRESH = 7, 4, 3, 2
REPLAY = ReplayConfig(CAPACITY, PER_FRESH)


@cache
def recurrent_agent() -> Agent:
    """IMPALA with a voted temperature and a memory: everything that an unroll can hold."""
    config = impala.Config(num_minibatches=2, exploration=ExplorationConfig("bandit"), burn_in=2, replay=REPLAY)
    network = mlp.make(mlp.Config((8,), core="lstm", core_size=4), Recall.spec)
    return impala.make(config, network, Recall.spec, 10)


@cache
def trajectories():
    """Five unrolls of an actor."""
    agent, env = recurrent_agent(), Recall(delay=1)
    actor = Actor([BatchedJaxEnv(env, NUM_ENVS, jax.random.key(0))], make_act(agent.act),
                  agent.initial_actor_state, LENGTH)  # fmt: skip
    behaviour = agent.publish(agent.init(jax.random.key(0)))
    return [actor.unroll(behaviour, jax.random.key(i))[0] for i in range(5)]


def assert_same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_the_ring_has_the_shapes_of_what_actors_send():
    expected = unroll_like(recurrent_agent(), Recall.spec, LENGTH, NUM_ENVS)
    for trajectory in trajectories():
        assert jax.tree.structure(trajectory) == jax.tree.structure(expected)
        jax.tree.map(lambda x, y: np.testing.assert_equal((x.shape, x.dtype), (y.shape, y.dtype)), trajectory, expected)
    masking = SPEC._replace(masks_actions=True)
    agent = impala.make(impala.Config(), LinearNetwork(), masking, 1)
    legal = unroll_like(agent, masking, 3, 2).legal
    assert legal is not None and legal.shape == (4, 2, 4) and legal.dtype == bool


def test_the_ring_holds_the_newest_unrolls():
    ring = empty(CAPACITY, unroll_like(recurrent_agent(), Recall.spec, LENGTH, NUM_ENVS))
    for k, trajectory in enumerate(trajectories()):
        ring = insert(ring, trajectory, jnp.int32(k % CAPACITY))
        for age in range(min(k + 1, CAPACITY)):
            assert_same(look_up(ring, jnp.int32((k - age) % CAPACITY)), trajectories()[k - age])


def test_every_minibatch_has_the_same_share_of_each_unroll():
    unrolls = [draw_trajectory(i, width=8)._replace(actor_state=np.full(8, i)) for i in range(3)]
    for num_minibatches in (1, 2, 4):
        joined = side_by_side(unrolls, num_minibatches)
        assert sorted(joined.actor_state.tolist()) == [0] * 8 + [1] * 8 + [2] * 8
        for chosen in draw_minibatches(jax.random.key(0), 24, num_minibatches):
            share = np.bincount(take_minibatch(joined, chosen).actor_state)
            assert share.tolist() == [8 // num_minibatches] * 3


def test_neighbours_are_the_same_environment():
    one, two, three = (draw_trajectory(i)._replace(actor_state=np.arange(4.0) + 10 * i) for i in range(3))
    joined = side_by_side((one, two, three), 1)
    assert joined.observation.shape == (8, 12, 5) and joined.action.shape == (7, 12)
    for i, trajectory in enumerate((one, two, three)):
        assert_same(jax.tree.map(lambda x, i=i: x[:, i::3], joined._replace(actor_state=())),
                    jax.tree.map(jnp.asarray, trajectory._replace(actor_state=())))  # fmt: skip
    assert joined.actor_state.tolist() == [0, 10, 20, 1, 11, 21, 2, 12, 22, 3, 13, 23]


def test_each_unroll_is_learnt_again_as_often_as_promised():
    """An agent that reports what it was given; every unroll carries its own number as its reward."""
    capacity, per_fresh, updates = 4, 3, 2000

    def update(state, trajectory, past=()):
        learnt = jnp.stack([trajectory.reward[0, 0], *(t.reward[0, 0] for t in past)])
        return state.replace(updates=state.updates + 1, key=jax.random.split(state.key)[0]), {"learnt": learnt}

    plain = impala.make(impala.Config(), LinearNetwork(), SPEC, 1)._replace(update=update)
    agent = with_replay(plain, ReplayConfig(capacity, per_fresh), SPEC, 1, 1)
    like = agent.init(jax.random.key(0)).replay
    blank = jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), like)

    def body(state, number):
        state, metrics = agent.update(state, blank._replace(reward=jnp.full((1, 1), number)))
        return state, metrics["learnt"]

    run = jax.jit(lambda state: jax.lax.scan(body, state, jnp.arange(updates, dtype=jnp.float32)))
    learnt = np.asarray(run(agent.init(jax.random.key(0)))[1])
    assert learnt.shape == (updates, 1 + per_fresh)
    assert (learnt[:, 0] == np.arange(updates)).all()
    ages = np.arange(updates)[:, None] - learnt[:, 1:]
    assert ages.min() == 0 and ages.max() == capacity - 1 and (ages[0] == 0).all()
    count = np.bincount(learnt.astype(int).ravel(), minlength=updates)
    steady = count[capacity : updates - capacity]  # what came in while the ring was full, and left it
    deviation = np.sqrt(per_fresh * (1 - 1 / capacity) / len(steady))
    assert abs(steady.mean() - (1 + per_fresh)) < 4 * deviation
    assert steady.min() == 1 and steady.max() > 1 + per_fresh  # in expectation, not exactly
    share = np.bincount(ages[capacity:].astype(int).ravel(), minlength=capacity) / ages[capacity:].size
    assert np.abs(share - 1 / capacity).max() < 0.03


def test_only_fresh_unrolls_teach_the_bandits_and_describe_the_behaviour():
    agent = with_replay(recurrent_agent(), REPLAY, Recall.spec, LENGTH, NUM_ENVS)
    update = jax.jit(agent.update)
    state, ended = agent.init(jax.random.key(0)), 0
    for k, trajectory in enumerate(trajectories()[:4]):
        # An acting policy of another sharpness each time: means over old rows too would be another number.
        hot = exploration.Drawn(trajectory.extras.temperature * 2**k, trajectory.extras.coordinates)
        trajectory = trajectory._replace(extras=hot)
        state, metrics = update(state, trajectory)
        ended += trajectory.last.sum()
        assert_same(look_up(state.replay, jnp.int32(k % CAPACITY)), jax.tree.map(jnp.asarray, trajectory))
        for name, value in exploration.exploration_metrics(trajectory, ops.CATEGORICAL).items():
            np.testing.assert_allclose(metrics[name], value, rtol=1e-5)
        assert np.isfinite(metrics["loss/total"])
    (bandits,) = state.agent_state
    per_bandit = np.asarray(bandits.count).sum((1, 2)) / bandits.count.shape[1]
    assert ended > 8 and (per_bandit == ended).all()


def test_fresh_and_old_are_learnt_together():
    """One step on the fresh unroll and two copies of it is one step on the fresh unroll."""
    config = impala.Config(impala.Hypers(learning_rate=0.01))
    agent = impala.make(config, LinearNetwork(), SPEC, 10)
    state, trajectory = agent.init(jax.random.key(0)), jax.tree.map(jnp.asarray, draw_trajectory(0))
    alone, _ = jax.jit(agent.update)(state, trajectory)
    thrice, _ = jax.jit(agent.update)(state, trajectory, (trajectory, trajectory))
    other = jax.tree.map(jnp.asarray, draw_trajectory(1))
    mixed, _ = jax.jit(agent.update)(state, trajectory, (other,))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), alone.params, thrice.params)
    assert not np.allclose(alone.params["value"], mixed.params["value"])


def test_without_replay_there_is_nothing():
    plain = recurrent_agent()
    assert with_replay(plain, replace(REPLAY, capacity=0), Recall.spec, LENGTH, NUM_ENVS) is plain
    state = plain.init(jax.random.key(0))
    assert isinstance(state, TrainState) and state.replay == ()


TWO_DEVICES = """
import os
os.environ["XLA_FLAGS"] += " --xla_force_host_platform_device_count=2"
import jax
import numpy as np
from jaxrl.agents.replay_buffer import with_replay
from jaxrl.envs.recall import Recall
from jaxrl.runtime.learner import make_learner_step, make_mesh, place_batch, place_state
from tests.agents.test_replay_buffer import LENGTH, NUM_ENVS, REPLAY, recurrent_agent, trajectories

agent = with_replay(recurrent_agent(), REPLAY, Recall.spec, LENGTH, NUM_ENVS)
params = []
for devices in (jax.devices()[:1], jax.devices()):
    mesh = make_mesh(devices)
    step, state = make_learner_step(agent, mesh), place_state(agent.init(jax.random.key(0)), mesh)
    for trajectory in trajectories()[:4]:
        old = state.replay.observation
        state, _ = step(state, place_batch([trajectory], mesh))
        assert old.is_deleted(), "the ring is changed where it lies"
        for leaf in jax.tree.leaves(state.replay):
            part = leaf.sharding.shard_shape(leaf.shape)
            assert np.prod(part) * len(devices) == leaf.size, (part, leaf.shape)
        for leaf in jax.tree.leaves(state.params):
            assert leaf.sharding.is_fully_replicated
    params.append(jax.device_get(state.params))
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), *params)
"""


def test_each_learner_device_keeps_its_share():
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", TWO_DEVICES], cwd=root, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
