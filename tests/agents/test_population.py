"""A population's member is its single run, through the real actor and learner; mistakes."""

from __future__ import annotations

import dataclasses
import math

import jax
import numpy as np
import pytest

from jaxrl.agents import casa, impala
from jaxrl.agents.exploration import ExplorationConfig
from jaxrl.agents.population import member, member_state, merge, populate, split
from jaxrl.agents.replay_buffer import ReplayConfig, with_replay
from jaxrl.config.plan import make_plan
from jaxrl.config.sections import PBTConfig, PopulationConfig
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.catch import Catch
from jaxrl.errors import ConfigError
from jaxrl.networks import mlp
from jaxrl.run.experiment import build, make_population
from jaxrl.runtime.actor import Actor, make_act
from jaxrl.runtime.learner import make_learner_step, make_mesh
from tests.support.interleaved_env import InterleavedEnv
from tests.support.parts import assert_same_bits, small_config, to_host

SIZE, ENVS, POOLS, LENGTH, UPDATES = 2, 4, 2, 12, 3  # ENVS of one member in one pool; Catch's episodes have 9 steps
AGENTS = {
    "casa-bandit": (casa, {"exploration": ExplorationConfig("bandit"), "num_minibatches": 2}),
    "impala-ladder": (impala, {"exploration": ExplorationConfig("ladder"), "num_epochs": 2}),
}
HYPERS = {"learning_rate": np.array([1e-3, 1e-2]), "temperature": np.array([0.3, 1.0])}


def make_agent(name):
    module, settings = AGENTS[name]
    network = mlp.make(mlp.Config((8,)), Catch.spec)
    return module.make(module.Config(**settings), network, Catch.spec, 10)


def env_of(index, pool):
    return BatchedJaxEnv(Catch(), ENVS, jax.random.key(100 * pool + index))


def train(agent, pools):
    """A few updates with the runtime's own parts; the last trajectory and the train state after it."""
    actor = Actor(pools, make_act(agent.act), agent.initial_actor_state, LENGTH)
    step = make_learner_step(agent, make_mesh(jax.devices()[:1]))
    state = agent.init(jax.random.key(5))
    metrics, trajectory = {}, None
    for index in range(UPDATES):
        trajectory, _ = actor.unroll(agent.publish(state), jax.random.fold_in(jax.random.key(6), index))
        state, metrics = step(state, trajectory)
    return trajectory, to_host(state), to_host(metrics)


@pytest.mark.parametrize("name", AGENTS)
def test_a_member_is_its_single_run(name):
    """Same actions; numbers up to rounding, because a batch of matrix products may sum in another order than one."""
    agent = make_agent(name)
    pools = [InterleavedEnv([env_of(i, pool) for i in range(SIZE)]) for pool in range(POOLS)]
    trajectory, state, metrics = train(populate(agent, SIZE, HYPERS), pools)
    assert state.updates == UPDATES and len(np.unique(state.hypers.learning_rate)) == SIZE
    for i in range(SIZE):
        alone, its_state, its_metrics = train(member(agent, i, HYPERS), [env_of(i, pool) for pool in range(POOLS)])
        mine = jax.tree.map(lambda x, i=i: x[:, i::SIZE], trajectory._replace(actor_state=()))
        mine = mine._replace(actor_state=jax.tree.map(lambda x, i=i: x[i::SIZE], trajectory.actor_state))
        np.testing.assert_array_equal(mine.action, alone.action)
        jax.tree.map(close, mine, alone)
        jax.tree.map(close, member_state(state, i), its_state)
        its_metrics.pop("trace/rho_clipped")  # counts ratios above 1, and ratios of 1 are only so up to rounding
        jax.tree.map(close, {name: metrics[name][i] for name in its_metrics}, its_metrics)
        others = [j for j in range(SIZE) if j != i]
        assert all((trajectory.action[:, j::SIZE] != alone.action).any() for j in others), "members differ"


def test_a_look_at_a_population_is_one_at_each_member():
    agent = make_agent("casa-bandit")
    population, env = populate(agent, SIZE), BatchedJaxEnv(Catch(), SIZE * ENVS, jax.random.key(0))
    state, timestep = population.init(jax.random.key(1)), env.reset()
    looks = population.look(population.publish(state), population.initial_actor_state(SIZE * ENVS), timestep)
    for i in range(SIZE):
        its_timestep = jax.tree.map(lambda x, i=i: x[i::SIZE], timestep)
        params = agent.publish(member_state(state, i))
        alone = member(agent, i).look(params, agent.initial_actor_state(ENVS), its_timestep)
        jax.tree.map(close, tuple(x[i::SIZE] for x in looks), alone)
    assert (looks[1][::SIZE] != looks[1][1::SIZE]).any(), "members differ"


