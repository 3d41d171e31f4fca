"""From an `EnvConfig` to an environment: the one place where ids meet classes."""

from __future__ import annotations

import importlib
from dataclasses import asdict
from typing import Any

from jaxrl.config.sections import EnvConfig
from jaxrl.envs.base import BatchedEnv, JaxEnv
from jaxrl.envs.checks import unknown_id
from jaxrl.envs.envpool.protocols import overrides, resolve
from jaxrl.errors import ConfigError
from jaxrl.types import EnvSpec

# Pure-JAX environments by id, as `module:class`, so that a name costs no import.
JAX_ENVS: dict[str, str] = {
    "cartpole": "jaxrl.envs.cartpole:CartPole",
    "catch": "jaxrl.envs.catch:Catch",
    "recall": "jaxrl.envs.recall:Recall",
    "fork": "jaxrl.envs.fork:Fork",
}


def make_env(
    config: EnvConfig, num_envs: int, *, num_threads: int = 1, seed: int, stream: tuple[int, ...]
) -> BatchedEnv:
    """A batch of `num_envs` environments.

    Args:
        config: which, and under which protocol.
        num_envs: B.
        num_threads: that step it; JAX environments have no use for it.
        seed: of the run.
        stream: words that name this batch among all of the run, such as (purpose, actor, pool, restart): different
            words give different random numbers.

    Raises:
        EnvError: the environment does not exist, or no agent here could play it.
        ConfigError: a setting of the protocol cannot work.
    """
    from jaxrl.envs import seeding

    if config.backend == "jax":
        from jaxrl.envs.batched import BatchedJaxEnv

        env = make_jax_env(config)
        return BatchedJaxEnv(env, num_envs, seeding.stream_key(seed, stream), config.max_episode_steps)
    from jaxrl.envs.envpool.pool import EnvPoolEnv

    return EnvPoolEnv(config, num_envs, num_threads, seeding.env_seeds(seed, stream, num_envs))


def make_jax_env(config: EnvConfig) -> JaxEnv:
    """One pure environment, for code that is jitted as a whole; raises like `make_env`."""
    if config.id not in JAX_ENVS:
        raise unknown_id(config.id, JAX_ENVS, "The JAX backend (env.backend: jax)")
    for name in overrides(config).keys() - {"max_episode_steps"}:
        raise ConfigError(f"env.{name} is an Atari setting and {config.id} is not an Atari game; set it to null")
    if config.max_episode_steps is not None and config.max_episode_steps < 1:
        raise ConfigError(f"env.max_episode_steps must be at least 1, got {config.max_episode_steps}")
    module, name = JAX_ENVS[config.id].split(":")
    return getattr(importlib.import_module(module), name)()


def env_spec(config: EnvConfig) -> EnvSpec:
    """What an agent must know, found without starting an environment; raises like `make_env`."""
    if config.backend == "jax":
        return make_jax_env(config).spec
    from jaxrl.envs.envpool.options import envpool_spec

    return envpool_spec(config)


def protocol_rules(config: EnvConfig) -> dict[str, Any] | None:
    """Every rule of an Atari environment by name, its label first; None elsewhere."""
    if config.backend == "jax":
        return None
    from jaxrl.envs.envpool.options import is_atari

    return asdict(resolve(config)) if is_atari(config.id) else None


def protocol_label(config: EnvConfig) -> str | None:
    """The label that every Atari figure must carry; None elsewhere."""
    rules = protocol_rules(config)
    return None if rules is None else rules["label"]
