"""An agent as a user may bring one: nothing of `jaxrl.agents`, no network, no temperature, no record of its own.

A table of logits, one row for every column that Catch's paddle may be in, learns by REINFORCE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from jaxrl.types import ActorOutput, Agent, EnvSpec, Key, Metrics, TimeStep, TrainState, Trajectory


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Hypers:
    """Floats.

    Args:
        learning_rate: of gradient ascent.
    """

    learning_rate: float = 0.1


@dataclass(frozen=True)
class Config:
    """REINFORCE on a table.

    Args:
        hypers: floats; see below.
    """

    hypers: Hypers = field(default_factory=Hypers)


def make(config: Config, network: Any, spec: EnvSpec, num_updates: int) -> Agent:
    """The agent; it has no use for the network."""

    def log_policy(table: jax.Array, observation: jax.Array) -> jax.Array:
        return jax.nn.log_softmax(table[jnp.argmax(observation[..., -1, :], -1)])  # the paddle is in the last row

    def init(key: Key) -> TrainState:
        table = jax.random.normal(key, (spec.observation.shape[-1], spec.num_actions))
        hypers = jax.tree.map(jnp.float32, config.hypers)
        return TrainState(table, (), hypers, (), key, jnp.zeros((), jnp.int32))

    def act(table: jax.Array, state: tuple[()], timestep: TimeStep, key: Key) -> tuple[tuple[()], ActorOutput]:
        logits = log_policy(table, jnp.asarray(timestep.observation))
        return state, ActorOutput(jax.random.categorical(key, logits), logits, ())

    def update(
        state: TrainState, trajectory: Trajectory, past: Sequence[Trajectory] = ()
    ) -> tuple[TrainState, Metrics]:
        def gain(table: jax.Array) -> jax.Array:
            chosen = jnp.take_along_axis(
                log_policy(table, trajectory.observation[:-1]), trajectory.action[..., None], -1
            )
            return jnp.mean(chosen[..., 0] * trajectory.reward * trajectory.mask)

        total, gradient = jax.value_and_grad(gain)(state.params)
        params = state.params + state.hypers.learning_rate * gradient
        return state.replace(params=params, updates=state.updates + 1), {"loss/total": -total}

    def look(table: jax.Array, state: tuple[()], timestep: TimeStep) -> tuple[jax.Array, jax.Array]:
        logits = log_policy(table, jnp.asarray(timestep.observation))
        return logits, jnp.max(logits, -1)

    return Agent(
        init=init,
        publish=lambda state: state.params,
        publish_greedy=lambda state: state.params * 1e6,
        initial_actor_state=lambda num_envs: (),
        act=act,
        update=update,
        look=look,
    )
