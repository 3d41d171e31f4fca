"""A two-player game that shows its own solution: what the seat to move sees holds its true value.

Each turn of a seat draws a value `V` for it. The rewards make the values true: between an action and the seat's next
turn it gets, in parts that add up, `V - discount_factor * discount * V'`. Turns go in runs of random length, so that
seats alternate as they do in a card game, and games end at random: decided, or cut off. Values are quarters and the
discount factor is a power of two, so that float32 makes no error and a loss of exactly 0 may be asked for.

With `known_result` the value is the result of the game, +1 or -1, known from the first observation; the discount factor
must then be 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.selfplay.games import Turn
from jaxrl.types import Array, ArraySpec, EnvSpec, Key

POISON = 64.0


def read_value(observation: Array) -> Array:
    """[..., 3] -> [...]: V."""
    return observation[..., 0]


class OracleState(NamedTuple):
    value: jax.Array  # float32 [2]: of each seat's newest turn
    owed: jax.Array  # float32 [2]: of its reward, what is still to be paid
    moved: jax.Array  # bool [2]: the seat has an action that waits for its outcome
    player: jax.Array
    reward: jax.Array
    decided: jax.Array
    last: jax.Array
    length: jax.Array
    result: jax.Array  # float32 []: of seat 0


@dataclass(frozen=True)
class OracleGame:
    """See above; observation float32 [3] = (V of the seat to move, its number, actions in the game so far).

    With `poisoned` seat 1 sees NaN.
    """

    discount_factor: float = 0.5
    known_result: bool = False
    poisoned: bool = False
    end_probability: float = 0.1
    switch_probability: float = 0.6
    num_actions: int = 3

    @property
    def spec(self) -> EnvSpec:
        return make_spec(3, self.num_actions)

    def init(self, key: Key) -> OracleState:
        player_key, value_key, result_key = jax.random.split(key, 3)
        player = jax.random.bernoulli(player_key).astype(jnp.int32)
        result = jnp.where(jax.random.bernoulli(result_key), 1.0, -1.0)
        value = self._value(value_key, result, jnp.arange(2))
        no = jnp.zeros(2, bool)
        zero = jnp.zeros(2, jnp.float32)
        return OracleState(value, zero, no, player, zero, no[0], no[0], jnp.int32(0), result)

    def step(self, state: OracleState, action: jax.Array, key: Key) -> OracleState:
        switch_key, value_key, end_key, kind_key, part_key = jax.random.split(key, 5)
        moved = state.moved | (jnp.arange(2) == state.player)
        switch = jax.random.bernoulli(switch_key, self.switch_probability)
        player = jnp.where(switch, 1 - state.player, state.player)
        ended = jax.random.bernoulli(end_key, self.end_probability)
        decided = ended & (self.known_result | jax.random.bernoulli(kind_key))
        own = jnp.arange(2) == player
        value = jnp.where(own, self._value(value_key, state.result, jnp.arange(2)), state.value)
        # Whoever sees a new state, or the end, is paid what is left: V less what was paid, less the bootstrap.
        bootstrap = jnp.where(decided, 0.0, self.discount_factor * value)
        due = jnp.where(moved, state.value + state.owed, 0.0)
        pay = moved & (own | decided)
        part = jax.random.randint(part_key, (2,), -4, 5) / 4.0 * (not self.known_result)
        part = jnp.where(moved & ~pay, part, 0.0)
        reward = jnp.where(pay, due - bootstrap, part)
        owed = jnp.where(pay, 0.0, state.owed - part)
        shown = jnp.where(decided, POISON, value)
        return OracleState(shown, owed, moved, player, reward, decided, ended, state.length + 1, state.result)

    def timestep(self, state: OracleState) -> Turn:
        seat = state.player.astype(jnp.float32)
        observation = jnp.stack([state.value[state.player], seat, state.length.astype(jnp.float32)])
        return Turn(
            observation=jnp.where(self.poisoned & (state.player == 1), jnp.nan, observation),
            legal=jnp.ones(self.num_actions, bool),
            player=state.player,
            reward=state.reward,
            discount=1.0 - state.decided.astype(jnp.float32),
            first=state.length == 0,
            last=state.last,
            episode_length=state.length,
        )

    def _value(self, key: Key, result: jax.Array, seat: jax.Array) -> jax.Array:
        """float32 [2] by seat."""
        if self.known_result:
            return jnp.where(seat == 0, result, -result)
        return jax.random.randint(key, (2,), -8, 9) / 4.0


def make_spec(size: int, num_actions: int) -> EnvSpec:
    """Of an observation float32 [size] with masked actions."""
    return EnvSpec(ArraySpec((size,), "float32"), num_actions, frame_skip=1, masks_actions=True)
