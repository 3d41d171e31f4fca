"""The deck stage: construction (1.5) and draft (1.2), and how it leads into the battle.

The players choose at the same time and hidden from each other. Here they take turns, seat 0 first,
30 picks each; neither observation tells what the other has chosen.
"""

import jax.numpy as jnp
from jax import Array

from jaxrl.envs.locm.arrays import both, iota, select, take, total
from jaxrl.envs.locm.state import DECK_SIZE, DECK_STEPS, State, Version, in_battle

MAX_COPIES = 2
FIRST_HAND = (4, 5)  # the second player draws one card more


def deck_seat(state: State) -> Array:
    """The seat whose pick it is, int16 `[*batch]`."""
    return state.deck_step & 1


def own_copies(state: State) -> Array:
    """How often the choosing player has taken each card of the pool (1.5), int16 `[P, *batch]`."""
    return jnp.where(deck_seat(state) == 0, state.copies[0], state.copies[1])


def offer(state: State) -> Array:
    """The three cards on offer (1.2): pool numbers int16 `[3, *batch]`."""
    index = jnp.minimum(state.deck_step >> 1, DECK_SIZE - 1)
    here = iota(DECK_SIZE, index) == index
    return total(jnp.where(here[:, None], state.offers, 0))


def deck_legal(state: State, version: Version) -> Array:
    """bool `[120 or 3, *batch]`: the choices of the deck stage; meaningful before the battle only."""
    if version.runes:
        return jnp.ones((version.choices, *state.winner.shape), jnp.bool_)
    return own_copies(state) < MAX_COPIES


def pick(state: State, choice: Array, version: Version) -> State:
    """Choose a card of the pool (1.5) or of the triple on offer (1.2) `[*batch]`.

    A choice that is not legal is the referee's PASS: the first card still available. The last pick
    begins the battle; games whose battle has begun do not change.
    """
    choosing = ~in_battle(state)
    choice = jnp.asarray(choice).astype(jnp.int16)
    seat, index = deck_seat(state), jnp.minimum(state.deck_step >> 1, DECK_SIZE - 1)
    if version.runes:
        choice = jnp.where((choice < 0) | (choice >= version.choices), 0, choice)
        card = total(jnp.where(iota(version.choices, choice) == choice, offer(state), 0))
    else:
        open_ = own_copies(state) < MAX_COPIES
        cards = iota(version.pool_size, choice)
        possible = (open_ & (cards == choice)).any(0)
        first = jnp.min(jnp.where(open_, cards, version.pool_size), axis=0).astype(jnp.int16)
        card = jnp.where(possible, choice, first)
    chosen = iota(2, seat) == seat
    here = chosen[:, None] & (iota(DECK_SIZE, index) == index)
    place = total(jnp.where(here, state.place, 0), (0, 1))
    to_deck = choosing & chosen[:, None] & (iota(DECK_SIZE, place) == place)
    state = state._replace(
        deck=jnp.where(to_deck, card, state.deck),
        deck_step=state.deck_step + choosing.astype(jnp.int16),
        player=jnp.where(choosing, 1 - seat, state.player),
    )
    if not version.runes:
        taken = choosing & chosen[:, None] & (iota(version.pool_size, card) == card)
        state = state._replace(copies=state.copies + taken.astype(jnp.int16))
    return select(choosing & in_battle(state), start_battle(state), state)


def start_battle(state: State) -> State:
    """Deal the first hands from complete decks; seat 0 begins its first turn.

    This is the referee's set-up (4 and 5 cards, mana 0 and 1, one bonus mana for the second player)
    followed by its first `AdvanceState`, which gives seat 0 one mana and its fifth card.
    """
    one, zero = jnp.ones_like(state.player), jnp.zeros_like(state.player)
    dealt = FIRST_HAND[1]
    hand = jnp.concatenate([state.deck[:, :dealt], jnp.full_like(state.deck[:, :3], -1)], axis=1)
    return state._replace(
        deck_step=jnp.full_like(state.deck_step, DECK_STEPS),
        mana=both(one, one),
        max_mana=both(one, one),
        bonus_mana=both(zero, one) > 0,
        last_draw=both(one, zero),
        drawn=jnp.full_like(state.drawn, dealt),
        hand=hand,
        player=zero,
        turn=zero,
    )


def with_decks(state: State, decks: Array) -> State:
    """A game in its battle, with decks int16 `[2, 30, *batch]` by seat, top card first."""
    return start_battle(state._replace(deck=decks))


def picked(state: State, seat: Array) -> Array:
    """A seat's picks in the order they were made, pool numbers int16 `[30, *batch]`, -1 to come."""
    deck = jnp.where(seat == 0, state.deck[0], state.deck[1])
    place = jnp.where(seat == 0, state.place[0], state.place[1])
    return take(deck, place.astype(jnp.int32))
