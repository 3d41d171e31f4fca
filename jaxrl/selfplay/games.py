"""The two-player seam: what a game is to self-play, and any single game as a batch of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jaxrl.types import Array, EnvSpec, Key, Metrics, PyTree, Trajectory

# (state of B games, which n of them, bool [n]: where it is to move, key) -> action int32 [n], read there alone
Script = Callable[[PyTree, slice, jax.Array, Key], jax.Array]


class GameStep(Protocol):
    """What the seat to move is given; leaves [B, ...] where nothing else is said. Any record with these fields does."""

    @property
    def observation(self) -> PyTree:
        """What the seat to move sees, and nothing of the other's secrets."""
        ...

    @property
    def legal(self) -> Array:
        """bool [B, A]; never empty."""
        ...

    @property
    def player(self) -> Array:
        """int32: the seat to move, 0 or 1."""
        ...

    @property
    def reward(self) -> Array:
        """float32 [B, 2] by seat, for the previous action."""
        ...

    @property
    def discount(self) -> Array:
        """float32: 0 where the game was decided on this step, else 1 (1 on truncation)."""
        ...

    @property
    def first(self) -> Array:
        """bool: first observation of a game; the action before it was thrown away."""
        ...

    @property
    def last(self) -> Array:
        """bool: decided or truncated here."""
        ...

    @property
    def episode_length(self) -> Array:
        """int32: actions of both seats so far."""
        ...


class TwoPlayerEnv(Protocol):
    """`num_envs` games with auto-reset, as pure functions of a state; one seat of each moves in every step.

    The step that ends a game returns its last observation, and the action of the step after it is thrown away, as in
    `jaxrl.envs.base`. Chance is drawn from keys inside the state.
    """

    @property
    def spec(self) -> EnvSpec:
        """What an agent in either seat must know."""
        ...

    @property
    def num_envs(self) -> int:
        """B."""
        ...

    def reset(self, key: Key) -> PyTree:
        """All games at their beginning."""
        ...

    def step(self, state: PyTree, action: jax.Array) -> PyTree:
        """One action int32 [B] of every game's seat to move; where a game had ended, a new one begins."""
        ...

    def timestep(self, state: PyTree) -> GameStep:
        """What the seats to move see."""
        ...


class TwoPlayerGame(Protocol):
    """A game as a part of a config (`jaxrl.config.registry`): what `env.name` names where two players meet."""

    @property
    def spec(self) -> EnvSpec:
        """What an agent in either seat must know."""
        ...

    @property
    def scripts(self) -> Mapping[str, Script]:
        """Players that need no training; they may be handed the whole state, and look only at what they may see."""
        ...

    def make_games(self, num_games: int) -> TwoPlayerEnv:
        """So many games side by side."""
        ...

    def watch(self, trajectory: Trajectory) -> Metrics:
        """What is to be watched in the columns [T, C] of an unroll beside what holds for every game."""
        ...


class Turn(NamedTuple):
    """A `GameStep` for games that have no record of their own; see there."""

    observation: PyTree
    legal: Array
    player: Array
    reward: Array
    discount: Array
    first: Array
    last: Array
    episode_length: Array


class OneGame(Protocol):
    """One game as pure functions; leaves without B."""

    @property
    def spec(self) -> EnvSpec:
        """What an agent in either seat must know."""
        ...

    def init(self, key: Key) -> PyTree:
        """A game at its beginning."""
        ...

    def step(self, state: PyTree, action: jax.Array, key: Key) -> PyTree:
        """The game after an action of the seat to move; what it makes of one that is over is thrown away."""
        ...

    def timestep(self, state: PyTree) -> GameStep:
        """What the seat to move sees."""
        ...


class Batch(NamedTuple):
    """All that a batch of games is; leaves of `state` [B, ...]."""

    state: PyTree
    key: Key


class BatchedGames:
    """`TwoPlayerEnv` over `num_envs` copies of a game."""

    def __init__(self, game: OneGame, num_envs: int):
        """Copies of `game`, started by `reset`."""
        self.game, self.num_envs, self.spec = game, num_envs, game.spec

    def reset(self, key: Key) -> Batch:
        """All games at their beginning."""
        key, start = jax.random.split(key)
        return Batch(jax.vmap(self.game.init)(jax.random.split(start, self.num_envs)), key)

    def step(self, state: Batch, action: jax.Array) -> Batch:
        """One action int32 [B] of every game's seat to move; where a game had ended, a new one begins."""
        key, now = jax.random.split(state.key)

        def step_one(over: Array, game: PyTree, action: jax.Array, key: Key) -> PyTree:
            step_key, start_key = jax.random.split(key)
            fresh, played = self.game.init(start_key), self.game.step(game, action, step_key)
            return jax.tree.map(partial(jnp.where, over), fresh, played)

        over = self.timestep(state).last
        keys = jax.random.split(now, self.num_envs)
        return Batch(jax.vmap(step_one)(over, state.state, action, keys), key)

    def timestep(self, state: Batch) -> GameStep:
        """What the seats to move see."""
        return jax.vmap(self.game.timestep)(state.state)
