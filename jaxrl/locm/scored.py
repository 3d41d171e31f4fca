"""The scored player: decks by a score of each card, turns by one-step lookahead with a value of the board.

A card's score is linear in what is printed on it, with a row of weights for each type of card; costs
weigh heavily, so that the decks are cheap. The value of a state knows what the next actions can do
without searching them: the face damage still at hand in lanes without a Guard, what the enemy's
creatures threaten, and which creatures stand to be traded away. Hence a Guard is removed, or a creature
strengthened, for the sake of the attacks that follow, and a lethal turn is seen before its first action.

Weights may be arrays over games `[B]`: that is how they were fitted, many settings in one batch.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxrl.envs.locm.arrays import highest, present, total
from jaxrl.envs.locm.battle import card_at
from jaxrl.envs.locm.cards import BLUE, BREAKTHROUGH, DRAIN, GUARD, LETHAL, WARD, Cards
from jaxrl.envs.locm.deck_stage import deck_legal
from jaxrl.envs.locm.state import HAND_SLOTS, State, Version
from jaxrl.locm.greedy import choices
from jaxrl.locm.lookahead import best_action

WIN, LETHAL_IN_SIGHT = 1e6, 1e3


class CardWeights(NamedTuple):
    """What a card's numbers are worth in a deck; keywords in the order B C D G L W."""

    base: float | Array
    cost: float | Array
    attack: float | Array  # per point, of the absolute value
    defense: float | Array
    keywords: tuple[float | Array, ...]
    draw: float | Array
    own_health: float | Array
    opponent_health: float | Array
    lane: float | Array  # of an area of one lane
    lanes: float | Array  # of an area of both lanes


class DeckWeights(NamedTuple):
    """What a deck is built by."""

    cards: tuple[CardWeights, ...]  # of creatures, green, red and blue items
    crowding: float | Array = 0.0  # 1.2: of more cards of like cost than the greedy player's curve has room for


class BoardWeights(NamedTuple):
    """What a state is worth, in points of attack."""

    body: float | Array  # a creature, whatever its numbers
    attack: float | Array
    defense: float | Array
    breakthrough: float | Array  # per point of attack
    drain: float | Array  # per point of attack
    guard: float | Array  # per point of defense
    lethal: float | Array
    ward: float | Array  # per point of attack
    enemy: float | Array  # an enemy creature, relative to an own one
    health: float | Array
    enemy_health: float | Array
    card: float | Array  # in the hand
    draw: float | Array  # next turn
    enemy_draw: float | Array
    reach: float | Array  # a point of damage the ready creatures can do to the face
    danger: float | Array  # that the enemy's creatures can win next turn
    exposed: float | Array  # the share of a creature's worth lost where a lesser one can kill it


