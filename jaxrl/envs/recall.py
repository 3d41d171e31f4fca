"""Recall: a cue is shown once, and asked for many steps later. Without a memory no policy is better than chance.

The first observation holds the cue, -1 or 1 with equal probability. Blank ones follow. The last one asks, and the
action taken there ends the episode: it pays 1 if it names the cue (action 0 for -1, action 1 for 1) and -1 if not.

**A policy without memory has expected return 0**, with whatever parameters it plays an episode. It draws the last
action from some `pi(a | o)`, where `o` is the observation that asks: the same array in every episode. What else it may
depend on (its parameters, the episode's temperature, random numbers) was not made from this episode's cue, and actions
before the last change nothing. So action and cue are independent, and

    E[return] = sum_a pi(a | o) (1/2 (+1) + 1/2 (-1)) = 0        for every pi.

A policy that remembers one bit has return 1 in every episode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.config.ranges import AtLeast
from jaxrl.envs.episode import Capped, Episode, advance, begin, to_timestep
from jaxrl.types import ArraySpec, EnvSpec, Key, TimeStep


class RecallState(NamedTuple):
    """The cue, hidden after the first step."""

    cue: jax.Array  # int32 [], 0 or 1
    episode: Episode


@dataclass(frozen=True)
class Recall(Capped):
    """`JaxEnv`; observation float32 [2]: the cue or 0, and 1 where the question is asked; two actions.

    Args:
        delay: blank observations between cue and question.
    """

    delay: Annotated[int, AtLeast(0)] = 10

    spec: ClassVar[EnvSpec] = EnvSpec(ArraySpec((2,), "float32"), num_actions=2, frame_skip=1)

    def init(self, key: Key) -> RecallState:
        """A fair coin."""
        return RecallState(jax.random.bernoulli(key).astype(jnp.int32), begin())

    def step(self, state: RecallState, action: jax.Array, key: Key) -> RecallState:
        """Only the answer counts."""
        del key  # nothing is random after the start
        answered = self._asked(state)
        reward = jnp.where(answered, jnp.where(action == state.cue, 1.0, -1.0), 0.0)
        return RecallState(state.cue, advance(state.episode, reward, answered))

    def timestep(self, state: RecallState) -> TimeStep:
        """The cue at first, the question at the end, nothing between them and nothing after."""
        shown = jnp.where(state.episode.episode_length == 0, 2.0 * state.cue - 1.0, 0.0)
        return to_timestep(state.episode, jnp.stack([shown, self._asked(state).astype(jnp.float32)]))

    def _asked(self, state: RecallState) -> jax.Array:
        return state.episode.episode_length == self.delay + 1
