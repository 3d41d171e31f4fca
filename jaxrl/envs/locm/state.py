"""The state of one game, or of a whole batch of games, in arrays of fixed size.

Two conventions hold in every array:

* **Slots first, batch last.** `health` is `[2]` for one game and `[2, B]` for B games; the rules index
  only leading axes, so the same code plays one game, a batch, or a `vmap`. Games in the last axis sit
  next to each other in memory, which is what lets a processor play many of them with one instruction.
* **Sides, not seats.** In an array "by side" row 0 is the player to move and row 1 the other one;
  ending a turn swaps the rows. Arrays "by seat" (decks) keep seat 0, who starts, in row 0.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

SIDES, LANES, LANE_SLOTS, HAND_SLOTS, DECK_SIZE = 2, 2, 3, 8, 30
DECK_STEPS = SIDES * DECK_SIZE
START_HEALTH, MAX_MANA, TURN_LIMIT, EMPTY_DECK_DAMAGE = 30, 12, 50, 10
LOG_SLOTS = 16
UNFINISHED = -1


class Version(NamedTuple):
    """What differs between the two published versions of the game."""

    name: str
    runes: bool  # runes and draft (1.2), or damage-for-cards and construction (1.5)
    pool_size: int  # cards a game is built from
    choices: int  # actions of the deck stage


V12 = Version("1.2", runes=True, pool_size=60, choices=3)
V15 = Version("1.5", runes=False, pool_size=120, choices=120)
VERSIONS = {version.name: version for version in (V12, V15)}


class Board(NamedTuple):
    """Creatures by side, lane and slot: `[2, 2, 3, *batch]`; slots fill from the left.

    An empty slot has card -1 and zeros elsewhere.
    """

    card: Array  # int16: 2 * pool number, + 1 for the copy an area summon made
    attack: Array  # int16
    defense: Array  # int16
    keywords: Array  # int16 bit set
    ready: Array  # bool: may attack now (the referee's canAttack)
    attacked: Array  # bool: has attacked in this turn


class State(NamedTuple):
    """One game (or a batch of them). All chance is drawn at the start: play is deterministic."""

    # The game's cards and the deck stage.
    pool: Array  # int32 [2, P, *]: packed cards the game is built from
    offers: Array  # int16 [30, 3, *] in 1.2: pool numbers of each pick's triple; [0, 3, *] in 1.5
    copies: Array  # int16 [2, P, *] by seat in 1.5: chosen copies of each card; [2, 0, *] in 1.2
    place: Array  # int16 [2, 30, *] by seat: place[i] is where in the deck the i-th pick goes
    deck: Array  # int16 [2, 30, *] by seat: pool numbers from the top; -1 not chosen yet
    deck_step: Array  # int16 [*]: picks made by both together; 60 once the battle has begun
    # The battle, by side.
    health: Array  # int16 [2, *]
    mana: Array  # int16 [2, *]
    max_mana: Array  # int16 [2, *]
    bonus_mana: Array  # bool [2, *]: the second player's extra mana, not lost yet
    next_draw: Array  # int16 [2, *]: cards at the start of this side's next turn
    shown_draw: Array  # int16 [2, *]: next_draw as it stood at the end of this side's last turn
    last_draw: Array  # int16 [2, *]: cards this side drew at the start of its last turn
    health_lost: Array  # int16 [2, *]: since the start of this side's last turn (1.5)
    runes: Array  # int16 [2, *]: runes left, standing at 5, 10, .. 5 * runes (1.2)
    drawn: Array  # int16 [2, *]: cards taken from the deck
    hand: Array  # int16 [2, 8, *]: pool numbers in draw order, -1 empty
    board: Board
    log_action: Array  # int16 [2, 16, *]: actions of this side's present or last turn, -1 none
    log_card: Array  # int16 [2, 16, *]: pool number of the card played or attacking, -1 none
    # The game.
    player: Array  # int16 [*]: seat of side 0
    turn: Array  # int16 [*]: turns begun, both players together; -1 in the deck stage
    winner: Array  # int16 [*]: seat, or -1


def empty_state(pool: Array, version: Version) -> State:
    """A game before its first pick, with an unshuffled `place`; pool `[2, P, *batch]`."""
    batch = pool.shape[2:]

    def full(shape: tuple[int, ...], value: int = 0, dtype=jnp.int16) -> Array:
        return jnp.full(shape + batch, value, dtype)

    slots = (SIDES, LANES, LANE_SLOTS)
    order = jnp.arange(DECK_SIZE, dtype=jnp.int16).reshape((1, DECK_SIZE) + (1,) * len(batch))
    return State(
        pool=pool,
        offers=full((DECK_SIZE if version.runes else 0, 3)),
        copies=full((SIDES, 0 if version.runes else pool.shape[1])),
        place=jnp.broadcast_to(order, (SIDES, DECK_SIZE, *batch)),
        deck=full((SIDES, DECK_SIZE), -1),
        deck_step=full(()),
        health=full((SIDES,), START_HEALTH),
        mana=full((SIDES,)),
        max_mana=full((SIDES,)),
        bonus_mana=full((SIDES,), False, jnp.bool_),
        next_draw=full((SIDES,), 1),
        shown_draw=full((SIDES,), 1),
        last_draw=full((SIDES,)),
        health_lost=full((SIDES,)),
        runes=full((SIDES,), 5 if version.runes else 0),
        drawn=full((SIDES,)),
        hand=full((SIDES, HAND_SLOTS), -1),
        board=Board(
            card=full(slots, -1),
            attack=full(slots),
            defense=full(slots),
            keywords=full(slots),
            ready=full(slots, False, jnp.bool_),
            attacked=full(slots, False, jnp.bool_),
        ),
        log_action=full((SIDES, LOG_SLOTS), -1),
        log_card=full((SIDES, LOG_SLOTS), -1),
        player=full(()),
        turn=full((), -1),
        winner=full((), UNFINISHED),
    )


def finished(state: State) -> Array:
    """bool [*batch]: somebody has won."""
    return state.winner >= 0


def in_battle(state: State) -> Array:
    """bool [*batch]: both decks are complete."""
    return state.deck_step >= DECK_STEPS
