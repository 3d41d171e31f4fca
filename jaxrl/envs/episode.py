"""The bookkeeping of one episode, kept inside the state of a pure-JAX environment."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.types import PyTree, TimeStep


class Episode(NamedTuple):
    """Scalars that every `JaxEnv` must report; see `TimeStep` for their meaning."""

    reward: jax.Array  # float32 []
    discount: jax.Array  # float32 []
    first: jax.Array  # bool []
    last: jax.Array  # bool []
    episode_return: jax.Array  # float32 []
    episode_length: jax.Array  # int32 []


def begin() -> Episode:
    """An episode that has not made a step."""
    zero, yes = jnp.float32(0.0), jnp.bool_(True)
    return Episode(zero, jnp.float32(1.0), yes, ~yes, zero, jnp.int32(0))


def advance(
    episode: Episode, reward: jax.Array | float, terminated: jax.Array | bool, truncated: jax.Array | bool = False
) -> Episode:
    """The episode after one more step; `discount` is 0 only where `terminated`."""
    reward = jnp.asarray(reward, jnp.float32)
    terminated = jnp.asarray(terminated, bool)
    return Episode(
        reward=reward,
        discount=1.0 - terminated.astype(jnp.float32),
        first=jnp.bool_(False),
        last=terminated | truncated,
        episode_return=episode.episode_return + reward,
        episode_length=episode.episode_length + 1,
    )


def to_timestep(episode: Episode, observation: PyTree, legal: jax.Array | None = None) -> TimeStep:
    """What the agent sees: `observation`, and `legal` [A] where not every action is."""
    return TimeStep(observation=observation, legal=legal, **episode._asdict())
