"""From a config to running parts: the one place where names meet classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax

from jaxrl.agents import registry
from jaxrl.config import ConfigError, ExperimentConfig
from jaxrl.envs.base import BatchedEnv
from jaxrl.envs.build import env_spec, make_env
from jaxrl.networks.build import make_network
from jaxrl.plan import Plan, make_plan
from jaxrl.sebulba.actor import Actor, make_act
from jaxrl.types import Agent, Device, EnvSpec, Key

# First word of an environment's seed stream, so that training and evaluation never share one.
TRAINING, EVALUATION = 0, 1
# What a run's root key is folded with.
INIT_KEY, ACTOR_KEY, EVALUATION_KEY = 0, 1, 2


class Experiment(NamedTuple):
    """The parts of one run that hold no state."""

    config: ExperimentConfig
    plan: Plan
    spec: EnvSpec
    agent: Agent

    def key(self, purpose: int) -> Key:
        """The run's key for one of the purposes above."""
        return jax.random.fold_in(jax.random.key(self.config.seed), purpose)


def build(config: ExperimentConfig) -> Experiment:
    """Check everything that can be checked before something starts.

    Raises:
        ConfigError, EnvError: one sentence that names the setting.
    """
    plan = make_plan(config)
    spec = env_spec(config.env)
    network = make_network(config.network, spec)
    agent = registry.load(registry.name_of(config.agent)).make(config.agent, network, spec, plan.num_updates)
    return Experiment(config, plan, spec, agent)


def make_actors(experiment: Experiment, restart: int = 0) -> list[Actor]:
    """The actors with their pools; `restart` counts resumptions, each with fresh seed streams."""
    runtime = experiment.config.runtime
    act = make_act(experiment.agent.act)
    actors, pools = [], []
    try:
        for actor_id in range(runtime.num_actors):
            pools = [
                make_env(
                    experiment.config.env,
                    runtime.envs_per_pool,
                    num_threads=runtime.threads_per_pool,
                    seed=experiment.config.seed,
                    stream=(TRAINING, actor_id, pool, restart),
                )
                for pool in range(runtime.pools_per_actor)
            ]
            actors.append(Actor(pools, act, experiment.agent.initial_actor_state, runtime.unroll_length))
    except BaseException:
        for actor in actors:
            actor.close()
        raise
    return actors


def make_evaluation_env(experiment: Experiment, num_envs: int) -> BatchedEnv:
    """Environments of the same protocol on seeds that training never saw."""
    runtime = experiment.config.runtime
    threads = min(num_envs, runtime.num_actors * runtime.pools_per_actor * runtime.threads_per_pool)
    config = experiment.config
    return make_env(config.env, num_envs, num_threads=threads, seed=config.seed, stream=(EVALUATION,))


def choose_devices(indices: Sequence[int], count: int, setting: str) -> list[Device]:
    """`count` devices taken from `indices` in turn.

    Raises:
        ConfigError: there is no such device.
    """
    there = jax.local_devices()
    for index in indices:
        if not 0 <= index < len(there):
            raise ConfigError(
                f"{setting} names device {index}, but this process has {len(there)} "
                f"({', '.join(str(device) for device in there)}); `jaxrl doctor` lists them"
            )
    return [there[indices[i % len(indices)]] for i in range(count)]
