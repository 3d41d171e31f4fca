"""The rules of Legends of Code and Magic, versions 1.2 and 1.5, as pure functions of the state.

Every rule follows the public Java referee of the Strategy Card Game AI Competition; its method names
are given where they help. The functions hold no Python branch on a state: what does not apply is
masked out, so one program plays a batch of games that are all in different situations. A rule takes
`when`, bool `[*batch]`: the games in which it is played; in the others nothing changes. An action that
is not legal changes nothing (the referee skips it).

Shapes are in `state.py`: slots first, batch last, side 0 to move.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxrl.envs.locm.arrays import flat_places, iota, present, read, take, total
from jaxrl.envs.locm.cards import BLUE, BREAKTHROUGH, CHARGE, CREATURE, DRAIN, GREEN, GUARD, LETHAL, WARD, Cards
from jaxrl.envs.locm.state import (
    DECK_SIZE,
    EMPTY_DECK_DAMAGE,
    HAND_SLOTS,
    LANE_SLOTS,
    MAX_MANA,
    TURN_LIMIT,
    Board,
    State,
    Version,
    finished,
)


class Effects(NamedTuple):
    """What an action does beyond the board: int16 `[*batch]`, added up and applied once."""

    own_health: Array
    opponent_health: Array
    draw: Array


def summon(state: State, number: Array, card: Cards, lane: Array, when: Array) -> tuple[State, Effects, Array]:
    """SUMMON: append a creature to a lane, and its copy if the card has an area.

    Area "lane1" puts the copy into the same lane, "lane2" into the other one, each only if there is
    room. The effects of the card count once for each creature that appears. Returns the state, the
    effects, and where it was legal.
    """
    board = state.board
    room = total(present(board)[0], 1)  # [2, *]: creatures in each own lane = the first free slot
    chosen = iota(2, lane) == lane
    full = total(jnp.where(chosen, room, 0)) >= LANE_SLOTS
    when = when & (number >= 0) & (card.type == CREATURE) & ~full
    slots = jnp.arange(LANE_SLOTS, dtype=jnp.int16).reshape((1, LANE_SLOTS) + (1,) * lane.ndim)
    first_free, second_free = slots == room[:, None], slots == room[:, None] + 1
    original = (chosen & when)[:, None] & first_free
    copy = (chosen & when & (card.area == 1))[:, None] & second_free
    copy = copy | ((~chosen & when & (card.area == 2))[:, None] & first_free)
    own = flat_places(lane) < 6
    born = (original | copy)[None] & own
    charge = (card.keywords & CHARGE) != 0
    board = Board(
        card=jnp.where(born, 2 * number + copy.astype(jnp.int16)[None], board.card),
        attack=jnp.where(born, card.attack, board.attack),
        defense=jnp.where(born, card.defense, board.defense),
        keywords=jnp.where(born, card.keywords, board.keywords),
        ready=jnp.where(born, charge, board.ready),
        attacked=board.attacked & ~born,
    )
    count = total(original | copy, (0, 1))
    effects = Effects(count * card.own_health, count * card.opponent_health, count * card.draw)
    return state._replace(board=board), effects, when


def attack(state: State, attacker: Array, target: Array, when: Array) -> tuple[State, Effects, Array]:
    """ATTACK a creature of the same lane or the face; both creatures strike at once.

    given = 0 if the defender has Ward, else the attacker's attack; taken likewise. A creature dies if
    the damage reaches its defense, or if any damage came from a Lethal one. Breakthrough carries
    given - defense over to the face if the damage alone killed; Drain heals the attacker's player by
    the full attack whenever damage was given. Attack 0 leaves a Ward standing.
    """
    board = state.board
    places = flat_places(attacker)
    striking, struck = places == attacker, places == target
    facing = target < 0
    power, body = read(board.attack, striking), read(board.defense, striking)
    skills = read(board.keywords, striking)
    enemy_power, enemy_body = read(board.attack, struck), read(board.defense, struck)
    enemy_skills = read(board.keywords, struck)

    # Guards of the attacker's lane must be attacked first.
    guarding = (board.keywords & GUARD) != 0
    lane_mask = (places >= 6) & ((places >= 9) == (attacker >= 3))
    guarded = (guarding & lane_mask).any((0, 1, 2))
    reachable = jnp.where(facing, ~guarded, (enemy_body > 0) & (~guarded | (enemy_skills & GUARD > 0)))
    when = when & (board.ready & striking).any((0, 1, 2)) & reachable

    given = jnp.where(enemy_skills & WARD > 0, 0, power)
    taken = jnp.where(skills & WARD > 0, 0, enemy_power)
    slain = given >= enemy_body
    enemy_dies = slain | ((skills & LETHAL > 0) & (given > 0))
    dies = ~facing & ((taken >= body) | ((enemy_skills & LETHAL > 0) & (taken > 0)))

    striking, struck = striking & when, struck & when
    defense = jnp.where(striking, jnp.where(dies, 0, body - taken), board.defense)
    defense = jnp.where(struck, jnp.where(enemy_dies, 0, enemy_body - given), defense)
    breaks_own = striking & (enemy_power > 0)  # nobody strikes back from the face: power reads 0
    breaks_enemy = struck & (power > 0)
    board = board._replace(
        defense=defense,
        keywords=jnp.where(breaks_own | breaks_enemy, board.keywords & ~WARD, board.keywords),
        ready=board.ready & ~striking,
        attacked=board.attacked | striking,
    )
    trample = (skills & BREAKTHROUGH > 0) & slain
    pierced = jnp.where(facing, power, jnp.where(trample, given - enemy_body, 0))
    drains = (skills & DRAIN > 0) & (facing | (given > 0))
    effects = Effects(
        own_health=jnp.where(when & drains, power, 0),
        opponent_health=jnp.where(when, -pierced, 0),
        draw=jnp.zeros_like(power),
    )
    return state._replace(board=board), effects, when


def use_item(state: State, number: Array, card: Cards, target: Array, when: Array) -> tuple[State, Effects, Array]:
    """USE an item on a creature, on the creatures around it if the item has an area, or on the face.

    Green items add their keywords, red and blue ones take theirs away, before the damage: removing
    Ward lets it through. Effects count once for each creature hit; on the face once, and there the
    defense value of a blue item is added to the opponent's health.
    """
    board = state.board
    places = flat_places(target)
    there = present(board)
    facing = target < 0
    on_enemy = target >= 6
    green = card.type == GREEN
    exists = ((places == target) & there).any((0, 1, 2))
    legal = jnp.where(facing, card.type == BLUE, exists & (on_enemy != green))
    when = when & (number >= 0) & (card.type != CREATURE) & legal

    same_side = (places >= 6) == on_enemy
    lane, target_lane = (
        lax.div(places, jnp.full_like(places, 3)),
        lax.div(target, jnp.full_like(target, 3)),
    )
    hit = jnp.where(card.area == 0, places == target, jnp.where(card.area == 1, lane == target_lane, same_side))
    hit = hit & there & when & ~facing
    skills = jnp.where(green, board.keywords | card.keywords, board.keywords & ~card.keywords)
    shielded = (skills & WARD > 0) & (card.defense < 0)
    charged = hit & green & (card.keywords & CHARGE > 0)
    board = board._replace(
        attack=jnp.where(hit, jnp.maximum(board.attack + card.attack, 0), board.attack),
        defense=jnp.where(hit & ~shielded, board.defense + card.defense, board.defense),
        keywords=jnp.where(hit, jnp.where(shielded, skills & ~WARD, skills), board.keywords),
        ready=jnp.where(charged, ~board.attacked, board.ready),
    )
    count = jnp.where(facing & when, jnp.int16(1), total(hit, (0, 1, 2)))
    to_face = jnp.where(facing & when, card.defense, 0)
    effects = Effects(
        own_health=count * card.own_health,
        opponent_health=count * card.opponent_health + to_face,
        draw=count * card.draw,
    )
    return state._replace(board=board), effects, when


def bury(board: Board) -> Board:
    """Remove creatures without defense; the others of a lane close ranks in their order."""
    alive = present(board) & (board.defense > 0)
    a, b, c = (alive[:, :, slot] for slot in range(LANE_SLOTS))

    def close(values: Array, empty) -> Array:
        x, y, z = (values[:, :, slot] for slot in range(LANE_SLOTS))
        slot0 = jnp.where(a, x, jnp.where(b, y, jnp.where(c, z, empty)))
        slot1 = jnp.where(a & b, y, jnp.where((a | b) & c, z, empty))
        slot2 = jnp.where(a & b & c, z, empty)
        return jnp.stack([slot0, slot1, slot2], axis=2)

    return Board(*(close(values, -1 if i == 0 else values.dtype.type(0)) for i, values in enumerate(board)))


def modify_health(state: State, change: Array, version: Version) -> State:
    """Add `change` int16 `[2, *batch]` to each side's health, and the cards that damage earns.

    1.5: one card for every full 5 health lost since the start of the side's last turn,
    draw += (lost + damage) // 5 - lost // 5. 1.2: each rune that health falls to or below breaks and
    gives a card.
    """
    health = state.health + change
    damage = jnp.maximum(-change, 0)
    if version.runes:
        standing = lax.div(jnp.clip(health - 1, 0, 25), jnp.full_like(health, 5))
        runes = jnp.where(damage > 0, jnp.minimum(state.runes, standing), state.runes)
        earned = state.runes - runes
        return state._replace(health=health, runes=runes, next_draw=state.next_draw + earned)
    five = jnp.full_like(damage, 5)
    lost = state.health_lost + damage
    earned = lax.div(lost, five) - lax.div(state.health_lost, five)
    return state._replace(health=health, health_lost=lost, next_draw=state.next_draw + earned)


def draw(state: State, version: Version) -> State:
    """Side 0 draws its `next_draw` cards at the start of its turn; empty decks hurt (no bonus card).

    A full hand wastes draws. From a player's 51st turn on, 1.5 costs 10 health a turn besides the
    draw; 1.2 turns every draw into the loss of a rune (health falls to the rune, or to 0 without one).
    """
    wanted, left = state.next_draw[0], DECK_SIZE - state.drawn[0]
    size = total(state.hand[0] >= 0)
    late = (state.turn >> 1) >= TURN_LIMIT
    moved = jnp.minimum(jnp.minimum(wanted, left), HAND_SLOTS - size)
    health, runes = state.health[0], state.runes[0]
    if version.runes:
        moved = jnp.where(late, 0, moved)
        breaks = jnp.where(late | (moved == left), wanted - moved, 0)
        fallen = jnp.where(breaks > runes, 0, 5 * (runes - breaks + 1))
        health = jnp.where(breaks > 0, fallen, health)
        runes = jnp.maximum(runes - breaks, 0)
    else:
        missing = jnp.where(size + moved < HAND_SLOTS, wanted - moved, 0)
        health = health - EMPTY_DECK_DAMAGE * (missing + late.astype(jnp.int16))

    slots = iota(HAND_SLOTS, size)
    deck = state.deck.reshape((2 * DECK_SIZE, *size.shape))
    top = state.player * DECK_SIZE + state.drawn[0]
    source = jnp.clip(top + slots - size, 0, 2 * DECK_SIZE - 1)
    fresh = take(deck, source.astype(jnp.int32))
    hand = jnp.where((slots >= size) & (slots < size + moved), fresh, state.hand[0])
    own = iota(2, size) == 0
    return state._replace(
        health=jnp.where(own, health, state.health),
        runes=jnp.where(own, runes, state.runes),
        drawn=jnp.where(own, state.drawn + moved, state.drawn),
        hand=jnp.where(own[:, None], hand, state.hand),
        next_draw=jnp.where(own, jnp.int16(1), state.next_draw),
        last_draw=jnp.where(own, moved, state.last_draw),
    )


def end_turn(state: State, version: Version) -> State:
    """PASS: the turn ends, the sides change places, and the new side 0 gets its mana and its cards."""
    own = iota(2, state.player) == 0
    state = state._replace(shown_draw=jnp.where(own, state.next_draw, state.shown_draw))
    swapped = ("health", "mana", "max_mana", "bonus_mana", "next_draw", "shown_draw", "last_draw")
    swapped += ("health_lost", "runes", "drawn", "hand", "board", "log_action", "log_card")
    state = state._replace(
        **{name: jax.tree.map(lambda x: jnp.flip(x, 0), getattr(state, name)) for name in swapped},
        player=1 - state.player,
        turn=state.turn + 1,
    )
    # Mana grows by one a turn; the second player's bonus goes once a turn has spent everything.
    cap = MAX_MANA + state.bonus_mana.astype(jnp.int16)
    grown = jnp.where(state.max_mana < cap, state.max_mana + 1, state.max_mana)
    spent = state.bonus_mana & (state.mana == 0)
    max_mana = grown - spent.astype(jnp.int16)
    mine = own[:, None, None]
    state = state._replace(
        max_mana=jnp.where(own, max_mana, state.max_mana),
        mana=jnp.where(own, max_mana, state.mana),
        bonus_mana=state.bonus_mana & ~(own & spent),
        board=state.board._replace(ready=present(state.board) & mine, attacked=jnp.zeros_like(state.board.attacked)),
        log_action=jnp.where(own[:, None], -1, state.log_action),
        log_card=jnp.where(own[:, None], -1, state.log_card),
    )
    state = draw(state, version)
    return state._replace(health_lost=jnp.where(own, 0, state.health_lost))


def check_win(state: State) -> State:
    """Decide the game if somebody has no health left; the player to move wins a double death."""
    decided = jnp.where(state.health[0] <= 0, 1 - state.player, state.winner)
    decided = jnp.where(state.health[1] <= 0, state.player, decided)
    return state._replace(winner=jnp.where(finished(state), state.winner, decided))
