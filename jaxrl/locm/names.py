"""Instance ids: the names by which the protocol calls cards, and the engine's actions in those names.

A battle under the protocol is played over a pool of the 60 chosen cards: card 30 * seat + k is a seat's
k-th pick. A card's *handle* is twice that number, + 1 for the copy that an area summon makes: what the
engine's board holds. The referees call handles by different ids:

    1.5, present referee    the handle itself for either seat: 2 k, 60 + 2 k, copies one more
    1.5, contest of 2022    1 + k and 31 + k; copies 61, 62, .. in the order they are made
    1.2                     2 i + seat + 1 for the i-th card of the shuffled deck
"""

from collections.abc import Sequence

import numpy as np

from jaxrl.envs.locm.actions import (
    ATTACK_START,
    ATTACK_TARGETS,
    SUMMON_START,
    USE_START,
    USE_TARGETS,
    attack_action,
    summon_action,
    use_action,
)
from jaxrl.envs.locm.state import DECK_SIZE, LANE_SLOTS, LANES, SIDES, State, Version
from jaxrl.locm.wire import FACE, Order

FIRST_OLD_COPY = 2 * DECK_SIZE + 1
NAMELESS = -2

Lanes = list[list[list[int]]]  # by side, own first, and lane


def dealt_id(pick: int, place: int, seat: int, version: Version, old_ids: bool = False) -> int:
    """The id of a seat's card: its `pick`-th choice, at `place` in the shuffled deck."""
    if version.runes:
        return 2 * place + seat + 1
    number = DECK_SIZE * seat + pick
    return number + 1 if old_ids else 2 * number


def board_handles(state: State) -> Lanes:
    """The handles of the creatures."""
    return [[[int(card) for card in lane if card >= 0] for lane in side] for side in np.asarray(state.board.card)]


def hand_numbers(state: State) -> list[int]:
    """The pool numbers of the cards in the hand of the player to move."""
    return [int(number) for number in state.hand[0] if number >= 0]


class Names:
    """Which id each handle has, as far as they are known. `old_ids` numbers copies as in 2022."""

    def __init__(self, old_ids: bool = False):
        """No names yet."""
        self.old_ids = old_ids
        self.ids: dict[int, int] = {}  # by handle
        self.handles: dict[int, int] = {}  # by id
        self.next_copy = FIRST_OLD_COPY

    def give(self, name: int, handle: int) -> None:
        """Call a handle by an id from now on."""
        self.handles.pop(self.ids.pop(handle, NAMELESS), None)
        self.ids.pop(self.handles.pop(name, NAMELESS), None)
        self.ids[handle], self.handles[name] = name, handle

    def name_copies(self, state: State) -> None:
        """Name the copies that have just appeared on the board."""
        for handle in sorted(card for side in board_handles(state) for lane in side for card in lane):
            if handle & 1 and handle not in self.ids:
                original = self.ids.get(handle - 1)
                self.give(self.next_copy if self.old_ids or original is None else original + 1, handle)
                self.next_copy += 1

    def lanes(self, state: State) -> Lanes:
        """The ids of the creatures, NAMELESS where they are not known."""
        return [[[self.ids.get(card, NAMELESS) for card in lane] for lane in side] for side in board_handles(state)]

    def order(self, action: int, state: State) -> Order:
        """A legal action other than PASS as the protocol writes it."""
        lanes, hand = self.lanes(state), [self.ids.get(2 * number, NAMELESS) for number in hand_numbers(state)]

        def creature(place: int) -> int:
            side, lane, slot = np.unravel_index(place, (SIDES, LANES, LANE_SLOTS))
            return lanes[int(side)][int(lane)][int(slot)]

        if action < USE_START:
            slot, lane = divmod(action - SUMMON_START, LANES)
            return Order("SUMMON", hand[slot], lane)
        if action < ATTACK_START:
            slot, target = divmod(action - USE_START, USE_TARGETS)
            return Order("USE", hand[slot], creature(target - 1) if target else FACE)
        source, target = divmod(action - ATTACK_START, ATTACK_TARGETS)
        enemy = LANES * LANE_SLOTS + source // LANE_SLOTS * LANE_SLOTS + target - 1
        return Order("ATTACK", creature(source), creature(enemy) if target else FACE)

    def number(self, order: Order, state: State) -> int | None:
        """The action that an order is, or None if it names nothing that is there; legal or not."""
        lanes, hand = self.lanes(state), [self.ids.get(2 * number, NAMELESS) for number in hand_numbers(state)]
        source, target = order.source, order.target
        if order.verb == "ATTACK":
            own, enemy = find(source, lanes[0]), find(target, lanes[1])
            if own is None:
                return None
            if target == FACE:
                return attack_action(*own, FACE)
            return attack_action(*own, enemy[1]) if enemy and enemy[0] == own[0] else None
        if source not in hand:
            return None
        slot = hand.index(source)
        if order.verb == "SUMMON":
            return summon_action(slot, target) if target in range(LANES) else None
        if target == FACE:
            return use_action(slot, FACE)
        for side in range(SIDES):
            spot = find(target, lanes[side])
            if spot is not None:
                return use_action(slot, LANE_SLOTS * (LANES * side + spot[0]) + spot[1])
        return None


def find(name: int, lanes: Sequence[Sequence[int]]) -> tuple[int, int] | None:
    """Lane and slot of a creature of one side."""
    spots = ((lane, ids.index(name)) for lane, ids in enumerate(lanes) if name in ids)
    return next(spots, None)
