"""From a config to running parts: the one place where names meet classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax

from jaxrl.agents.pbt import with_pbt
from jaxrl.agents.population import populate, report_hypers
from jaxrl.agents.replay_buffer import ReplayConfig, with_replay
from jaxrl.agents.unrolling import Given, Network
from jaxrl.config import registry
from jaxrl.config.member_values import check_names, make_members
from jaxrl.config.plan import Plan, make_plan
from jaxrl.config.sections import ExperimentConfig, RuntimeConfig
from jaxrl.envs.base import BatchedEnv, JaxEnv, PoolEnv
from jaxrl.envs.build import make_env
from jaxrl.envs.screen import make_screen
from jaxrl.envs.seeding import EVALUATION, TRAINING
from jaxrl.errors import ConfigError
from jaxrl.record.versions import usable_cores
from jaxrl.runtime.actor import Actor, make_act
from jaxrl.types import Agent, Device, EnvSpec, Key, Params, Screen

# What a run's root key is folded with.
INIT_KEY, ACTOR_KEY, EVALUATION_KEY = 0, 1, 2


class Experiment(NamedTuple):
    """The parts of one run that hold no state."""

    config: ExperimentConfig
    plan: Plan
    env: JaxEnv | PoolEnv
    spec: EnvSpec
    network: Network
    agent: Agent  # the population, where there is one
    member: Agent  # one of it

    def key(self, purpose: int) -> Key:
        """The run's key for one of the purposes above."""
        return jax.random.fold_in(jax.random.key(self.config.seed), purpose)


def build(config: ExperimentConfig, params: Params | None = None) -> Experiment:
    """Check everything that can be checked before something starts.

    Args:
        params: with which every agent begins, instead of fresh ones.

    Raises:
        ConfigError, EnvError: one sentence that names the setting.
    """
    plan = make_plan(config, jax.process_count())
    env = registry.make("env", config.env)
    spec = env.spec
    network = registry.make("network", config.network, spec)
    if params is not None:
        network = Given(network, params)
    agent = registry.make("agent", config.agent, network, spec, plan.num_updates)
    if config.runtime.frames == "stacked" or not agent.takes_frames:
        spec = spec._replace(frame_stack=1)
    replay = getattr(config.agent, "replay", ReplayConfig(capacity=0))  # not every agent can learn from old samples
    agent = with_replay(agent, replay, spec, config.runtime.unroll_length, plan.num_envs)
    return Experiment(config, plan, env, spec, network, make_population(config, agent), agent)


def make_population(config: ExperimentConfig, agent: Agent) -> Agent:
    """The population that `config` describes; `agent` itself where it has one member."""
    size, pbt, hypers = config.population.size, config.population.pbt, config.agent.hypers
    if size == 1:
        return agent
    members = make_members(config.population, hypers)
    check_names("population.pbt.perturb", pbt.perturb, hypers)
    agent = populate(agent, size, members.hypers, members.seeds)
    moving = pbt.perturb if pbt.every else ()
    agent = report_hypers(agent, tuple(dict.fromkeys((*members.hypers, *moving))))
    return with_pbt(agent, size, pbt) if pbt.every else agent


def make_pools(experiment: Experiment, restart: int = 0) -> list[list[BatchedEnv]]:
    """This host's environments `[actor][pool]`; `restart` counts resumptions, each with fresh seed streams."""
    runtime = experiment.config.runtime
    pools: list[list[BatchedEnv]] = [[] for _ in range(runtime.num_actors)]
    try:
        for actor, line in enumerate(pools):
            for pool in range(runtime.pools_per_actor):
                env = make_env(
                    experiment.env,
                    runtime.envs_per_pool,
                    num_threads=threads_per_pool(runtime),
                    seed=experiment.config.seed,
                    stream=(TRAINING, first_actor(runtime) + actor, pool, restart),
                )
                line.append(env)
    except BaseException:
        for env in (env for line in pools for env in line):
            env.close()
        raise
    return pools


def make_actors(experiment: Experiment, restart: int = 0) -> list[Actor]:
    """This host's actors with their pools; arguments as of `make_pools`."""
    agent, length = experiment.agent, experiment.config.runtime.unroll_length
    stack, once = experiment.spec.frame_stack, sends_once(experiment)
    act, start = make_act(agent.act, once), agent.initial_actor_state
    return [Actor(line, act, start, length, stack, once) for line in make_pools(experiment, restart)]


def sends_once(experiment: Experiment) -> bool:
    """Whether actors send every frame of a stack once: not to a CPU, which has the stacks already."""
    devices, _ = devices_of(experiment)
    return experiment.spec.frame_stack > 1 and all(device.platform != "cpu" for device in devices)


def first_actor(runtime: RuntimeConfig) -> int:
    """Number of this host's actor 0 among those of all hosts."""
    return jax.process_index() * runtime.num_actors


def threads_per_pool(runtime: RuntimeConfig) -> int:
    """The configured number, or an equal share of the cores."""
    return runtime.threads_per_pool or max(1, usable_cores() // (runtime.num_actors * runtime.pools_per_actor))


def make_evaluation_screen(experiment: Experiment, num_envs: int) -> Screen:
    """The pictures of environment 0 of `make_evaluation_env`."""
    config = experiment.config
    return make_screen(experiment.env, experiment.spec, num_envs, config.seed, (EVALUATION,))


def make_evaluation_env(experiment: Experiment, num_envs: int) -> BatchedEnv:
    """Environments under the rules of `scored`, on seeds that training never saw."""
    runtime = experiment.config.runtime
    threads = min(num_envs, runtime.num_actors * runtime.pools_per_actor * threads_per_pool(runtime))
    config = experiment.config
    return make_env(experiment.env, num_envs, num_threads=threads, seed=config.seed, stream=(EVALUATION,))


def devices_of(experiment: Experiment) -> tuple[list[Device], list[Device]]:
    """The device of every actor of this host, and those of the learner, on all hosts; errors of `choose_devices`."""
    runtime = experiment.config.runtime
    learners: list[Device] = []
    for host in range(jax.process_count()):
        count = len(runtime.learner_devices)
        learners += choose_devices(runtime.learner_devices, count, "runtime.learner_devices", host)
    return choose_devices(runtime.actor_devices, runtime.num_actors, "runtime.actor_devices"), learners


def choose_devices(indices: Sequence[int], count: int, setting: str, host: int | None = None) -> list[Device]:
    """`count` devices of this host, or of another, taken from `indices` in turn; raises `ConfigError`."""
    there = jax.local_devices(process_index=host)
    owner = "this process" if host is None else f"host {host}"
    for index in indices:
        if not 0 <= index < len(there):
            raise ConfigError(
                f"{setting} names device {index}, but {owner} has {len(there)} "
                f"({', '.join(str(device) for device in there)}); `jaxrl doctor` lists them"
            )
    return [there[indices[i % len(indices)]] for i in range(count)]
