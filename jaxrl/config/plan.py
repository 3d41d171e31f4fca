"""What follows from a config: sizes, the number of updates, and every check that they fit together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxrl.config.ranges import check_ranges
from jaxrl.config.seating import make_table, unroll_rows
from jaxrl.config.sections import ExperimentConfig, RuntimeConfig
from jaxrl.errors import ConfigError


@dataclass(frozen=True)
class Plan:
    """Derived numbers of one run."""

    envs_per_actor: int
    num_envs: int  # B of the learner's batch, over all hosts
    samples_per_update: int  # T * B, auto-reset rows included
    num_updates: int  # length of the learning-rate schedule


def make_plan(config: ExperimentConfig, num_hosts: int = 1) -> Plan:
    """Compute the plan; raises `ConfigError` where the numbers cannot work.

    Args:
        config: of the run; `runtime` describes each host.
        num_hosts: that train together.
    """
    runtime, minibatches = config.runtime, _minibatches(config)
    check_ranges(config)
    if runtime.kind == "selfplay":
        return _plan_selfplay(config, num_hosts)
    _check_sequences(config, num_hosts, "runtime.unroll_length", runtime.unroll_length)
    _check_devices(runtime)
    _check_anakin(config, num_hosts)
    envs_per_actor = runtime.pools_per_actor * runtime.envs_per_pool
    envs_per_host = runtime.num_actors * envs_per_actor
    num_envs = num_hosts * envs_per_host
    parts = minibatches * len(runtime.learner_devices)
    if envs_per_host % parts:
        raise ConfigError(
            f"{envs_per_host} environments (runtime.num_actors {runtime.num_actors} x pools_per_actor "
            f"{runtime.pools_per_actor} x envs_per_pool {runtime.envs_per_pool}) do not divide into "
            f"{minibatches} minibatches (agent.num_minibatches) on {len(runtime.learner_devices)} learner "
            f"devices; change runtime.envs_per_pool"
        )
    _check_population(config, envs_per_host // len(runtime.learner_devices))
    _check_exploration(config)
    samples = runtime.unroll_length * num_envs
    return Plan(envs_per_actor, num_envs, samples, math.ceil(config.env_steps / samples))


def _plan_selfplay(config: ExperimentConfig, num_hosts: int) -> Plan:
    """Samples are the learning seats' rows, and nothing else of the actor/learner split is read."""
    runtime, games = config.runtime, config.runtime.envs_per_pool
    devices, rows = len(runtime.learner_devices), unroll_rows(config.selfplay, runtime.unroll_length)
    _check_devices(runtime)
    if games % devices:
        raise ConfigError(
            f"{games} games (runtime.envs_per_pool) do not divide into {devices} learner devices; change one of them"
        )
    table = make_table(config.selfplay, games // devices)
    for setting, what, one in (
        ("population.size", config.population.size > 1, "one, or left out"),
        ("agent.replay.capacity", getattr(getattr(config.agent, "replay", None), "capacity", 0) > 0, "0"),
        ("hosts.coordinator", num_hosts > 1, "one, or left out"),
        ("evaluation.episodes", config.evaluation.episodes > 0, "0"),
        ("agent.normalise_rewards", getattr(config.agent, "normalise_rewards", False), "false"),
    ):
        if what:
            raise ConfigError(f"runtime.kind selfplay cannot use {setting} as it is set; it must be {one}")
    if table.num_columns % _minibatches(config):
        raise ConfigError(
            f"{table.num_columns} learning seats of {games // devices} games on a device do not divide into "
            f"{_minibatches(config)} minibatches (agent.num_minibatches); change runtime.envs_per_pool"
        )
    if config.selfplay.evaluate_every and not config.selfplay.evaluate:
        raise ConfigError(
            "selfplay.evaluate_every needs players in selfplay.evaluate, such as [random]; name them, or set it to 0"
        )
    _check_sequences(config, num_hosts, "the rows of a seat (selfplay.unroll_rows)", rows)
    _check_exploration(config)
    samples = rows * table.num_columns * devices
    return Plan(games, table.num_columns * devices, samples, math.ceil(config.env_steps / samples))


def _check_devices(runtime: RuntimeConfig) -> None:
    """Both sides name at least one device and no more than they can use; that they exist is checked elsewhere."""
    for name in ("actor_devices", "learner_devices"):
        if not getattr(runtime, name):
            raise ConfigError(f"runtime.{name} must name at least one device, such as [0]")
    if len(runtime.actor_devices) > runtime.num_actors:
        raise ConfigError(
            f"runtime.actor_devices must name a device per actor at most, got {list(runtime.actor_devices)} with "
            f"runtime.num_actors {runtime.num_actors}; name fewer devices, or raise runtime.num_actors"
        )
    if len(set(runtime.learner_devices)) < len(runtime.learner_devices):
        raise ConfigError(f"runtime.learner_devices must name each device once, got {list(runtime.learner_devices)}")


def _check_anakin(config: ExperimentConfig, num_hosts: int) -> None:
    """Acting, stepping and learning share one device; whether the environments can, `make_anakin` checks."""
    runtime = config.runtime
    if runtime.kind != "anakin":
        return
    if len(runtime.learner_devices) > 1 or runtime.actor_devices != runtime.learner_devices or num_hosts > 1:
        raise ConfigError(
            "runtime.kind anakin uses one device of one host: runtime.actor_devices and runtime.learner_devices must "
            f"name the same, got {list(runtime.actor_devices)} and {list(runtime.learner_devices)} on {num_hosts} "
            "host(s); change them, or set runtime.kind sebulba"
        )


def _check_sequences(config: ExperimentConfig, num_hosts: int, setting: str, rows: int) -> None:
    """Burn-in and replay, of the agents that have them; `setting` says how many rows an unroll has."""
    burn_in, replay = getattr(config.agent, "burn_in", 0), getattr(config.agent, "replay", None)
    if burn_in >= rows:
        raise ConfigError(
            f"agent.burn_in must be below {setting} {rows}, so that rows are left to learn from, got {burn_in}"
        )
    lacking = "core_size 64" if getattr(config.network, "core_size", None) == 0 else ""
    lacking = "core lstm" if getattr(config.network, "core", "") == "none" else lacking
    if burn_in and lacking:
        raise ConfigError(
            f"agent.burn_in must be 0 where nothing has a memory to warm, got {burn_in}; set network.{lacking}, or "
            f"agent.burn_in 0"
        )
    if replay is not None and replay.capacity and num_hosts > 1:
        raise ConfigError(
            "agent.replay.capacity must be 0 on several hosts, since host 0 alone saves, and sees only its part; "
            "agent.num_epochs trains each sample several times without a replay"
        )


def _minibatches(config: ExperimentConfig) -> int:
    """Parts that a batch is split into; one where the agent has no such setting."""
    return getattr(config.agent, "num_minibatches", 1)


def _check_population(config: ExperimentConfig, envs_per_device: int) -> None:
    """A member has its share of every pool, and its share of a learner device's batch divides into minibatches."""
    population, pbt = config.population, config.population.pbt
    if population.size == 1:
        if population.vary or population.members or pbt.every:
            raise ConfigError(
                "population.vary, population.members and population.pbt need members that can differ; raise "
                "population.size"
            )
        return
    if getattr(getattr(config.agent, "replay", None), "capacity", 0):
        raise ConfigError(
            "agent.replay.capacity must be 0 in a population, where every member would need a replay of its own; "
            "agent.num_epochs trains each sample several times without one"
        )
    for setting, count, least in (
        ("runtime.envs_per_pool", config.runtime.envs_per_pool, population.size),
        ("environments of a learner device", envs_per_device, population.size * _minibatches(config)),
    ):
        if count % least:
            raise ConfigError(
                f"{count} {setting} do not divide among population.size {population.size} members"
                + (f" of {_minibatches(config)} minibatches each" if least > population.size else "")
                + f"; make runtime.envs_per_pool a multiple of {least}"
            )
    if pbt.every and not pbt.factors:
        raise ConfigError("population.pbt.factors must hold at least one number, such as [0.8, 1.25]")


def _check_exploration(config: ExperimentConfig) -> None:
    """A ladder has rungs, in each pool and each member; a bandit has no more candidates than blocks."""
    exploration = getattr(config.agent, "exploration", None)
    if exploration is None:
        return
    if exploration.num_candidates > exploration.num_blocks:
        raise ConfigError(
            f"agent.exploration.num_candidates must be at most agent.exploration.num_blocks, got "
            f"{exploration.num_candidates} and {exploration.num_blocks}"
        )
    envs, size = config.runtime.envs_per_pool, config.population.size
    if exploration.family == "ladder" and envs < 2 * size:
        raise ConfigError(
            f"runtime.envs_per_pool must be at least {2 * size}, 2 for each member, where agent.exploration.family is "
            f"ladder, got {envs}"
        )
