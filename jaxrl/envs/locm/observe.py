"""What the player to move sees: features of both stages, and nothing that is hidden from him.

Hidden are the opponent's hand, deck and picks, the order of the own deck, the pool and the coming
triples of 1.2, and the cards the opponent has earned since the end of his own turn. A deck-stage
observation of 1.5 does not tell the seat either: the referee's input is the same for both.

Leaves are float32, slots first, features next, batch last: `hand` is `[8, CARD_FEATURES, *batch]`.
The stage that is not being played reads as zeros.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxrl.envs.locm.arrays import total
from jaxrl.envs.locm.battle import card_at
from jaxrl.envs.locm.cards import Cards, unpack
from jaxrl.envs.locm.deck_stage import deck_legal, deck_seat, offer, own_copies, picked
from jaxrl.envs.locm.legal import battle_legal
from jaxrl.envs.locm.state import DECK_SIZE, SIDES, State, Version, in_battle

CARD_FEATURES = 20
CREATURE_FEATURES = 10
DECK_SCALARS = ("picks_made", "opponent_picks_made")
BATTLE_SCALARS = (
    "seat",
    "own_turn",
    "mana",
    "bonus_mana",
    "health",
    "opponent_health",
    "max_mana",
    "opponent_max_mana",
    "deck_left",
    "opponent_deck_left",
    "runes",
    "opponent_runes",
    "cards_drawn",
    "next_draw",
    "opponent_next_draw",
    "opponent_hand_size",
)
# Features are divided by these, so that they are about 1.
COST_SCALE, STRENGTH_SCALE, EFFECT_SCALE = 12.0, 12.0, 3.0
SCALAR_SCALES = (1, 50, 12, 1, 30, 30, 12, 12, 30, 30, 5, 5, 3, 3, 3, 8)


class DeckObservation(NamedTuple):
    """The deck stage. C choices: 120 in 1.5, 3 in 1.2."""

    cards: Array  # [C, 20, *]
    copies: Array  # [C, *]: own copies so far (zeros in 1.2)
    picked: Array  # [30, 20, *]: own picks in order, zeros to come
    scalars: Array  # [2, *]: DECK_SCALARS


class BattleObservation(NamedTuple):
    """The battle."""

    scalars: Array  # [16, *]: BATTLE_SCALARS
    hand: Array  # [8, 20, *]
    board: Array  # [2, 2, 3, 10, *]: side (own first), lane, slot
    deck: Array  # [30, 20, *]: own cards not drawn yet, at the places of their picks
    opponent_actions: Array  # [16, *]: action numbers of his last turn, hand slots blanked, -1 none
    opponent_cards: Array  # [16, 20, *]: the cards he played or attacked with


class Observation(NamedTuple):
    """Both stages; `in_battle` float32 `[*]` says which one counts."""

    deck: DeckObservation
    battle: BattleObservation
    in_battle: Array


def card_features(cards: Cards, there: Array) -> Array:
    """Cards of fields `[N, *batch]` -> float32 `[N, 20, *batch]`, zeros where not `there`."""
    columns = [jnp.ones_like(cards.cost)]
    columns += [cards.type == kind for kind in range(4)]
    columns += [
        cards.cost / COST_SCALE,
        cards.attack / STRENGTH_SCALE,
        cards.defense / STRENGTH_SCALE,
    ]
    columns += [cards.keywords >> bit & 1 for bit in range(6)]
    columns += [x / EFFECT_SCALE for x in (cards.own_health, cards.opponent_health, cards.draw)]
    columns += [cards.area == area for area in range(3)]
    features = jnp.stack([column.astype(jnp.float32) for column in columns], axis=1)
    return jnp.where(there[:, None], features, 0.0)


def numbered_features(state: State, numbers: Array) -> Array:
    """Features of pool numbers `[N, *batch]`; -1 reads as zeros."""
    return card_features(card_at(state, numbers), numbers >= 0)


def observe_deck(state: State, version: Version) -> DeckObservation:
    """The deck stage as the choosing player sees it."""
    batch = state.winner.shape
    seat, made = deck_seat(state), state.deck_step >> 1
    if version.runes:
        cards = numbered_features(state, offer(state))
        copies = jnp.zeros((version.choices, *batch), jnp.float32)
        opponent_made = made + seat  # the referee's draft input differs by one between the seats
    else:
        everything = unpack(state.pool)
        cards = card_features(everything, jnp.ones_like(everything.cost, dtype=jnp.bool_))
        copies = own_copies(state).astype(jnp.float32)
        opponent_made = made
    scalars = jnp.stack([made, opponent_made]).astype(jnp.float32) / DECK_SIZE
    return DeckObservation(cards, copies, numbered_features(state, picked(state, seat)), scalars)


def observe_battle(state: State) -> BattleObservation:
    """The battle as the player to move sees it."""
    place = jnp.where(state.player == 0, state.place[0], state.place[1])
    own_deck = jnp.where(place >= state.drawn[0], picked(state, state.player), -1)
    health, max_mana, runes = state.health, state.max_mana, state.runes
    left = DECK_SIZE - state.drawn
    values = (
        state.player,
        state.turn >> 1,
        state.mana[0],
        state.bonus_mana[0],
        health[0],
        health[1],
        max_mana[0],
        max_mana[1],
        left[0],
        left[1],
        runes[0],
        runes[1],
        state.last_draw[0],
        state.next_draw[0],
        state.shown_draw[1],
        total(state.hand[1] >= 0),
    )
    scaled = [x.astype(jnp.float32) / scale for x, scale in zip(values, SCALAR_SCALES, strict=True)]
    return BattleObservation(
        scalars=jnp.stack(scaled),
        hand=numbered_features(state, state.hand[0]),
        board=board_features(state),
        deck=numbered_features(state, own_deck),
        opponent_actions=state.log_action[1].astype(jnp.float32),
        opponent_cards=numbered_features(state, state.log_card[1]),
    )


def board_features(state: State) -> Array:
    """Creatures as float32 `[2, 2, 3, 10, *batch]`: there, attack, defense, keywords, ready."""
    board = state.board
    columns = [board.card >= 0, board.attack / STRENGTH_SCALE, board.defense / STRENGTH_SCALE]
    columns += [board.keywords >> bit & 1 for bit in range(6)]
    columns += [board.ready]
    return jnp.stack([column.astype(jnp.float32) for column in columns], axis=SIDES + 1)


def observe(state: State, version: Version) -> Observation:
    """Everything the player to move may know, in both stages."""
    battle = in_battle(state)
    blank_deck, blank_battle = (
        lambda tree, shown=shown: jax.tree.map(lambda x: jnp.where(shown, x, 0.0), tree) for shown in (~battle, battle)
    )
    return Observation(
        deck=blank_deck(observe_deck(state, version)),
        battle=blank_battle(observe_battle(state)),
        in_battle=battle.astype(jnp.float32),
    )


def legal_actions(state: State, version: Version) -> Array:
    """bool `[145, *batch]`: the deck stage uses the first 120 (1.5) or 3 (1.2) entries."""
    battle = battle_legal(state)
    deck = deck_legal(state, version)
    rest = jnp.zeros((battle.shape[0] - version.choices, *battle.shape[1:]), jnp.bool_)
    return jnp.where(in_battle(state), battle, jnp.concatenate([deck, rest]))
