"""Fork: a small reward at once, or a large one at the end of a corridor where every wrong step is the last.

At the fork (place 0) action 0 pays `near` and ends the episode, action 1 enters the corridor, any other action ends it
with nothing. At each of the `depth` places of the corridor one action leads on and every other one ends the episode
with nothing; which one it is differs from place to place. The last right action pays `far`. So the best policy returns
`far`, one that has collapsed onto the reward which is found first returns `near`, and the uniformly random policy
reaches `far` with probability `num_actions^-(depth + 1)`.

Both rewards may be JAX scalars, so that code which is jitted as a whole can vmap over them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.config.ranges import AtLeast
from jaxrl.envs.episode import Capped, Episode, advance, begin, to_timestep
from jaxrl.types import ArraySpec, EnvSpec, Key, TimeStep


class ForkState(NamedTuple):
    """Where the agent is: 0 at the fork, 1 to `depth` in the corridor."""

    place: jax.Array  # int32 []
    episode: Episode


@dataclass(frozen=True)
class Fork(Capped):
    """`JaxEnv`; observation float32 [depth + 1], one-hot.

    Args:
        depth: length of the corridor.
        num_actions: of which one leads on.
        near: reward of action 0 at the fork.
        far: reward at the end of the corridor.
    """

    depth: Annotated[int, AtLeast(1)] = 3
    num_actions: Annotated[int, AtLeast(2)] = 3
    near: float = 0.5
    far: float = 1.0

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(ArraySpec((self.depth + 1,), "float32"), self.num_actions, frame_skip=1)

    def right_action(self, place: jax.Array) -> jax.Array:
        """The action that leads on: 1 at the fork, then 2, 3, ... round all actions."""
        return (place + 1) % self.num_actions

    def init(self, key: Key) -> ForkState:
        del key  # nothing is random
        return ForkState(jnp.int32(0), begin())

    def step(self, state: ForkState, action: jax.Array, key: Key) -> ForkState:
        """Advance on the right action, else end the episode."""
        del key
        right = action == self.right_action(state.place)
        arrived = right & (state.place == self.depth)
        took_near = (state.place == 0) & (action == 0)
        reward = jnp.where(arrived, self.far, jnp.where(took_near, self.near, 0.0))
        place = jnp.where(right & ~arrived, state.place + 1, state.place)
        return ForkState(place, advance(state.episode, reward, ~right | arrived))

    def timestep(self, state: ForkState) -> TimeStep:
        return to_timestep(state.episode, jax.nn.one_hot(state.place, self.depth + 1))
