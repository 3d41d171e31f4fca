"""The fully jitted loop is the Sebulba run with one actor, one pool and no lag; whole runs can be vmapped."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.agents.exploration import ExplorationConfig
from jaxrl.agents.population import member, set_hypers
from jaxrl.config.sections import PBTConfig, PopulationConfig
from jaxrl.envs.catch import Catch
from jaxrl.envs.seeding import stream_key
from jaxrl.run.experiment import ACTOR_KEY, INIT_KEY, TRAINING, build
from jaxrl.runtime.anakin import make_anakin, run
from tests.support.parts import make_sebulba, small_config, to_host

UPDATES = 4


def config_of(**settings):
    config = small_config(num_actors=1, pools_per_actor=1, envs_per_pool=4, policy_lag=0, unroll_length=12)
    agent = dataclasses.replace(config.agent, exploration=ExplorationConfig("bandit"), num_minibatches=1)
    return dataclasses.replace(config, agent=agent, **settings)


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    "population", [PopulationConfig(), PopulationConfig(size=2, pbt=PBTConfig(every=2))], ids=["single", "pbt"]
)
def test_it_is_sebulba_without_lag(population):
    config = config_of(population=population)
    experiment = build(config)
    anakin = make_anakin(experiment.agent, Catch(), 4, 12)
    carry = anakin.init(
        experiment.key(INIT_KEY),
        stream_key(config.seed, (TRAINING, 0, 0, 0)),
        jax.random.fold_in(experiment.key(ACTOR_KEY), 0),
    )
    carry, (metrics, episodes) = run(anakin, carry, UPDATES)
    returns, seen = 0.0, 0
    with make_sebulba(config) as runtime:
        for update in runtime.updates():
            seen += len(update.episodes)
            returns += sum(episode.episode_return for episode in update.episodes)
            if runtime.updates_done == UPDATES:
                break
        jax.tree.map(close, to_host(carry.state), to_host(runtime.state))
        jax.tree.map(close, {name: x[-1] for name, x in to_host(metrics).items()}, to_host(update.metrics))
    assert seen >= 4 * UPDATES
    assert episodes.count.shape == (UPDATES, 4) and episodes.count.sum() == seen
    assert episodes.total_return.sum() == returns and episodes.total_length.sum() == 9 * seen


def test_vmapped_runs_are_single_runs():
    agent = build(config_of()).agent
    rates = jnp.array([1e-3, 1e-2])

    def start(index, rate):
        anakin = make_anakin(member(agent, index), Catch(), 4, 12)
        carry = anakin.init(jax.random.key(1), jax.random.fold_in(jax.random.key(2), index), jax.random.key(3))
        return anakin, carry._replace(state=set_hypers(carry.state, {"learning_rate": rate}))

    def train(index, rate):
        anakin, carry = start(index, rate)
        return run(anakin, carry, UPDATES)

    together, (_, episodes) = jax.jit(jax.vmap(train))(jnp.arange(2), rates)
    for i in range(2):
        alone, (_, its_episodes) = train(i, rates[i])
        np.testing.assert_array_equal(episodes.total_return[i], its_episodes.total_return)
        jax.tree.map(close, jax.tree.map(lambda x, i=i: x[i], to_host(together.state)), to_host(alone.state))
