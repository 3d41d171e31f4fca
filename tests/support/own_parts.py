"""An environment, a network and an agent as users write them: one file each, outside the package."""

from __future__ import annotations

from pathlib import Path

GAME = '''\
"""Pairs: two cards are shown, and the action must be the place of the one that a flag marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.envs.episode import Capped, Episode, advance, begin, to_timestep
from jaxrl.types import ArraySpec, EnvSpec


class State(NamedTuple):
    key: jax.Array
    episode: Episode


@dataclass(frozen=True)
class Pairs(Capped):
    """Pairs.

    Args:
        rounds: steps of an episode.
    """

    rounds: int = 3

    @property
    def spec(self) -> EnvSpec:
        seen = {"cards": ArraySpec((2, 3), "float32"), "flag": ArraySpec((), "int32")}
        return EnvSpec(seen, num_actions=3, frame_skip=1, masks_actions=True)

    def init(self, key: jax.Array) -> State:
        return State(key, begin())

    def step(self, state: State, action: jax.Array, key: jax.Array) -> State:
        right = action == self._flag(state)
        over = state.episode.episode_length + 1 >= self.rounds
        return State(key, advance(state.episode, jnp.where(right, 1.0, -1.0), over))

    def timestep(self, state: State):
        cards = jax.random.uniform(state.key, (2, 3))
        seen = {"cards": cards, "flag": self._flag(state)}
        return to_timestep(state.episode, seen, legal=jnp.array([True, True, False]))

    def _flag(self, state: State) -> jax.Array:
        return jax.random.bernoulli(state.key).astype(jnp.int32)
'''

NETWORK = '''\
"""A network for cards and a flag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxrl.config.ranges import AtLeast
from jaxrl.errors import ConfigError


class Output(NamedTuple):
    policy: jax.Array
    value: jax.Array
    memory: tuple = ()


@dataclass(frozen=True)
class Config:
    """Two dense layers over both parts.

    Args:
        width: units of the hidden layer.
    """

    width: Annotated[int, AtLeast(1)] = 16


def make(config, spec):
    if not isinstance(spec.observation, dict):
        raise ConfigError("network my_network needs cards and a flag")
    return Network(config.width, spec.num_actions)


class Network(nn.Module):
    width: int
    num_actions: int

    def initial_memory(self, num_envs):
        return ()

    @nn.compact
    def __call__(self, observation):
        cards = observation["cards"].reshape(len(observation["flag"]), -1)
        x = jnp.concatenate([cards, observation["flag"][:, None].astype(jnp.float32)], axis=1)
        x = nn.tanh(nn.Dense(self.width)(x))
        return Output(nn.Dense(self.num_actions)(x), nn.Dense(1)(x)[:, 0])
'''

AGENT = '''\
"""IMPALA with another name and one more setting."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxrl.agents import impala


@dataclass(frozen=True)
class Config(impala.Config):
    """IMPALA, hurried.

    Args:
        hurry: factor on the learning rate.
    """

    hurry: float = 1.0


def make(config, network, spec, num_updates):
    hypers = replace(config.hypers, learning_rate=config.hurry * config.hypers.learning_rate)
    return impala.make(replace(config, hypers=hypers), network, spec, num_updates)
'''

CONFIG = """\
name: own
env_steps: 600
env: {name: "my_game:Pairs", rounds: 4}
network: {name: my_network}
agent: {name: my_agent, hurry: 2.0}
runtime: {num_actors: 2, pools_per_actor: 1, envs_per_pool: 4, unroll_length: 5, policy_lag: 1}
record: {report_every: 5, wandb: "off"}
evaluation: {episodes: 4}
"""

SETTINGS = {"env.name": "my_game:Pairs", "network.name": "my_network", "agent.name": "my_agent"}


def write_own_parts(folder: Path) -> Path:
    """The three files and a config that names them, in `folder`; returns the config's path."""
    for name, text in {"my_game": GAME, "my_network": NETWORK, "my_agent": AGENT}.items():
        (folder / f"{name}.py").write_text(text)
    path = folder / "own.yaml"
    path.write_text(CONFIG)
    return path
