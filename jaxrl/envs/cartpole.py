"""CartPole: keep a pole upright on a cart by pushing it left or right (Barto, Sutton and Anderson 1983).

Constants, Euler step and limits are those of Gymnasium's `CartPole-v1`. Every step pays 1. The episode terminates when
the pole or the cart leaves its range, and is truncated after 500 steps: there the state goes on, so `discount` stays 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.envs.episode import Capped, Episode, advance, begin, to_timestep
from jaxrl.types import ArraySpec, EnvSpec, Key, TimeStep

GRAVITY = 9.8
POLE_MASS = 0.1
TOTAL_MASS = 1.0 + POLE_MASS
POLE_HALF_LENGTH = 0.5
FORCE = 10.0
SECONDS_PER_STEP = 0.02
MAX_POSITION = 2.4
MAX_ANGLE = math.radians(12)
MAX_STEPS = 500


class CartPoleState(NamedTuple):
    """Physics and counters."""

    physics: jax.Array  # float32 [4]: position, velocity, angle, angular velocity
    episode: Episode


@dataclass(frozen=True)
class CartPole(Capped):
    """`JaxEnv`; observation float32 [4]; actions push left, push right."""

    spec: ClassVar[EnvSpec] = EnvSpec(ArraySpec((4,), "float32"), num_actions=2, frame_skip=1)

    def init(self, key: Key) -> CartPoleState:
        """Everything near zero."""
        return CartPoleState(jax.random.uniform(key, (4,), jnp.float32, -0.05, 0.05), begin())

    def step(self, state: CartPoleState, action: jax.Array, key: Key) -> CartPoleState:
        """One push of 0.02 seconds."""
        del key  # nothing is random after the start
        physics = _push(state.physics, jnp.where(action == 1, FORCE, -FORCE))
        terminated = (jnp.abs(physics[0]) > MAX_POSITION) | (jnp.abs(physics[2]) > MAX_ANGLE)
        truncated = state.episode.episode_length + 1 >= MAX_STEPS
        return CartPoleState(physics, advance(state.episode, 1.0, terminated, truncated))

    def timestep(self, state: CartPoleState) -> TimeStep:
        return to_timestep(state.episode, state.physics)


def _push(physics: jax.Array, force: jax.Array) -> jax.Array:
    """[4] -> [4]: the equations of motion, one Euler step."""
    _, velocity, angle, spin = physics
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    push = (force + POLE_MASS * POLE_HALF_LENGTH * spin**2 * sin) / TOTAL_MASS
    inertia = POLE_HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * cos**2 / TOTAL_MASS)
    spin_rate = (GRAVITY * sin - cos * push) / inertia
    acceleration = push - POLE_MASS * POLE_HALF_LENGTH * spin_rate * cos / TOTAL_MASS
    rates = jnp.stack([velocity, acceleration, spin, spin_rate])
    return physics + SECONDS_PER_STEP * rates