# Fitted by play, each version against itself: settings a little apart met in mirrored pairs, hundreds of
# pairs a step, and moved towards the winners.
DECKS = {
    "1.5": DeckWeights(
        (
            CardWeights(-0.47, -2.4, 0.55, 0.33, (0.07, 0.59, 0.84, 0.82, 2.06, 2.36), 0.73, 0.4, -1.35, 2.37, 1.8),
            CardWeights(-1.07, -4.3, 1.08, 1.26, (-0.1, 0.51, 0.33, 0.98, 1.22, 1.53), 1.73, 1.06, -1.35, 0.42, 0.71),
            CardWeights(
                -0.56, -3.49, 0.51, 0.86, (-0.11, 0.08, 0.27, 0.19, 0.16, -0.03), 1.74, 0.78, -1.19, 1.03, 3.15
            ),
            CardWeights(-0.2, -2.71, 0.0, 1.38, (-0.06, 0.07, -0.03, 0.01, 0.19, 0.22), 1.58, 0.94, -1.64, 1.21, 3.83),
        ),
    ),
    "1.2": DeckWeights(
        (
            CardWeights(-0.07, -3.1, 1.33, 0.59, (0.27, 0.52, 1.07, 1.28, 2.67, 2.22), 2.45, 0.34, -0.62, 0.0, 0.0),
            CardWeights(-1.54, -2.31, 1.27, 0.73, (0.3, 0.52, 0.86, 1.15, 2.46, 1.91), 2.53, 0.4, -0.58, 0.0, 0.0),
            CardWeights(-0.46, -1.78, 0.33, 1.22, (0.16, 0.31, 0.28, 0.53, 0.47, 0.53), 2.23, 0.38, -0.55, 0.0, 0.0),
            CardWeights(-0.42, -1.75, 0.43, 1.26, (0.09, 0.31, 0.32, 0.48, 0.6, 0.45), 2.48, 0.35, -0.56, 0.0, 0.0),
        ),
        crowding=0.92,
    ),
}
BOARDS = {
    "1.5": BoardWeights(
        body=0.38,
        attack=1.02,
        defense=1.35,
        breakthrough=0.32,
        drain=0.22,
        guard=0.24,
        lethal=2.54,
        ward=0.67,
        enemy=1.27,
        health=0.45,
        enemy_health=0.68,
        card=1.36,
        draw=1.12,
        enemy_draw=0.51,
        reach=0.07,
        danger=10.07,
        exposed=0.36,
    ),
    "1.2": BoardWeights(
        body=0.5,
        attack=1.88,
        defense=0.47,
        breakthrough=0.15,
        drain=0.42,
        guard=0.63,
        lethal=2.47,
        ward=0.64,
        enemy=1.17,
        health=0.14,
        enemy_health=0.97,
        card=0.91,
        draw=0.89,
        enemy_draw=0.3,
        reach=0.2,
        danger=11.32,
        exposed=0.79,
    ),
}


def card_score(cards: Cards, weights: tuple[CardWeights, ...]) -> Array:
    """The score of cards in a deck, float32 of the fields' shape."""
    score = jnp.zeros(cards.cost.shape, jnp.float32)
    for kind, w in enumerate(weights):
        value = w.base + w.cost * cards.cost + w.attack * jnp.abs(cards.attack)
        value = value + w.defense * jnp.minimum(jnp.abs(cards.defense), 12)
        for bit, worth in enumerate(w.keywords):
            value = value + worth * (cards.keywords >> bit & 1)
        value = value + w.draw * cards.draw + w.own_health * cards.own_health
        value = value + w.opponent_health * cards.opponent_health
        value = value + w.lane * (cards.area == 1) + w.lanes * (cards.area == 2)
        score = jnp.where(cards.type == kind, value, score)
    return score


def scored_card(state: State, version: Version, weights: DeckWeights | None = None) -> Array:
    """The legal card with the highest score, less, in the draft of 1.2, what it loses by crowding the deck.

    In the construction of 1.5 this takes the best 15 cards of the pool twice.
    """
    w = DECKS[version.name] if weights is None else weights
    cards, loss = choices(state, version)
    score = card_score(cards, w.cards)
    if version.runes:
        score = score - w.crowding * loss
    score = jnp.where(deck_legal(state, version), score, -jnp.inf)
    return highest(score)


def creature_worth(state: State, w: BoardWeights) -> Array:
    """What each creature is worth, float32 `[2, 2, 3, *batch]`, 0 in empty slots."""
    board = state.board
    attack, defense = board.attack.astype(jnp.float32), board.defense.astype(jnp.float32)

    def has(bit: int) -> Array:
        return (board.keywords & bit) != 0

    worth = w.body + w.attack * attack + w.defense * defense
    worth = worth + jnp.where(has(BREAKTHROUGH), w.breakthrough * attack, 0.0)
    worth = worth + jnp.where(has(DRAIN), w.drain * attack, 0.0)
    worth = worth + jnp.where(has(GUARD), w.guard * defense, 0.0)
    worth = worth + jnp.where(has(LETHAL), w.lethal, 0.0) + jnp.where(has(WARD), w.ward * attack, 0.0)
    return jnp.where(present(board), worth, 0.0)