def close(a, b):
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_split_gives_environment_e_to_member_e_mod_p():
    environment = np.arange(12)
    parts = split({"rows": np.stack([environment, environment]), "flat": environment[None]}, 3, axis=1)
    np.testing.assert_array_equal(parts["rows"][1, 0], [1, 4, 7, 10])
    np.testing.assert_array_equal(merge(split(environment, 3)), environment)


def test_a_seed_that_is_listed_takes_the_place_of_the_number():
    """Members of one seed begin alike, and a member's number is not seen where its seed is given."""
    agent, key = make_agent("casa-bandit"), jax.random.key(0)
    state = to_host(populate(agent, 3, seeds=np.array([5, 1, 5], np.uint32)).init(key))
    assert_same_bits(member_state(state, 0), member_state(state, 2))
    assert_same_bits(member_state(state, 1), to_host(member(agent, 1).init(key)))
    assert (state.key[0] != state.key[1]).any()


def test_a_wrong_call_is_one_sentence():
    """JAX alone would repeat the last value, drop environments, or speak of axes."""
    agent, key, rates = make_agent("casa-bandit"), jax.random.key(0), {"learning_rate": [1e-3, 1e-2]}
    with pytest.raises(
        ConfigError, match=r"^learning_rate has the shape \(2,\) for 4 members; give one value a member$"
    ):
        populate(agent, 4, rates)
    with pytest.raises(ConfigError, match=r"^seeds has the shape \(3,\) for 2 members"):
        populate(agent, 2, rates, seeds=np.arange(3, dtype=np.uint32))
    with pytest.raises(ConfigError, match=r"^learning_rate has 2 values, and none for member 2"):
        member(agent, 2, rates)
    for make in (lambda table: populate(agent, 2, table), lambda table: member(agent, 1, table)):
        with pytest.raises(ConfigError, match=r"^hypers names 'learning_rat', .* nearest is learning_rate"):
            make({"learning_rat": [1, 2]}).init(key)
    with pytest.raises(ConfigError, match=r"^6 environments do not divide among 4 members; take a multiple of 4$"):
        populate(agent, 4).initial_actor_state(6)
    with pytest.raises(ConfigError, match=r"^an agent with a replay cannot be populated"):
        populate(with_replay(agent, ReplayConfig(capacity=1), Catch.spec, LENGTH, ENVS), 2).init(key)


@pytest.mark.parametrize(
    ("population", "word"),
    [
        (PopulationConfig(size=0), "population.size must be at least 1"),
        (PopulationConfig(size=3), "multiple of 3"),
        (PopulationConfig(size=4), "runtime.envs_per_pool a multiple of 8"),  # 4 members of 2 minibatches
        (PopulationConfig(vary={"learning_rate": [1, 2]}), "raise population.size"),
        (PopulationConfig(members={"seed": [1]}), "raise population.size"),
        (PopulationConfig(pbt=PBTConfig(every=5)), "raise population.size"),
        (PopulationConfig(size=2, pbt=PBTConfig(every=5, fraction=0.6)), "fraction"),
        (PopulationConfig(size=2, pbt=PBTConfig(every=5, factors=(0.0, 2.0))), "factors"),
        (PopulationConfig(size=2, pbt=PBTConfig(every=5, factors=(0.5, math.inf))), "factors must be above 0"),
        (PopulationConfig(size=2, pbt=PBTConfig(every=-1)), "every"),
    ],
)
def test_a_wrong_population_is_one_sentence(population, word):
    config = small_config(num_actors=1, pools_per_actor=1, envs_per_pool=4)
    with pytest.raises(ConfigError, match=word):
        make_plan(dataclasses.replace(config, population=population))


def test_of_one_member_nothing_remains():
    config = small_config()
    experiment = build(config)
    assert experiment.agent is experiment.member
    assert make_population(config, experiment.member) is experiment.member
    with pytest.raises(ConfigError, match=r"pbt.perturb names 'learning_rat'"):
        pbt = PBTConfig(every=1, perturb=("learning_rat",))
        population = PopulationConfig(size=2, pbt=pbt)
        make_population(dataclasses.replace(config, population=population), experiment.member)
