"""A population's member is its single run, through the real actor and learner; settings and mistakes."""

from __future__ import annotations

import dataclasses
import math

import jax
import numpy as np
import pytest

from jaxrl.agents import casa, impala
from jaxrl.agents.exploration import ExplorationConfig
from jaxrl.agents.population import make_members, make_table, member, member_state, merge, populate, split
from jaxrl.agents.replay_buffer import ReplayConfig, with_replay
from jaxrl.config.plan import make_plan
from jaxrl.config.sections import PBTConfig, PopulationConfig
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.catch import Catch
from jaxrl.errors import ConfigError
from jaxrl.networks import mlp
from jaxrl.run.build import build, make_population
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


def test_values_are_every_combination_repeated():
    table = make_table(
        {"learning_rate": [1e-3, 1e-2], "entropy_cost": {"low": 1e-4, "high": 1e-2, "count": 3}}, 12, impala.Hypers()
    )
    np.testing.assert_allclose(table["learning_rate"], [1e-3] * 3 + [1e-2] * 3 + [1e-3] * 3 + [1e-2] * 3, rtol=1e-6)
    np.testing.assert_allclose(table["entropy_cost"], [1e-4, 1e-3, 1e-2] * 4, rtol=1e-5)
    assert make_table({}, 4, impala.Hypers()) == {}


@pytest.mark.parametrize(
    ("vary", "word"),
    [
        ({"entropy_cos": [1, 2]}, "entropy_cost"),
        ({"entropy_cost": []}, "entropy_cost must be a list such as"),
        ({"entropy_cost": 1}, "must be a list such as"),
        ({"entropy_cost": [1, "two"]}, r"must be a list such as .*, not \[1, two\]$"),
        ({"entropy_cost": {"low": 0, "high": 1, "count": 4}}, "even in the logarithm"),
        ({"entropy_cost": {"low": 1e-3, "high": 1}}, "even in the logarithm"),
        ({"entropy_cost": {"low": 1e-3, "high": 1, "count": 1.5}}, "even in the logarithm"),
        ({"entropy_cost": {"low": 1e-3, "high": 1, "count": 2, "step": 1}}, "even in the logarithm"),
        ({"entropy_cost": [math.nan, 1]}, "population.vary: entropy_cost must be at least .* got nan"),
        ({"temperature": {"low": 1e-9, "high": 1, "count": 4}}, "temperature must be at least 1e-06 .* got 1e-09"),
        ({"entropy_cost": [1, 2, 3]}, "multiple of 3"),
    ],
)
def test_a_wrong_list_is_one_sentence(vary, word):
    with pytest.raises(ConfigError, match=word):
        make_table(vary, 4, impala.Hypers())


def test_members_are_listed_one_by_one():
    listed = {
        "learning_rate": [1e-3, 1e-2, 1e-3],
        "temperature": {"low": 0.1, "high": 1, "count": 3},
        "seed": [7, 7, 4294967295],
    }
    members = make_members(PopulationConfig(3, members=listed), impala.Hypers())
    np.testing.assert_allclose(members.hypers["learning_rate"], [1e-3, 1e-2, 1e-3], rtol=1e-6)
    np.testing.assert_allclose(members.hypers["temperature"], [0.1, 10**-0.5, 1.0], rtol=1e-6)
    assert members.seeds.tolist() == [7, 7, 2**32 - 1] and members.hypers.keys() == {"learning_rate", "temperature"}
    both = make_members(PopulationConfig(2, {"temperature": [1, 2]}, {"entropy_cost": [0, 1]}), impala.Hypers())
    assert both.hypers.keys() == {"temperature", "entropy_cost"} and both.seeds.tolist() == [0, 1]


def test_a_seed_that_is_listed_takes_the_place_of_the_number():
    """Members of one seed begin alike, and a member's number is not seen where its seed is given."""
    agent, key = make_agent("casa-bandit"), jax.random.key(0)
    state = to_host(populate(agent, 3, seeds=np.array([5, 1, 5], np.uint32)).init(key))
    assert_same_bits(member_state(state, 0), member_state(state, 2))
    assert_same_bits(member_state(state, 1), to_host(member(agent, 1).init(key)))
    assert (state.key[0] != state.key[1]).any()


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({"entropy_cost": [1, 2, 3]}, "has 3 values of entropy_cost for population.size 4; write one a member"),
        ({"seed": [1, 2, 3, 4, 5]}, "has 5 values of seed"),
        ({"entropy_cos": [1, 2, 3, 4]}, "population.members names 'entropy_cos'.* nearest is entropy_cost"),
        ({"sed": [1, 2, 3, 4]}, "nearest is seed"),
        ({"entropy_cost": None}, "population.members: entropy_cost must be a list such as .* not null"),
        ({"seed": [1, 2, 3, 0.5]}, r"population.members: seed must be a list of whole numbers, not \[1, 2, 3, 0.5\]"),
        ({"seed": {"low": 1, "high": 8, "count": 4}}, "seed must be a list of whole numbers"),
        ({"seed": [1, 2, 3, -4]}, "seed must be at least 0 and at most 4294967295, got -4"),
        ({"learning_rate": [1, 2, 3, 4]}, "population.vary and population.members both give learning_rate"),
    ],
)
def test_a_wrong_member_is_one_sentence(members, word):
    with pytest.raises(ConfigError, match=word):
        make_members(PopulationConfig(4, {"learning_rate": [1, 2]}, members), impala.Hypers())


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
    assert experiment.agent is experiment.single
    assert make_population(config, experiment.single) is experiment.single
    with pytest.raises(ConfigError, match=r"pbt.perturb names 'learning_rat'"):
        pbt = PBTConfig(every=1, perturb=("learning_rat",))
        population = PopulationConfig(size=2, pbt=pbt)
        make_population(dataclasses.replace(config, population=population), experiment.single)
