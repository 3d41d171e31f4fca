"""Catch: a ball falls down a board of 10 rows and 5 columns, and a paddle on the last row must be below it.

Nine steps an episode; the last one pays 1 if the ball was caught and -1 if not. A random policy catches one in five or
so; the best return is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.envs.episode import Capped, Episode, advance, begin, to_timestep
from jaxrl.types import ArraySpec, EnvSpec, Key, TimeStep

ROWS, COLUMNS = 10, 5


class CatchState(NamedTuple):
    """Where the ball and the paddle are."""

    ball_row: jax.Array  # int32 []
    ball_column: jax.Array  # int32 []
    paddle: jax.Array  # int32 [], its column
    episode: Episode


@dataclass(frozen=True)
class Catch(Capped):
    """`JaxEnv`; observation float32 [10, 5] with ones at ball and paddle; actions left, stay, right."""

    spec: ClassVar[EnvSpec] = EnvSpec(ArraySpec((ROWS, COLUMNS), "float32"), num_actions=3, frame_skip=1)

    def init(self, key: Key) -> CatchState:
        """The ball in a random column of the first row, the paddle in the middle."""
        column = jax.random.randint(key, (), 0, COLUMNS)
        return CatchState(jnp.int32(0), column, jnp.int32(COLUMNS // 2), begin())

    def step(self, state: CatchState, action: jax.Array, key: Key) -> CatchState:
        """Move the paddle and let the ball fall by one row."""
        del key  # nothing is random after the start
        paddle = jnp.clip(state.paddle + action - 1, 0, COLUMNS - 1)
        ball_row = state.ball_row + 1
        landed = ball_row == ROWS - 1
        reward = jnp.where(landed, jnp.where(paddle == state.ball_column, 1.0, -1.0), 0.0)
        return CatchState(ball_row, state.ball_column, paddle, advance(state.episode, reward, landed))

    def timestep(self, state: CatchState) -> TimeStep:
        board = jnp.zeros((ROWS, COLUMNS), jnp.float32)
        board = board.at[state.ball_row, state.ball_column].set(1.0).at[ROWS - 1, state.paddle].set(1.0)
        return to_timestep(state.episode, board)
