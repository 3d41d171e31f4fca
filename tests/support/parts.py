"""Small runs of the real parts, for the tests of this folder and of training."""

import dataclasses
import random
import time
from pathlib import Path

import jax
import numpy as np

from jaxrl.config.parsing import read_config
from jaxrl.config.sections import (
    EvaluationConfig,
    ExperimentConfig,
    RecordConfig,
    RuntimeConfig,
)
from jaxrl.envs.catch import Catch
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.networks import mlp
from jaxrl.run.experiment import ACTOR_KEY, INIT_KEY, Experiment, build, make_actors
from jaxrl.runtime.sebulba import Sebulba

CONFIGS = Path(__file__).parents[2] / "configs"
CATCH = Catch()
CARTPOLE = EnvPool(id="CartPole-v1")


def small_config(env=CATCH, **runtime) -> ExperimentConfig:
    """CASA with a tiny network; 2 actors with 2 pools of 2 environments unless told otherwise."""
    settings = {"num_actors": 2, "pools_per_actor": 2, "envs_per_pool": 2, "unroll_length": 5, "timeout_s": 60.0}
    agent = dataclasses.replace(read_config(CONFIGS / "catch.yaml").agent, num_minibatches=2)
    return ExperimentConfig(
        agent=agent,
        name="small",
        env_steps=2000,
        env=env,
        network=mlp.Config((8,)),
        runtime=RuntimeConfig(**settings | runtime),
        record=RecordConfig(report_every=3, checkpoint_every=4, wandb="off"),
        evaluation=EvaluationConfig(episodes=0),
    )


_built: dict[str, Experiment] = {}


def experiment_of(config) -> Experiment:
    """`build(config)`, sharing the agent among configs that it does not depend on: compiling costs seconds."""
    runtime = dataclasses.replace(config.runtime, policy_lag=0, kind="sebulba")
    key = dataclasses.replace(config, name="", seed=0, runtime=runtime, record=RecordConfig())
    if repr(key) not in _built:
        _built[repr(key)] = build(key)
    return _built[repr(key)]._replace(config=config)


def make_sebulba(config, actors=None, actor_devices=None, learner_devices=None) -> Sebulba:
    """The runtime of `config`, from the beginning."""
    experiment = experiment_of(config)
    actors = make_actors(experiment) if actors is None else actors
    device = jax.devices()[0]
    return Sebulba(
        experiment.agent,
        actors,
        experiment.agent.init(experiment.key(INIT_KEY)),
        experiment.key(ACTOR_KEY),
        config.runtime,
        actor_devices=actor_devices or [device] * len(actors),
        learner_devices=learner_devices or [device],
    )


def state_after(config, num_updates, **options):
    """The train state after `num_updates`, on the host."""
    with make_sebulba(config, **options) as runtime:
        for _ in runtime.updates():
            if runtime.updates_done == num_updates:
                break
        return to_host(runtime.state)


def to_host(tree):
    """Every leaf as NumPy, keys as their bits."""
    is_key = lambda x: hasattr(x, "dtype") and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)  # noqa: E731
    return jax.tree.map(lambda x: np.asarray(jax.random.key_data(x) if is_key(x) else x), tree)


def assert_same_bits(a, b):
    """Two trees of the same structure and the same bits."""
    paths_a, paths_b = jax.tree.leaves_with_path(a), jax.tree.leaves_with_path(b)
    assert len(paths_a) > 0
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for (path, x), (_, y) in zip(paths_a, paths_b, strict=True):
        assert x.dtype == y.dtype and x.tobytes() == y.tobytes(), jax.tree_util.keystr(path)


class SleepyActor:
    """An actor that sleeps at random before it acts: no bit may change."""

    def __init__(self, actor, seed):
        self._actor = actor
        self._random = random.Random(seed)

    def unroll(self, params, key):
        time.sleep(self._random.choice([0.0, 0.0, 0.03]))
        return self._actor.unroll(params, key)

    def __getattr__(self, name):
        return getattr(self._actor, name)
