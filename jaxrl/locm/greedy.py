"""The greedy player: a hand-made value of cards and of boards, and the best single action."""

import jax.numpy as jnp
from jax import Array

from jaxrl.envs.locm.arrays import highest, present, take, total
from jaxrl.envs.locm.cards import (
    BLUE,
    BREAKTHROUGH,
    CHARGE,
    CREATURE,
    DRAIN,
    GREEN,
    GUARD,
    LETHAL,
    RED,
    WARD,
    Cards,
    unpack,
)
from jaxrl.envs.locm.deck_stage import deck_legal, deck_seat, offer, own_copies
from jaxrl.envs.locm.state import State, Version
from jaxrl.locm.lookahead import best_action

# How many cards of each cost group (0-2, 3-4, 5-6, 7-8, 9-12) a deck should hold at most before more
# of them lose value, and what each card beyond loses.
CURVE = ((2, 12), (4, 9), (6, 6), (8, 3), (12, 2))
CROWDING = 1.5


def skill_worth(keywords: Array, attack: Array, defense: Array) -> Array:
    """What the keywords of a creature with this attack and defense are worth, in points of stats."""

    def has(bit: int) -> Array:
        return ((keywords & bit) != 0).astype(jnp.float32)

    worth = has(BREAKTHROUGH) * 0.3 + has(CHARGE) * 0.2 * attack + has(DRAIN) * 0.35 * attack
    worth = worth + has(GUARD) * (0.5 + 0.2 * defense)
    return worth + has(LETHAL) * 3.0 + has(WARD) * (0.5 + 0.6 * attack)


def card_worth(cards: Cards) -> Array:
    """What a card adds to a deck, float32: its points of stats and effects less what its cost should buy."""
    attack, defense = (x.astype(jnp.float32) for x in (cards.attack, cards.defense))
    effects = 2.5 * cards.draw + 0.4 * cards.own_health - 0.6 * cards.opponent_health
    skills = skill_worth(cards.keywords, jnp.abs(attack), jnp.abs(defense))
    body = attack + defense + skills
    creature = jnp.where(cards.area == 0, 1.0, 1.9) * (body + effects)
    spread = jnp.where(cards.area == 0, 1.0, jnp.where(cards.area == 1, 1.4, 1.8))
    helping = spread * (0.9 * body + 0.8 * effects)
    harming = spread * (jnp.minimum(-defense, 9.0) + 0.4 * jnp.minimum(-attack, 6.0) + 0.8 * effects)
    burning = 0.9 * jnp.minimum(-defense, 9.0) + 0.8 * effects
    by_type = (
        (CREATURE, creature),
        (GREEN, helping - 1.5),
        (RED, harming - 0.5),
        (BLUE, burning - 0.5),
    )
    worth = sum(jnp.where(cards.type == kind, value, 0.0) for kind, value in by_type)
    return worth - 2.1 * cards.cost


def crowding(cost: Array, taken_cost: Array, taken: Array) -> Array:
    """The loss of cards of `cost` `[C, *]` in a deck holding `taken` of cards of cost `taken_cost`."""
    loss = jnp.zeros(cost.shape, jnp.float32)
    low = -1
    for high, room in CURVE:
        mine = (taken_cost > low) & (taken_cost <= high)
        number = total(jnp.where(mine, taken, 0))
        extra = CROWDING * jnp.maximum(number + 1 - room, 0)
        loss = jnp.where((cost > low) & (cost <= high), extra, loss)
        low = high
    return loss


def choices(state: State, version: Version) -> tuple[Cards, Array]:
    """The cards to choose from, fields `[C, *]`, and what each loses by crowding the own deck."""
    everything = unpack(state.pool)
    if not version.runes:
        return everything, crowding(everything.cost, everything.cost, own_copies(state))
    seat = deck_seat(state)
    deck = jnp.where(seat == 0, state.deck[0], state.deck[1])
    known = take(everything.cost, jnp.maximum(deck, 0).astype(jnp.int32))
    on_offer = offer(state).astype(jnp.int32)
    cards = Cards(*(take(field, on_offer) for field in everything))
    return cards, crowding(cards.cost, known, (deck >= 0).astype(jnp.int16))


def best_card(state: State, version: Version) -> Array:
    """The legal card of most worth to the own deck so far."""
    cards, loss = choices(state, version)
    worth = jnp.where(deck_legal(state, version), card_worth(cards) - loss, -jnp.inf)
    return highest(worth)


VICTORY = 1e6
HEALTH_WORTH = 0.35
HAND_CARD_WORTH = 1.2
DRAW_WORTH = 2.0


def state_worth(state: State, player: Array) -> Array:
    """How good a battle looks to `player` (a seat), float32 `[*batch]`, while it is his turn.

    Creatures count their attack, defense and keywords, health and cards a fixed rate each.
    """
    board = state.board
    attack, defense = board.attack.astype(jnp.float32), board.defense.astype(jnp.float32)
    body = 1.1 * attack + 0.9 * defense + skill_worth(board.keywords, attack, defense) + 0.5
    bodies = jnp.sum(jnp.where(present(board), body, 0.0), axis=(1, 2))
    health = state.health.astype(jnp.float32)
    sides = bodies + HEALTH_WORTH * health
    cards = HAND_CARD_WORTH * total(state.hand[0] >= 0) + DRAW_WORTH * state.next_draw[0]
    worth = sides[0] - sides[1] + cards - 0.5 * state.next_draw[1]
    decided = jnp.where(state.winner == player, VICTORY, -VICTORY)
    return jnp.where(state.winner >= 0, decided, worth)


def greedy_action(state: State, version: Version) -> Array:
    """The legal action after which `state_worth` is highest; PASS if none improves it."""
    return best_action(state, version, lambda after, player, game: state_worth(after, player))
