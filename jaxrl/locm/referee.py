"""One game under the referee's protocol: messages out, lines in, instance ids between them and the engine.

The engine's state says everything but the names of cards (`names.py`), the order in which creatures were
summoned, and what a message tells of the turn before; the referee keeps those.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.envs.locm.actions import PASS
from jaxrl.envs.locm.battle import act
from jaxrl.envs.locm.cards import Cards, pack, unpack
from jaxrl.envs.locm.deck_stage import with_decks
from jaxrl.envs.locm.legal import battle_legal
from jaxrl.envs.locm.state import DECK_SIZE, SIDES, State, Version, empty_state
from jaxrl.locm.names import Names, board_handles, dealt_id, hand_numbers
from jaxrl.locm.wire import (
    FACE,
    IN_HAND,
    NO_ID,
    ON_BOARD,
    ON_ENEMY_BOARD,
    Event,
    Message,
    Numbers,
    Order,
    Shown,
    read_deck,
    read_orders,
    read_pick,
)

START_RUNE = 25


@partial(jax.jit, static_argnames=("version", "with_turn"))
def advance(state: State, action: jax.Array, version: Version, with_turn: bool = True) -> tuple[State, jax.Array]:
    """Play one action of one game; returns the next state and its legal actions bool `[145]`."""
    after = act(state, action, version, with_turn)
    return after, battle_legal(after)


def printed_card(row: np.ndarray, base: int, name: int) -> Shown:
    """A card as it is printed, in a hand or on offer; `row` are its nine numbers."""
    kind, cost, attack, defense, keywords, own, opponent, draw, area = map(int, row)
    return Shown(base, name, IN_HAND, kind, cost, attack, defense, keywords, own, opponent, draw, area)


def game_bases(game: State, version: Version, card_list: Cards | None) -> list[int]:
    """The numbers by which the protocol calls the cards of a game's pool: 0.. in 1.5, the list's in 1.2."""
    if not version.runes:
        return list(range(version.pool_size))
    assert card_list is not None, "version 1.2 needs the card list"
    listed, pool = np.asarray(pack(card_list)).T, np.asarray(game.pool).T
    bases: list[int] = []
    for words in pool:  # cards with equal numbers are interchangeable, but each is called once
        same = np.flatnonzero((listed == words).all(axis=1)) + 1
        bases.append(next(int(number) for number in same if int(number) not in bases))
    return bases


@dataclass(frozen=True)
class Played:
    """What became of a battle line."""

    orders: int
    illegal: int


class Referee:
    """One game; `winner` is a seat, or None while it goes on."""

    def __init__(self, game: State, bases: Sequence[int], version: Version, old_ids: bool = False):
        """A game before its first pick, as `new_game` draws it, without batch axes.

        `bases` are the numbers by which players call the cards of its pool (`game_bases`).
        """
        self.version, self.names = version, Names(old_ids)
        self.game: State = jax.device_get(game)
        self.bases = list(bases)
        self.picks: tuple[list[int], list[int]] = ([], [])
        self.winner: int | None = None
        self.state: State | None = None
        cards = unpack(self.game.pool)
        self.rows = np.stack([np.asarray(field) for field in cards], axis=1)  # [P, 9]

    @property
    def player(self) -> int:
        """The seat whose turn it is in the battle."""
        assert self.state is not None
        return int(self.state.player)

    def in_battle(self) -> bool:
        """Whether both decks are complete."""
        return self.state is not None

    # The deck stage.

    def offer(self, made: int) -> list[int]:
        """The pool numbers of the cards shown for the next pick after `made` of them."""
        if self.version.runes:
            return [int(number) for number in self.game.offers[made]]
        return list(range(self.version.pool_size))

    def deck_message(self, seat: int) -> Message:
        """What a seat is told when it is to choose."""
        made = len(self.picks[seat])
        rune = START_RUNE if self.version.runes else 0
        shown = made if self.version.runes else 0
        opponent = shown + seat if self.version.runes else 0  # the referee's own way of counting
        cards = [printed_card(self.rows[number], self.bases[number], NO_ID) for number in self.offer(made)]
        own = Numbers(30, 0, shown, 0, rune)
        return Message(own, Numbers(30, 0, opponent, 0, rune), 0, (), tuple(cards))

    def choose(self, seat: int, line: str) -> None:
        """Take a seat's line of the deck stage. Raises MalformedLine, which loses the game."""
        if self.version.runes:
            offer = self.offer(len(self.picks[seat]))
            self.picks[seat].append(offer[read_pick(line, [self.bases[number] for number in offer])])
        else:
            self.picks[seat].extend(read_deck(line, self.version.pool_size))
        if all(len(picks) == DECK_SIZE for picks in self.picks):
            self.begin()

    def begin(self) -> None:
        """Shuffle and deal, and name the cards."""
        numbers = [*self.picks[0], *self.picks[1]]
        place = np.asarray(self.game.place)
        decks = np.zeros((SIDES, DECK_SIZE), np.int16)
        for seat in range(SIDES):
            for pick in range(DECK_SIZE):
                where, number = int(place[seat, pick]), DECK_SIZE * seat + pick
                decks[seat, where] = number
                self.names.give(dealt_id(pick, where, seat, self.version, self.names.old_ids), 2 * number)
        self.card_bases = [self.bases[number] for number in numbers]
        self.card_rows = self.rows[numbers]
        padded = np.resize(numbers, self.version.pool_size)  # as wide as observations expect it
        pool = empty_state(jnp.asarray(self.game.pool)[:, padded], self.version)
        pool = pool._replace(place=place)
        self.state = jax.device_get(with_decks(pool, jnp.asarray(decks)))
        self.legal = np.asarray(jax.jit(battle_legal)(self.state))
        self.order: list[int] = []  # handles in the order in which they were summoned
        self.touched: set[int] = set()  # creatures that have fought or been the target of an item
        self.events: tuple[list[Event], list[Event]] = ([], [])
        self.asked = 1  # cards that the draw of the present turn asked for

    # The battle.

    def battle_message(self) -> Message:
        """What the player to move is told at the start of his turn."""
        state = self.state
        assert state is not None
        health, mana = state.health, state.max_mana
        draws = (self.asked, int(state.shown_draw[1]))
        sides = [
            Numbers(int(health[i]), int(mana[i]), DECK_SIZE - int(state.drawn[i]), draws[i], 5 * int(state.runes[i]))
            for i in range(SIDES)
        ]
        cards = [
            printed_card(self.card_rows[number], self.card_bases[number], self.names.ids[2 * number])
            for number in hand_numbers(state)
        ]
        for side, location in enumerate((ON_BOARD, ON_ENEMY_BOARD)):
            cards += self.board_cards(side, location)
        events = tuple(self.events[1 - self.player])
        return Message(sides[0], sides[1], int((state.hand[1] >= 0).sum()), events, tuple(cards))

    def board_cards(self, side: int, location: int) -> list[Shown]:
        """The creatures of a side in the order in which they were summoned."""
        assert self.state is not None
        board = self.state.board
        found = {}
        for lane, slot in np.argwhere(board.card[side] >= 0):
            at = (side, lane, slot)
            handle = int(board.card[at])
            card = replace(
                printed_card(self.card_rows[handle >> 1], self.card_bases[handle >> 1], self.names.ids[handle]),
                location=location,
                attack=int(board.attack[at]),
                defense=int(board.defense[at]),
                keywords=int(board.keywords[at]),
                lane=int(lane),
            )
            if self.version.runes and handle in self.touched:  # display only: the referee of 1.2 forgets them
                card = replace(card, own_health=0, opponent_health=0, draw=0)
            found[handle] = card
        return [found[handle] for handle in self.order if handle in found]

    def play(self, line: str) -> Played:
        """Play the line of the player to move and end his turn. Raises MalformedLine: nothing is played."""
        orders = read_orders(line)
        seat, illegal, done = self.player, 0, 0
        self.events[seat].clear()
        for order in orders:
            if self.winner is not None:
                break
            done += 1
            illegal += not self.carry_out(order)
        if self.winner is None:
            assert self.state is not None
            self.asked = int(self.state.next_draw[1])
            self.step(PASS)
        return Played(done, illegal)

    def carry_out(self, order: Order) -> bool:
        """Play one action if it is legal; says whether it was."""
        state = self.state
        assert state is not None
        action = self.names.number(order, state)
        if action is None or not self.legal[action]:
            return False
        actor = self.names.handles[order.source]
        if order.verb != "SUMMON":
            self.touched |= {self.names.handles[name] for name in (order.source, order.target) if name != FACE}
        self.events[self.player].append(Event(self.card_bases[actor >> 1], order))
        self.step(action)
        return True

    def step(self, action: int) -> None:
        """Play an action in the engine; name the creatures that have appeared."""
        state, legal = jax.device_get(advance(self.state, np.int16(action), self.version))
        self.state, self.legal = state, legal
        handles = {handle for side in board_handles(state) for lane in side for handle in lane}
        for handle in sorted(handles - set(self.order)):
            self.order.append(handle)
        self.names.name_copies(state)
        self.winner = int(state.winner) if state.winner >= 0 else None
