"""The card game as two seats see it: `LocmBatch` with an observation made for the `cards` network.

It is a `jaxrl.selfplay.games.TwoPlayerEnv`. What is hidden from the seat to move stays hidden (`envs.locm.observe`).
A trajectory keeps many observations: cards stay packed (`policy.words.word_features` reads them), and other numbers are
float16, in which every feature is exact to a thousandth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.envs.locm.battle import words_at
from jaxrl.envs.locm.cards import Cards
from jaxrl.envs.locm.deck_stage import offer, picked
from jaxrl.envs.locm.env import MAX_BATTLE_STEPS, BatchState, GameStep, Locm, LocmBatch
from jaxrl.envs.locm.observe import (
    BATTLE_SCALARS,
    CREATURE_FEATURES,
    DECK_SCALARS,
    observe_battle,
    observe_deck,
)
from jaxrl.envs.locm.state import DECK_SIZE, HAND_SLOTS, LANE_SLOTS, LANES, SIDES, V15, State, Version, in_battle

if TYPE_CHECKING:  # a bot starts in less time without the rest of what it imports
    from jaxrl.types import Array, Key

SCALARS = len(DECK_SCALARS) + len(BATTLE_SCALARS)
WORDS = 2  # of a packed card
DTYPE = jnp.float16


class CardView(NamedTuple):
    """Both stages for the seat to move; leaves [..., X]. The stage that is not played reads as zeros.

    Cards are int32 [..., 2] as `cards.pack` makes them, zeros where there is none; the rest is float16.
    """

    cards: Array  # [C, 2]: the choices of the deck stage: in 1.5 the game's 120, the same at every pick; in 1.2 three
    copies: Array  # [C]: own copies of them so far
    picks: Array  # [30, 2]: own picks in order, in both stages; zeros to come
    left: Array  # [30]: 1 where that pick is still in the own deck, in the battle
    hand: Array  # [8, 2]
    board: Array  # [2, 2, 3, 10]: side (own first), lane, slot
    scalars: Array  # [18]: DECK_SCALARS, BATTLE_SCALARS
    in_battle: Array  # []: 1 or 0


def view_shapes(version: Version = V15) -> CardView:
    """Shape and dtype of each leaf for one game."""

    def of(dtype: Any, *shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype)

    return CardView(
        cards=of(jnp.int32, version.choices, WORDS),
        copies=of(DTYPE, version.choices),
        picks=of(jnp.int32, DECK_SIZE, WORDS),
        left=of(DTYPE, DECK_SIZE),
        hand=of(jnp.int32, HAND_SLOTS, WORDS),
        board=of(DTYPE, SIDES, LANES, LANE_SLOTS, CREATURE_FEATURES),
        scalars=of(DTYPE, SCALARS),
        in_battle=of(DTYPE),
    )


def view(state: State, version: Version) -> CardView:
    """What the seat to move sees of games [*batch]; leaves [X, *batch]."""
    battle = in_battle(state)
    deck, fight = observe_deck(state, version), observe_battle(state)
    place = jnp.where(state.player == 0, state.place[0], state.place[1])

    def words(numbers: Array) -> jax.Array:
        """Packed cards of pool numbers [N, *batch] -> [N, 2, *batch]."""
        return jnp.where(numbers[:, None] >= 0, words_at(state, numbers).swapaxes(0, 1), 0)

    choices = words(offer(state)) if version.runes else state.pool.swapaxes(0, 1)
    return CardView(
        cards=jnp.where(battle, 0, choices),
        copies=jnp.where(battle, 0, deck.copies).astype(DTYPE),
        picks=words(picked(state, state.player)),
        left=jnp.where(battle, place >= state.drawn[0], False).astype(DTYPE),
        hand=jnp.where(battle, words(state.hand[0]), 0),
        board=jnp.where(battle, fight.board, 0).astype(DTYPE),
        scalars=jnp.concatenate([jnp.where(battle, 0, deck.scalars), jnp.where(battle, fight.scalars, 0)]).astype(
            DTYPE
        ),
        in_battle=battle.astype(DTYPE),
    )


class CardTable:
    """`num_envs` games with auto-reset."""

    def __init__(
        self,
        num_envs: int,
        version: Version = V15,
        card_list: Cards | None = None,
        max_battle_steps: int = MAX_BATTLE_STEPS,
    ):
        """Version 1.2 needs a card list (`load_card_list`)."""
        self.games = LocmBatch(Locm(version, card_list, max_battle_steps), num_envs)
        self.num_envs = num_envs

    def reset(self, key: Key) -> BatchState:
        """All games before their first pick."""
        return self.games.reset(key)

    def step(self, state: BatchState, action: Array) -> BatchState:
        """One action int32 [B] of every game's seat to move; where a game had ended, a new one begins."""
        return self.games.step(state, action)

    def timestep(self, state: BatchState) -> GameStep:
        """What the seats to move see; leaves [B, ...], and `observation` a `CardView`."""
        env, game = self.games.env, state.episode.game
        step = env.timestep(state.episode)._replace(observation=view(game, env.version))  # pyright: ignore[reportArgumentType]
        return jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), step)
