"""Two-step matching pennies: seats move one after the other and unseen, twice, and what was shown first is known then.

In both rounds seat 0 lays heads or tails, then seat 1, who does not see it; both are shown after the round. Seat 0 wins
a round where the coins are alike, and the rounds are worth 1 and 2. At the one equilibrium everybody lays heads half of
the time, whatever was shown: the rounds are separate zero-sum games, and nothing that is known of the first helps in
the second. So a seat that is favoured, a secret that leaks, or a result that is booked on the wrong row shows as a
policy that can be exploited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.selfplay.games import BatchedGames, Script, Turn
from jaxrl.types import Array, ArraySpec, EnvSpec, Key, Metrics, Trajectory

HEADS, TAILS = 0, 1
NUM_ACTIONS, NUM_SEATS = 2, 2
ROUNDS = (1.0, 2.0)  # what each is worth
# What a seat knows beside who it is: nothing yet, or which pair of coins was shown first.
NUM_SIGHTS = 1 + NUM_ACTIONS**2


class PenniesState(NamedTuple):
    coins: jax.Array  # int32 [4]: in the order in which they were laid; those to come are 0
    length: jax.Array  # int32 []: coins laid
    reward: jax.Array  # float32 [2], of the last action


@dataclass(frozen=True)
class Pennies:
    """`OneGame` with observation float32 [7]: the seat and what it knows, one-hot."""

    @property
    def spec(self) -> EnvSpec:
        """All actions are legal always."""
        shape = (NUM_SEATS + NUM_SIGHTS,)
        return EnvSpec(ArraySpec(shape, "float32"), NUM_ACTIONS, frame_skip=1, masks_actions=True)

    @property
    def scripts(self) -> dict[str, Script]:
        """`heads` lays heads always."""
        return {"heads": lambda games, part, moves, key: jnp.full_like(games.state.length[part], HEADS)}

    def make_games(self, num_games: int) -> BatchedGames:
        """So many games side by side."""
        return BatchedGames(self, num_games)

    def watch(self, trajectory: Trajectory) -> Metrics:
        """Nothing but what holds for every game."""
        return {}

    def init(self, key: Key) -> PenniesState:
        """No coin is laid."""
        return PenniesState(jnp.zeros(4, jnp.int32), jnp.int32(0), jnp.zeros(2, jnp.float32))

    def step(self, state: PenniesState, action: jax.Array, key: Key) -> PenniesState:
        """Lay a coin; nothing is drawn."""
        coins = jnp.where(jnp.arange(4) == state.length, action, state.coins)
        shown = state.length % 2 == 1
        alike = coins[state.length] == coins[state.length - 1]
        worth = jnp.asarray(ROUNDS)[jnp.minimum(state.length // 2, 1)]
        won = jnp.where(shown, jnp.where(alike, worth, -worth), 0.0)
        return PenniesState(coins, state.length + 1, jnp.stack([won, -won]))

    def timestep(self, state: PenniesState) -> Turn:
        """What the seat to move sees."""
        player, last = state.length % 2, state.length == 4
        sight = jnp.where(state.length < 2, 0, 1 + 2 * state.coins[0] + state.coins[1])
        return Turn(
            observation=jnp.concatenate([jax.nn.one_hot(player, NUM_SEATS), jax.nn.one_hot(sight, NUM_SIGHTS)]),
            legal=jnp.ones(NUM_ACTIONS, bool),
            player=player,
            reward=state.reward,
            discount=1.0 - last.astype(jnp.float32),
            first=state.length == 0,
            last=last,
            episode_length=state.length,
        )


def all_observations() -> np.ndarray:
    """Every observation, float32 [2, 5, 7] by seat and what it knows."""
    seats, sights = np.eye(NUM_SEATS, dtype=np.float32), np.eye(NUM_SIGHTS, dtype=np.float32)
    return np.stack([[np.concatenate([seat, sight]) for sight in sights] for seat in seats])


def expected_value(first: Array, second: Array) -> Array:
    """What seat 0 wins on average [...], from each seat's probabilities of HEADS [..., 2, 5]."""

    def alike(mine: Array, other: Array) -> Array:
        return 2 * (mine * other + (1 - mine) * (1 - other)) - 1

    own, other = first[..., 0, :], second[..., 1, :]
    total = ROUNDS[0] * alike(own[..., 0], other[..., 0])
    for pair in range(NUM_ACTIONS**2):
        mine = own[..., 0] if pair // 2 == HEADS else 1 - own[..., 0]
        his = other[..., 0] if pair % 2 == HEADS else 1 - other[..., 0]
        total = total + ROUNDS[1] * mine * his * alike(own[..., 1 + pair], other[..., 1 + pair])
    return total


def nash_conv(heads: np.ndarray) -> float:
    """What both seats together would gain by best responses to the policy with HEADS [2, 5]; >= 0."""
    pure = np.zeros((2**NUM_SIGHTS, NUM_SEATS, NUM_SIGHTS))
    pure[:] = (np.arange(2**NUM_SIGHTS)[:, None] >> np.arange(NUM_SIGHTS) & 1)[:, None]
    return float(expected_value(pure, heads).max() - expected_value(heads, pure).min())
