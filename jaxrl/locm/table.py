"""The card game as two seats see it: `LocmBatch` with an observation made for the `cards` network.

It is a `jaxrl.selfplay.games.TwoPlayerEnv`. What is hidden from the seat to move stays hidden (`envs.locm.observe`);
numbers are float16, in which every feature is exact to a thousandth, because a trajectory keeps many of them.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.envs.locm.cards import Cards
from jaxrl.envs.locm.deck_stage import picked
from jaxrl.envs.locm.env import MAX_BATTLE_STEPS, BatchState, GameStep, Locm, LocmBatch
from jaxrl.envs.locm.observe import (
    BATTLE_SCALARS,
    CARD_FEATURES,
    CREATURE_FEATURES,
    DECK_SCALARS,
    numbered_features,
    observe_battle,
    observe_deck,
)
from jaxrl.envs.locm.state import DECK_SIZE, HAND_SLOTS, LANE_SLOTS, LANES, SIDES, V15, State, Version, in_battle
from jaxrl.types import Array, Key

SCALARS = len(DECK_SCALARS) + len(BATTLE_SCALARS)
DTYPE = jnp.float16


class CardView(NamedTuple):
    """Both stages for the seat to move; leaves [..., X], float16. The stage that is not played reads as zeros."""

    cards: Array  # [C, 20]: the choices of the deck stage, 120 in 1.5 and 3 in 1.2
    copies: Array  # [C]: own copies of them so far
    picks: Array  # [30, 20]: own picks in order, in both stages; zeros to come
    left: Array  # [30]: 1 where that pick is still in the own deck, in the battle
    hand: Array  # [8, 20]
    board: Array  # [2, 2, 3, 10]: side (own first), lane, slot
    scalars: Array  # [18]: DECK_SCALARS, BATTLE_SCALARS
    in_battle: Array  # []: 1 or 0


def view_shapes(version: Version = V15) -> CardView:
    """Shape and dtype of each leaf for one game."""
    shapes = CardView(
        cards=(version.choices, CARD_FEATURES),
        copies=(version.choices,),
        picks=(DECK_SIZE, CARD_FEATURES),
        left=(DECK_SIZE,),
        hand=(HAND_SLOTS, CARD_FEATURES),
        board=(SIDES, LANES, LANE_SLOTS, CREATURE_FEATURES),
        scalars=(SCALARS,),
        in_battle=(),
    )
    return CardView(*(jax.ShapeDtypeStruct(shape, DTYPE) for shape in shapes))


def view(state: State, version: Version) -> CardView:
    """What the seat to move sees of games [*batch]; leaves [X, *batch]."""
    battle = in_battle(state)
    deck, fight = observe_deck(state, version), observe_battle(state)
    place = jnp.where(state.player == 0, state.place[0], state.place[1])
    seen = CardView(
        cards=jnp.where(battle, 0, deck.cards),
        copies=jnp.where(battle, 0, deck.copies),
        picks=numbered_features(state, picked(state, state.player)),
        left=jnp.where(battle, place >= state.drawn[0], False),
        hand=jnp.where(battle, fight.hand, 0),
        board=jnp.where(battle, fight.board, 0),
        scalars=jnp.concatenate([jnp.where(battle, 0, deck.scalars), jnp.where(battle, fight.scalars, 0)]),
        in_battle=battle,
    )
    return jax.tree.map(lambda x: x.astype(DTYPE), seen)


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
