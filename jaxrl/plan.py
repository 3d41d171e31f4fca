"""What follows from a config: sizes, the number of updates, and every check that they fit together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from jaxrl.config import ConfigError, ExperimentConfig


@dataclass(frozen=True)
class Plan:
    """Derived numbers of one run."""

    envs_per_actor: int
    num_envs: int  # B of the learner's batch
    samples_per_update: int  # T * B, auto-reset rows included
    num_updates: int  # length of the learning-rate schedule


def make_plan(config: ExperimentConfig) -> Plan:
    """Compute the plan; raises `ConfigError` where the numbers cannot work."""
    runtime, agent = config.runtime, config.agent
    for name in ("num_actors", "pools_per_actor", "envs_per_pool", "threads_per_pool", "unroll_length"):
        _at_least(1, f"runtime.{name}", getattr(runtime, name))
    _at_least(0, "runtime.policy_lag", runtime.policy_lag)
    _at_least(1, "env_steps", config.env_steps)
    _at_least(1, "agent.num_epochs", agent.num_epochs)
    _at_least(1, "agent.num_minibatches", agent.num_minibatches)
    _at_least(1, "record.report_every", config.record.report_every)
    _at_least(1, "record.checkpoint_every", config.record.checkpoint_every)
    _at_least(1, "record.keep_checkpoints", config.record.keep_checkpoints)
    _at_least(0, "evaluation.episodes", config.evaluation.episodes)
    _at_least(1, "evaluation.num_envs", config.evaluation.num_envs)
    if not runtime.timeout_s > 0:
        raise ConfigError(f"runtime.timeout_s must be above 0 seconds, got {runtime.timeout_s}")
    for name in ("actor_devices", "learner_devices"):
        if not getattr(runtime, name):
            raise ConfigError(f"runtime.{name} must name at least one device, such as [0]")
    if len(set(runtime.learner_devices)) < len(runtime.learner_devices):
        raise ConfigError(f"runtime.learner_devices must name each device once, got {list(runtime.learner_devices)}")

    envs_per_actor = runtime.pools_per_actor * runtime.envs_per_pool
    num_envs = runtime.num_actors * envs_per_actor
    parts = agent.num_minibatches * len(runtime.learner_devices)
    if num_envs % parts:
        raise ConfigError(
            f"{num_envs} environments (runtime.num_actors {runtime.num_actors} x pools_per_actor "
            f"{runtime.pools_per_actor} x envs_per_pool {runtime.envs_per_pool}) do not divide into "
            f"{agent.num_minibatches} minibatches (agent.num_minibatches) on {len(runtime.learner_devices)} learner "
            f"devices; change runtime.envs_per_pool"
        )
    samples = runtime.unroll_length * num_envs
    return Plan(envs_per_actor, num_envs, samples, math.ceil(config.env_steps / samples))


def _at_least(least: int, name: str, value: Any) -> None:
    if value < least:
        raise ConfigError(f"{name} must be at least {least}, got {value}")
