"""What a player knows of a game, from the referee's messages: an engine state with the hidden parts left blank.

The state is filled so that `observe`, `legal_actions` and every player that respects what is hidden give
what they give on the true state. Blank are the opponent's deck, hand (only its size counts) and picks;
the own cards not drawn yet lie in the deck in the order of their picks. As with the referee, the game of
the battle is played over a pool of 60 cards by seat and pick; those of the opponent are filled in as
they appear.

The opponent's turn is told as a list of actions. They are played again on the board as it was, which
numbers them and names the creatures; the board itself is then read from the message, so that a
disagreement cannot last.

One thing the messages of version 1.2 do not tell: which of two picks of the same card has been drawn.
The earlier one is taken.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array

from jaxrl.envs.locm.actions import PASS
from jaxrl.envs.locm.cards import Cards, from_rows, pack
from jaxrl.envs.locm.deck_stage import MAX_COPIES
from jaxrl.envs.locm.observe import legal_actions
from jaxrl.envs.locm.state import (
    DECK_SIZE,
    DECK_STEPS,
    HAND_SLOTS,
    LANE_SLOTS,
    LANES,
    MAX_MANA,
    SIDES,
    State,
    Version,
    empty_state,
)
from jaxrl.locm.names import Names, board_handles
from jaxrl.locm.referee import advance
from jaxrl.locm.wire import IN_HAND, ON_BOARD, Event, MalformedMessage, Message, Numbers, Order, Shown

Fields = dict[str, Any]  # of a State
BLANK_CARD: tuple[int, ...] = (0,) * len(Cards._fields)
NAMELESS = -2
PLENTY = 1000  # health and mana with which the opponent's actions are played again
LEGAL = jax.jit(legal_actions, static_argnames="version")
PACK = jax.jit(pack)
EMPTY = jax.jit(empty_state, static_argnames="version")


class Sight:
    """A player's knowledge. `read` each message, then `play` own actions one by one; `state` is current."""

    def __init__(self, version: Version):
        """Before the first message."""
        self.version = version
        self.known: dict[int, tuple[int, ...]] = {}  # the numbers of cards by base
        self.pool_bases: list[int] = []  # deck stage: the base of each pool number
        self.picks: list[int] = []  # bases
        self.seat = 0
        self.turns = -1  # own turns before this one; -1 in the deck stage
        blank = from_rows([BLANK_CARD] * version.pool_size)
        self.blank = jax.device_get(EMPTY(PACK(blank), version=version))
        self.state: State = self.blank
        self.legal = np.zeros(0, np.bool_)

    def samples(self) -> Iterator[tuple[State, np.ndarray]]:
        """An empty state of each stage with its legal actions; compiles what every game runs."""
        battle, _ = advance(self.blank._replace(deck_step=np.int16(DECK_STEPS)), np.int16(PASS), self.version, False)
        for state in (self.blank, jax.device_get(battle)):
            yield state, np.asarray(LEGAL(state, version=self.version))

    def read(self, message: Message) -> None:
        """Take in a message. Raises MalformedMessage if it cannot be one of this game."""
        if message.in_battle or self.turns >= 0 or len(self.picks) == DECK_SIZE:
            self.read_turn(message)
        else:
            self.read_offer(message)
        self.legal = np.array(LEGAL(self.state, version=self.version))

    # The deck stage.

    def read_offer(self, message: Message) -> None:
        """The cards to choose from: all 120 in 1.5, three in 1.2."""
        if len(message.cards) != self.version.choices:
            raise MalformedMessage(f"{len(message.cards)} cards to choose from instead of {self.version.choices}")
        self.known |= {card.base: card.row() for card in message.cards}
        new = [card.base for card in message.cards if card.base not in self.pool_bases]
        self.pool_bases += new
        if len(self.pool_bases) > self.version.pool_size:
            raise MalformedMessage("more different cards than a game has")
        if self.version.runes and message.opponent.deck != message.own.deck:
            self.seat = 1
        rows = [self.known[base] for base in self.pool_bases]
        rows += [BLANK_CARD] * (self.version.pool_size - len(rows))
        self.state = self.state._replace(pool=np.asarray(PACK(from_rows(rows))))
        if self.version.runes:
            offers = self.state.offers.copy()
            offers[len(self.picks)] = [self.pool_bases.index(card.base) for card in message.cards]
            self.state = self.state._replace(offers=offers)
        self.state = self.state._replace(**self.progress())

    def progress(self) -> Fields:
        """Where the deck stage is: each side has made as many picks."""
        step = np.int16(2 * len(self.picks) + self.seat)
        return {"deck_step": np.minimum(step, np.int16(DECK_STEPS - 1)), "player": np.int16(self.seat)}

    def pick(self, choice: int) -> int:
        """Choose a card by its action; returns its base."""
        number = int(self.state.offers[len(self.picks)][choice]) if self.version.runes else choice
        deck, copies = self.state.deck.copy(), self.state.copies.copy()
        deck[self.seat, len(self.picks)] = number
        if not self.version.runes:
            copies[self.seat, number] += 1
        self.picks.append(self.pool_bases[number])
        self.state = self.state._replace(deck=deck, copies=copies)._replace(**self.progress())
        if not self.version.runes:
            self.legal[: self.version.choices] = copies[self.seat] < MAX_COPIES
        return self.pool_bases[number]

    # The battle.

    def begin(self, message: Message) -> None:
        """The first turn: the seat is known now, and the own cards get their places in the pool."""
        if not self.version.runes:
            self.seat = int(message.own.mana >= 2)
        self.bases: list[int | None] = [None for _ in range(SIDES * DECK_SIZE)]
        self.rows = [BLANK_CARD for _ in range(SIDES * DECK_SIZE)]
        for pick, base in enumerate(self.picks):
            self.fill(DECK_SIZE * self.seat + pick, base)
        self.names = Names()
        self.drawn: list[int] = []  # own cards in the order in which they came
        self.drawn_before = 4 + self.seat

    def fill(self, number: int, base: int, shown: Shown | None = None) -> None:
        """Say which card a number of the pool is."""
        self.bases[number] = base
        self.rows[number] = self.known.get(base, shown.row() if shown else BLANK_CARD)

    def own_number(self, card: Shown) -> int:
        """The number of a card that has come into the own hand: by its id if that tells, else by its base."""
        first = DECK_SIZE * self.seat
        free = [n for n in range(first, first + DECK_SIZE) if n not in self.drawn]
        same = [n for n in free if self.bases[n] == card.base]
        if not self.version.runes:
            named = card.id - 1 if self.names.old_ids else card.id >> 1
            same = [named] * (named in same) + same
        if not (same or free):
            raise MalformedMessage(f"a 31st card in the own deck: {card.base}")
        number = (same or free)[0]
        if not same:
            self.fill(number, card.base, card)
        return number

    def enemy_number(self, base: int, shown: Shown | None = None) -> int:
        """A number for a card of the opponent that has not been seen before."""
        first = DECK_SIZE * (1 - self.seat)
        number = next((n for n in range(first, first + DECK_SIZE) if self.bases[n] is None), first + DECK_SIZE - 1)
        self.fill(number, base, shown)
        return number

    def read_turn(self, message: Message) -> None:
        """The start of an own turn."""
        self.turns += 1
        if self.turns == 0:
            self.begin(message)
        hand = [card for card in message.cards if card.location == IN_HAND]
        self.tell_numbering(hand)
        for card in hand:
            if card.id not in self.names.handles:
                number = self.own_number(card)
                self.drawn.append(number)
                self.names.give(card.id, 2 * number)
        before, log_action, log_card = self.replay(message.events)
        board = self.read_board(message, before)
        hands = np.full((SIDES, HAND_SLOTS), -1, np.int16)
        hands[1, : message.opponent_hand] = 0  # how many is all that is known
        for slot, card in enumerate(hand[:HAND_SLOTS]):
            hands[0, slot] = self.names.handles[card.id] >> 1
        self.state = self.blank._replace(
            pool=self.pool(),
            **self.deck_arrays(),
            **self.numbers(message.own, message.opponent),
            hand=hands,
            board=board,
            log_action=np.stack([self.blank.log_action[0], log_action]),
            log_card=np.stack([self.blank.log_card[0], log_card]),
        )

    def tell_numbering(self, hand: Sequence[Shown]) -> None:
        """Notice the ids of the contest of 2022: in the present ones a hand's are even and tell the pick."""
        if self.version.runes or self.names.old_ids:
            return
        first = 2 * DECK_SIZE * self.seat
        for card in hand:
            pick = (card.id - first) >> 1
            contrary = len(self.picks) == DECK_SIZE and not (0 <= pick < DECK_SIZE and self.picks[pick] == card.base)
            if card.id & 1 or contrary:
                self.names.old_ids = True

    def pool(self) -> np.ndarray:
        """The packed cards of the battle, as wide as the version's pool."""
        rest = self.version.pool_size - len(self.rows)
        return np.asarray(PACK(from_rows([*self.rows, *[BLANK_CARD] * rest])))

    def deck_arrays(self) -> Fields:
        """The own deck: what has been drawn on top, the rest in the order of the picks."""
        first = DECK_SIZE * self.seat
        rest = [n for n in range(first, first + DECK_SIZE) if n not in self.drawn]
        deck, place = np.full_like(self.blank.deck, -1), self.blank.place.copy()
        deck[self.seat] = [*self.drawn, *rest]
        place[self.seat, deck[self.seat] - first] = np.arange(DECK_SIZE)
        return {"deck": deck, "place": place, "deck_step": np.int16(DECK_STEPS)}

    def numbers(self, own: Numbers, opponent: Numbers) -> Fields:
        """Everything that is a number by side."""

        def sides(mine: int, his: int) -> np.ndarray:
            return np.array([mine, his], np.int16)

        drawn = DECK_SIZE - own.deck
        moved, self.drawn_before = drawn - self.drawn_before, drawn
        turn, second = self.turns, self.seat == 1
        bonus = second and own.mana == min(turn + 2, MAX_MANA + 1)
        his_bonus = not second and opponent.mana == min(turn + 1, MAX_MANA + 1)
        return {
            "health": sides(own.health, opponent.health),
            "mana": sides(own.mana, 0),
            "max_mana": sides(own.mana, opponent.mana),
            "bonus_mana": sides(bonus, his_bonus).astype(np.bool_),
            "next_draw": sides(1, opponent.draw),  # nothing hurts the opponent between his turn and this one
            "shown_draw": sides(1, opponent.draw),
            "last_draw": sides(moved, 0),
            "runes": sides(own.rune // 5, opponent.rune // 5),
            "drawn": sides(drawn, DECK_SIZE - opponent.deck),
            "player": np.int16(self.seat),
            "turn": np.int16(2 * turn + self.seat),
        }

    def replay(self, events: Sequence[Event]) -> tuple[State, Array, Array]:
        """Play the opponent's last turn on the board as it was: his state after it, and his log of it."""
        board = jax.tree.map(lambda x: x[::-1].copy(), self.state.board if self.turns else self.blank.board)
        own = np.arange(SIDES).reshape((SIDES, 1, 1)) == 0
        state = self.blank._replace(
            deck_step=np.int16(DECK_STEPS),
            health=np.full(SIDES, PLENTY, np.int16),
            board=board._replace(ready=(board.card >= 0) & own, attacked=np.zeros_like(board.attacked)),
        )
        for event in events:
            state = self.replay_one(state, event)
        return state, state.log_action[0], state.log_card[0]

    def replay_one(self, state: State, event: Event) -> State:
        """Play one action of the opponent; one that makes no sense on this board is left out."""
        order = event.order
        if order.verb != "ATTACK":
            if order.source not in self.names.handles:
                self.names.give(order.source, 2 * self.enemy_number(event.base))
            hand = np.full_like(state.hand, -1)
            hand[0, 0] = self.names.handles[order.source] >> 1
            state = state._replace(hand=hand, mana=np.full(SIDES, PLENTY, np.int16))
        action = self.names.number(order, state)
        if action is None:
            return state
        state, _ = jax.device_get(advance(state._replace(pool=self.pool()), np.int16(action), self.version, False))
        self.names.name_copies(state)
        return state

    def read_board(self, message: Message, before: State):
        """The board of the message; `before` is the opponent's own idea of it, sides exchanged."""
        board = jax.tree.map(lambda x: np.zeros_like(x), self.blank.board)
        board = board._replace(card=np.full_like(board.card, -1))
        expected = board_handles(before)[::-1]
        creatures = [card for card in message.cards if card.location != IN_HAND]
        count = np.zeros((SIDES, LANES), np.int64)
        for card in creatures:
            side, lane = int(card.location != ON_BOARD), card.lane
            if lane not in range(LANES) or count[side, lane] == LANE_SLOTS:
                raise MalformedMessage(f"no room for creature {card.id} in lane {lane}")
            slot = int(count[side, lane])
            count[side, lane] += 1
            there = expected[side][lane]
            handle = self.handle_of(card, side, there[slot] if slot < len(there) else None)
            at = (side, lane, slot)
            board.card[at], board.attack[at], board.defense[at] = handle, card.attack, card.defense
            board.keywords[at], board.ready[at] = card.keywords, side == 0
        if self.names.old_ids:
            self.names.next_copy = max([self.names.next_copy, *(card.id + 1 for card in creatures)])
        return board

    def handle_of(self, card: Shown, side: int, expected: int | None) -> int:
        """The handle of a creature of the board: the one of its id, else `expected`, else a new one."""
        handle = self.names.handles.get(card.id)
        if handle is not None and self.bases[handle >> 1] == card.base:
            return handle
        if expected is None or self.bases[expected >> 1] != card.base:
            expected = 2 * self.enemy_number(card.base, card)
        self.names.give(card.id, expected)
        return expected

    def play(self, action: int) -> Order | None:
        """Play an own action, PASS left out: returns it as the referee reads it."""
        if action == PASS:
            return None
        order = self.names.order(action, self.state)
        state, legal = jax.device_get(advance(self.state, np.int16(action), self.version, False))
        self.state, self.legal = state, legal
        self.names.name_copies(state)
        return order

    def number(self, order: Order) -> int | None:
        """The action that an own order is, or None if it is not legal here."""
        action = self.names.number(order, self.state)
        return action if action is not None and self.legal[action] else None
