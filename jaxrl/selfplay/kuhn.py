"""Kuhn poker: two players, three cards, one bet; small enough that a policy's exploitability is computed exactly.

Each pays 1 and is dealt one of three cards. Seat 0 passes or bets 1; the other passes or bets (calls); after a pass and
a bet seat 0 passes (folds) or calls. The higher card takes the pot unless one has folded. Seat 0 loses 1/18 on average
at every equilibrium (Kuhn 1950).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.selfplay.games import BatchedGames, Script, Turn
from jaxrl.types import Array, ArraySpec, EnvSpec, Key, Metrics, Trajectory

PASS, BET = 0, 1
NUM_CARDS, NUM_ACTIONS = 3, 2
# What the seat to move knows beside its card: nothing was done, a pass, a bet, a pass and a bet.
OPENING, AFTER_PASS, AFTER_BET, AFTER_PASS_BET = range(4)
NUM_NODES = 4
SEAT_OF_NODE = (0, 1, 1, 0)
DEALS = tuple(itertools.permutations(range(NUM_CARDS), 2))


class KuhnState(NamedTuple):
    cards: jax.Array  # int32 [2] by seat
    node: jax.Array  # int32 []: which of the four, also after the end
    reward: jax.Array  # float32 [2], of the last action
    last: jax.Array  # bool []
    length: jax.Array  # int32 []: actions so far


@dataclass(frozen=True)
class Kuhn:
    """`OneGame` with observation float32 [7]: the card and the node, one-hot."""

    @property
    def spec(self) -> EnvSpec:
        """All actions are legal always."""
        return EnvSpec(ArraySpec((NUM_CARDS + NUM_NODES,), "float32"), NUM_ACTIONS, frame_skip=1, masks_actions=True)

    @property
    def scripts(self) -> dict[str, Script]:
        """`calling` bets and calls always."""
        return {"calling": lambda games, part, moves, key: jnp.full_like(games.state.node[part], BET)}

    def make_games(self, num_games: int) -> BatchedGames:
        """So many games side by side."""
        return BatchedGames(self, num_games)

    def watch(self, trajectory: Trajectory) -> Metrics:
        """Nothing but what holds for every game."""
        return {}

    def init(self, key: Key) -> KuhnState:
        """Two of the three cards."""
        cards = jax.random.permutation(key, NUM_CARDS)[:2].astype(jnp.int32)
        zero = jnp.int32(0)
        return KuhnState(cards, zero, jnp.zeros(2, jnp.float32), jnp.bool_(False), zero)

    def step(self, state: KuhnState, action: jax.Array, key: Key) -> KuhnState:
        """Pass or bet; nothing is drawn."""
        bets, node = action == BET, state.node
        goes_on = (node == OPENING) | ((node == AFTER_PASS) & bets)
        following = jnp.where(node == OPENING, jnp.where(bets, AFTER_BET, AFTER_PASS), AFTER_PASS_BET)
        higher = jnp.where(state.cards[0] > state.cards[1], 1.0, -1.0)
        fold = jnp.where(node == AFTER_BET, 1.0, -1.0)  # for seat 0, where the seat to move does not call
        won = jnp.where(node == AFTER_PASS, higher, jnp.where(bets, 2 * higher, fold))
        reward = jnp.where(goes_on, 0.0, jnp.stack([won, -won]))
        return KuhnState(state.cards, jnp.where(goes_on, following, node), reward, ~goes_on, state.length + 1)

    def timestep(self, state: KuhnState) -> Turn:
        """What the seat to move sees."""
        player = jnp.asarray(SEAT_OF_NODE)[state.node]
        card, node = jax.nn.one_hot(state.cards[player], NUM_CARDS), jax.nn.one_hot(state.node, NUM_NODES)
        return Turn(
            observation=jnp.concatenate([card, node]),
            legal=jnp.ones(NUM_ACTIONS, bool),
            player=player,
            reward=state.reward,
            discount=1.0 - state.last.astype(jnp.float32),
            first=state.length == 0,
            last=state.last,
            episode_length=state.length,
        )


def all_observations() -> np.ndarray:
    """Every observation, float32 [3, 4, 7] by card and node."""
    cards, nodes = np.eye(NUM_CARDS, dtype=np.float32), np.eye(NUM_NODES, dtype=np.float32)
    return np.stack([[np.concatenate([card, node]) for node in nodes] for card in cards])


def expected_value(first: Array, second: Array) -> Array:
    """What seat 0 wins on average [...], from each seat's probabilities of BET [..., 3, 4]."""
    total = 0.0
    for own, other in DEALS:
        higher = 1.0 if own > other else -1.0
        opens, calls = first[..., own, OPENING], first[..., own, AFTER_PASS_BET]
        bets, answers = second[..., other, AFTER_PASS], second[..., other, AFTER_BET]
        after_bet = answers * 2 * higher + (1 - answers)
        after_pass = (1 - bets) * higher + bets * (calls * 2 * higher - (1 - calls))
        total = total + opens * after_bet + (1 - opens) * after_pass
    return total / len(DEALS)


def nash_conv(bet: np.ndarray) -> float:
    """What both seats together would gain by best responses to the policy with probabilities of BET [3, 4]; >= 0."""
    nodes = {seat: [node for node in range(NUM_NODES) if SEAT_OF_NODE[node] == seat] for seat in (0, 1)}
    gains = []
    for seat in (0, 1):
        pure = np.zeros((2 ** (NUM_CARDS * len(nodes[seat])), NUM_CARDS, NUM_NODES))
        choices = itertools.product((0.0, 1.0), repeat=NUM_CARDS * len(nodes[seat]))
        pure[..., nodes[seat]] = np.array(list(choices)).reshape(-1, NUM_CARDS, len(nodes[seat]))
        value = expected_value(pure, bet) if seat == 0 else -expected_value(bet, pure)
        gains.append(value.max())
    return float(sum(gains))
