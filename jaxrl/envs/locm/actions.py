"""The battle's 145 discrete actions: numbering, decoding, and names.

The numbering is the one of gym-locm, ByteRL and most published entries:

    0                       PASS: end the turn
    1 + 2 h + lane          SUMMON the card in hand slot h to a lane
    17 + 13 h + t           USE the item in hand slot h; t = 0 the opponent's face, 1..12 a creature
    121 + 4 c + t           ATTACK with own creature c = 3 lane + slot; t = 0 the face, 1..3 the enemy
                            in that slot of the same lane

A creature target t of USE is 1 + its place in the flattened board `[2, 2, 3]`, own side first.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

PASS = 0
SUMMON_START = 1
USE_START = 17
ATTACK_START = 121
NUM_BATTLE_ACTIONS = 145
USE_TARGETS = 13  # the face and twelve creatures
ATTACK_TARGETS = 4  # the face and three enemies


class Move(NamedTuple):
    """A decoded action. Fields are int16 or bool `[*batch]`; those of other kinds hold anything."""

    ends_turn: Array
    summons: Array
    uses: Array
    attacks: Array
    hand_slot: Array  # of SUMMON and USE
    lane: Array  # of SUMMON
    use_target: Array  # -1 the face, else the flattened place of a creature, 0..11
    attacker: Array  # flattened place of the attacking creature, 0..5
    attack_target: Array  # -1 the face, else the flattened place of the defender, 6..11


def decode(action: Array) -> Move:
    """Action numbers of any integer type `[*batch]` -> Move."""
    a = jnp.asarray(action).astype(jnp.int16)
    summons = (a >= SUMMON_START) & (a < USE_START)
    uses = (a >= USE_START) & (a < ATTACK_START)
    # lax.div: the operands are never negative where the quotient is used, and jnp's floor division
    # would pay for the sign.
    use = jnp.maximum(a - USE_START, 0)
    use_slot = lax.div(use, jnp.full_like(use, USE_TARGETS))
    attack = jnp.maximum(a - ATTACK_START, 0)
    attacker, target = attack >> 2, attack & 3
    enemy = 6 + jnp.where(attacker >= 3, 3, 0).astype(jnp.int16) + target - 1
    return Move(
        ends_turn=a == PASS,
        summons=summons,
        uses=uses,
        attacks=a >= ATTACK_START,
        hand_slot=jnp.where(summons, a - SUMMON_START >> 1, use_slot),
        lane=a - SUMMON_START & 1,
        use_target=use - USE_TARGETS * use_slot - 1,
        attacker=attacker,
        attack_target=jnp.where(target == 0, -1, enemy),
    )


def summon_action(hand_slot: int, lane: int) -> int:
    """The number of SUMMON."""
    return SUMMON_START + 2 * hand_slot + lane


def use_action(hand_slot: int, target: int) -> int:
    """The number of USE; target -1 is the face, else a flattened place of the board, 0..11."""
    return USE_START + USE_TARGETS * hand_slot + target + 1


def attack_action(lane: int, slot: int, target: int) -> int:
    """The number of ATTACK; target -1 is the face, else the enemy's slot in the lane, 0..2."""
    return ATTACK_START + ATTACK_TARGETS * (3 * lane + slot) + target + 1
