"""The bookkeeping of one episode, kept inside the state of a pure-JAX environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.config.ranges import AtLeast
from jaxrl.types import PyTree, TimeStep


@dataclass(frozen=True, kw_only=True)
class Capped:
    """An environment whose episodes `jaxrl.envs.batched` truncates.

    Args:
        max_episode_steps: cap in env steps, after which an episode is truncated; null leaves the end to the game.
    """

    max_episode_steps: Annotated[int, AtLeast(1)] | None = None


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
