"""The record's way of writing states and actions: instance ids instead of slots.

A card's instance id comes with the record; the copy that an area summon makes has the id after it.
Everything here is plain Python over one state's NumPy arrays (no batch axes).
"""

from collections.abc import Sequence

import numpy as np

from jaxrl.envs.locm.actions import (
    ATTACK_START,
    ATTACK_TARGETS,
    PASS,
    SUMMON_START,
    USE_START,
    USE_TARGETS,
    attack_action,
    summon_action,
    use_action,
)
from jaxrl.envs.locm.cards import keyword_letters
from jaxrl.envs.locm.state import DECK_SIZE, LANE_SLOTS, LANES, State, Version

ILLEGAL = -1  # no action at all: the engine skips it, as the referee skips what is not legal
FACE = -1


def creature_id(card: int, ids: Sequence[int]) -> int:
    """The instance id of a board card number (2 * pool number, + 1 for a copy)."""
    return ids[card >> 1] + (card & 1)


def state_line(state: State, ids: Sequence[int], version: Version) -> str:
    """The `S` line of a state."""
    player = int(state.player)
    parts = [f"S {int(state.turn)} {player} {int(state.winner)}"]
    for seat in (0, 1):
        side = seat if player == 0 else 1 - seat
        numbers = [
            state.health[side],
            state.mana[side],
            state.max_mana[side],
            state.next_draw[side],
            DECK_SIZE - state.drawn[side],
        ]
        if version.runes:
            numbers.append(5 * state.runes[side])
        hand = [ids[int(number)] for number in state.hand[side] if number >= 0]
        creatures = []
        for lane, slot in np.argwhere(state.board.card[side] >= 0):
            at = (side, lane, slot)
            shown = [
                creature_id(int(state.board.card[at]), ids),
                lane,
                state.board.attack[at],
                state.board.defense[at],
                keyword_letters(int(state.board.keywords[at])),
                int(state.board.ready[at]),
            ]
            creatures.append(",".join(str(item) for item in shown))
        words = [*numbers, "h", *hand, "b", *creatures]
        parts.append(" ".join(str(word) for word in words))
    return " | ".join(parts)


def legal_names(legal: np.ndarray, state: State, ids: Sequence[int]) -> list[str]:
    """The names of the legal actions of a mask bool `[145]`."""
    return [action_name(int(action), state, ids) for action in np.flatnonzero(legal)]


def action_name(action: int, state: State, ids: Sequence[int]) -> str:
    """An action as the referee writes it, such as "ATTACK 12 -1"; "?" stands for an empty slot."""

    def hand(slot: int) -> str:
        number = int(state.hand[0][slot])
        return str(ids[number]) if number >= 0 else "?"

    def creature(place: int) -> str:
        card = int(state.board.card.reshape(-1)[place])
        return str(creature_id(card, ids)) if card >= 0 else "?"

    if action == PASS:
        return "PASS"
    if action < USE_START:
        slot, lane = divmod(action - SUMMON_START, LANES)
        return f"SUMMON {hand(slot)} {lane}"
    if action < ATTACK_START:
        slot, target = divmod(action - USE_START, USE_TARGETS)
        return f"USE {hand(slot)} {creature(target - 1) if target else FACE}"
    source, target = divmod(action - ATTACK_START, ATTACK_TARGETS)
    enemy = LANES * LANE_SLOTS + source // LANE_SLOTS * LANE_SLOTS + target - 1
    return f"ATTACK {creature(source)} {creature(enemy) if target else FACE}"


def action_number(text: str, line: str, ids: Sequence[int]) -> int:
    """The number of a recorded action in the recorded state of `line`, or ILLEGAL."""
    words = text.split()
    if words[0] == "PASS":
        return PASS
    head, *sides = line.split("|")
    player = int(head.split()[2])
    own, enemy = parse_side(sides[player]), parse_side(sides[1 - player])
    try:
        source, target = int(words[1]), int(words[2])
        if words[0] == "SUMMON":
            return summon_action(own[0].index(source), target)
        if words[0] == "USE":
            return use_action(own[0].index(source), target_place(target, own, enemy))
        if words[0] == "ATTACK":
            lane, slot = find(own, source)
            if target == FACE:
                return attack_action(lane, slot, FACE)
            enemy_lane, enemy_slot = find(enemy, target)
            return attack_action(lane, slot, enemy_slot) if enemy_lane == lane else ILLEGAL
    except (ValueError, IndexError):
        pass
    return ILLEGAL


Side = tuple[list[int], list[list[int]]]  # ids in hand, ids in each lane


def parse_side(text: str) -> Side:
    """A side of an `S` line."""
    words = text.split()
    hand, board = words.index("h"), words.index("b")
    lanes: list[list[int]] = [[] for _ in range(LANES)]
    for creature in words[board + 1 :]:
        number, lane = creature.split(",")[:2]
        lanes[int(lane)].append(int(number))
    return [int(word) for word in words[hand + 1 : board]], lanes


def find(side: Side, number: int) -> tuple[int, int]:
    """Lane and slot of a creature; ValueError if it is not there."""
    for lane, creatures in enumerate(side[1]):
        if number in creatures:
            return lane, creatures.index(number)
    raise ValueError(f"no creature {number}")


def target_place(number: int, own: Side, enemy: Side) -> int:
    """The flattened board place of the target of USE, or FACE."""
    if number == FACE:
        return FACE
    try:
        lane, slot = find(own, number)
        return LANE_SLOTS * lane + slot
    except ValueError:
        lane, slot = find(enemy, number)
        return LANE_SLOTS * (LANES + lane) + slot