def face_damage(state: State, attacking: Array) -> Array:
    """What the creatures in the mask `[2, 2, 3, *batch]` can do to the other face, int16 `[2, *batch]`.

    A lane in which the other side has a Guard counts nothing.
    """
    guarded = ((state.board.keywords & GUARD) != 0).any(2)  # [2, 2, *]
    struck = jnp.flip(guarded, 0)
    power = total(jnp.where(attacking, state.board.attack, 0).swapaxes(0, 2), 0).swapaxes(0, 1)
    return total(jnp.where(struck, 0, power).swapaxes(0, 1), 0)


def burn(state: State, version: Version) -> Array:
    """Damage that blue items in the hand can still do to the face: all free ones and the best of the others."""
    cards = card_at(state, state.hand[0])
    payable = (state.hand[0] >= 0) & (cards.type == BLUE) & (cards.cost <= state.mana[0])
    damage = jnp.where(payable, -(cards.defense + cards.opponent_health), 0)
    free = cards.cost == 0
    return jnp.sum(jnp.where(free, damage, 0), 0) + jnp.max(jnp.where(free, 0, damage), 0)


def exposure(state: State, worth: Array) -> Array:
    """Worth of own creatures that a lesser enemy creature of their lane can kill, less the killer's."""
    board = state.board
    own_defense, own_ward = board.defense[0], (board.keywords[0] & WARD) != 0  # [2, 3, *]
    attack, lethal = board.attack[1], (board.keywords[1] & LETHAL) != 0
    loss = jnp.zeros(own_defense.shape, jnp.float32)
    for slot in range(board.attack.shape[2]):
        power = attack[:, slot][:, None]
        kills = (power > 0) & ((power >= own_defense) | lethal[:, slot][:, None]) & ~own_ward
        gain = worth[0] - worth[1][:, slot][:, None]
        loss = jnp.maximum(loss, jnp.where(kills, gain, 0.0))
    return jnp.sum(loss, axis=(0, 1))


def state_value(state: State, player: Array, version: Version, w: BoardWeights) -> Array:
    """How good a battle looks to `player` (a seat), float32 `[*batch]`, during his own turn."""
    board, health = state.board, state.health.astype(jnp.float32)
    worth = creature_worth(state, w)
    sums = jnp.sum(worth, axis=(1, 2))
    value = sums[0] - w.enemy * sums[1] - w.exposed * exposure(state, worth)
    value = value + w.health * health[0] - w.enemy_health * health[1]
    held = total(state.hand[0] >= 0)
    value = value + w.card * held + w.draw * jnp.minimum(state.next_draw[0], HAND_SLOTS - held)  # the rest is lost
    value = value - w.enemy_draw * state.next_draw[1]
    side = jnp.arange(2).reshape((2, 1, 1) + (1,) * player.ndim)
    damage = face_damage(state, present(board) & (board.ready | (side == 1)))
    value = value + w.reach * damage[0]
    value = value + jnp.where(damage[0] + burn(state, version) >= state.health[1], LETHAL_IN_SIGHT, 0.0)
    value = value - w.danger * jnp.clip((damage[1] - health[0] + 4) / 4, 0.0, 1.0)
    decided = jnp.where(state.winner == player, WIN, -WIN)
    return jnp.where(state.winner >= 0, decided, value)


def scored_action(state: State, version: Version, weights: BoardWeights | None = None) -> Array:
    """The legal action after which `state_value` is highest; PASS if none improves it."""
    w = BOARDS[version.name] if weights is None else weights

    def value(after: State, player: Array, game: Array) -> Array:
        own = jax.tree.map(lambda x: jnp.asarray(x)[game] if jnp.ndim(x) else x, w)
        return state_value(after, player, version, own)

    return best_action(state, version, value)
