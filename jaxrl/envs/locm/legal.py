"""Legal actions of the battle, as the mask over the 145 action numbers (`actions.py`)."""

import jax.numpy as jnp
from jax import Array

from jaxrl.envs.locm.arrays import present
from jaxrl.envs.locm.battle import card_at
from jaxrl.envs.locm.cards import BLUE, CREATURE, GREEN, GUARD, RED
from jaxrl.envs.locm.state import LANE_SLOTS, State, finished, in_battle


def battle_legal(state: State) -> Array:
    """bool `[145, *batch]` for the player to move. PASS is legal always, also when all is over.

    Written from the list of legal actions, not from the rules: the two are tested against each other.
    """
    batch = state.winner.shape
    going = in_battle(state) & ~finished(state)
    there = present(state.board)
    own, enemy = there[0], there[1]  # [2, 3, *]
    cards = card_at(state, state.hand[0])
    playable = going & (state.hand[0] >= 0) & (cards.cost <= state.mana[0])  # [8, *]

    room = ~own[:, LANE_SLOTS - 1]  # lanes fill from the left
    summons = (playable & (cards.type == CREATURE))[:, None] & room[None]
    on_own = (playable & (cards.type == GREEN))[:, None] & own.reshape((6, *batch))[None]
    harmful = playable & ((cards.type == RED) | (cards.type == BLUE))
    on_enemy = harmful[:, None] & enemy.reshape((6, *batch))[None]
    on_face = (playable & (cards.type == BLUE))[:, None]
    uses = jnp.concatenate([on_face, on_own, on_enemy], axis=1)

    guards = enemy & ((state.board.keywords[1] & GUARD) != 0)
    guarded = guards.any(1, keepdims=True)
    targets = jnp.concatenate([~guarded, jnp.where(guarded, guards, enemy)], axis=1)  # [2, 4, *]
    attacks = (going & own & state.board.ready[0])[:, :, None] & targets[:, None]
    return jnp.concatenate(
        [
            jnp.ones((1, *batch), jnp.bool_),
            summons.reshape((16, *batch)),
            uses.reshape((104, *batch)),
            attacks.reshape((24, *batch)),
        ]
    )
