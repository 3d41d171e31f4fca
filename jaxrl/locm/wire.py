"""The referee's wire format: a message to a player as text and as a record, and a player's line.

A message shows one player his side of the game; he answers with one line. In version 1.5 a player's
numbers have no rune and a card has an area; in version 1.2 it is the other way round. Instance ids and
what they mean are the referee's business (`referee.py`) and the reader's (`sight.py`), not the format's.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from jaxrl.envs.locm.cards import keyword_bits, keyword_letters
from jaxrl.envs.locm.state import DECK_SIZE, HAND_SLOTS, Version

IN_HAND, ON_BOARD, ON_ENEMY_BOARD = 0, 1, -1
FACE, NOWHERE, NO_ID = -1, -1, -1
VERBS = ("SUMMON", "ATTACK", "USE")
NUMBER = re.compile(r"[+-]?[0-9]{1,99}\Z", re.ASCII)  # Python reads no number of thousands of digits
JAVA_BLANKS = "".join(map(chr, range(33)))  # what Java's trim() takes off
MAX_CARDS, MAX_EVENTS = 200, 1000


class MalformedMessage(ValueError):
    """Text that is not a message of the referee; says which line and why."""


class MalformedLine(ValueError):
    """A player's line that the referee cannot read: it loses the game."""


@dataclass(frozen=True)
class Order:
    """One action of a battle line: a verb and the two numbers behind it."""

    verb: str
    source: int
    target: int

    def text(self) -> str:
        """The action as a player prints it."""
        return f"{self.verb} {self.source} {self.target}"


@dataclass(frozen=True)
class Event:
    """An action of the opponent's last turn, with the number of the card that acted."""

    base: int
    order: Order


@dataclass(frozen=True)
class Numbers:
    """A player's numbers."""

    health: int
    mana: int
    deck: int
    draw: int
    rune: int = 0  # 1.2


@dataclass(frozen=True)
class Shown:
    """A card of a message."""

    base: int
    id: int
    location: int
    type: int
    cost: int
    attack: int
    defense: int
    keywords: int
    own_health: int
    opponent_health: int
    draw: int
    area: int = 0  # 1.5
    lane: int = NOWHERE

    def row(self) -> tuple[int, ...]:
        """The nine numbers of the card, in the order of `Cards`."""
        effects = (self.own_health, self.opponent_health, self.draw, self.area)
        return (self.type, self.cost, self.attack, self.defense, self.keywords, *effects)


@dataclass(frozen=True)
class Message:
    """All that the referee tells a player at once; `cards` are the choices in the deck stage."""

    own: Numbers
    opponent: Numbers
    opponent_hand: int
    events: tuple[Event, ...]
    cards: tuple[Shown, ...]

    @property
    def in_battle(self) -> bool:
        """Whether this is a turn of the battle: mana is 0 in the deck stage and only there."""
        return self.own.mana > 0


def message_lines(message: Message, version: Version) -> list[str]:
    """A message as the referee writes it."""
    lines = [numbers_line(message.own, version), numbers_line(message.opponent, version)]
    lines.append(f"{message.opponent_hand} {len(message.events)}")
    lines += [f"{event.base} {event.order.text()}" for event in message.events]
    lines.append(str(len(message.cards)))
    return lines + [card_line(card, version) for card in message.cards]


def numbers_line(numbers: Numbers, version: Version) -> str:
    """A player's numbers as a line."""
    rune = (numbers.rune,) if version.runes else ()
    return " ".join(map(str, (numbers.health, numbers.mana, numbers.deck, *rune, numbers.draw)))


def card_line(card: Shown, version: Version) -> str:
    """A card as a line; the referee leaves a blank at its end."""
    area = () if version.runes else (card.area,)
    head = (card.base, card.id, card.location, card.type, card.cost, card.attack, card.defense)
    tail = (card.own_health, card.opponent_health, card.draw, *area, card.lane)
    return " ".join(map(str, (*head, keyword_letters(card.keywords), *tail))) + " "


def read_message(next_line: Callable[[], str], version: Version) -> Message:
    """Read exactly the lines of one message. `next_line` raises at the end of input.

    Raises MalformedMessage, with the lines read so far gone.
    """

    def integers(line: str, width: int) -> list[int]:
        words = line.split()
        if len(words) != width or not all(NUMBER.match(word) for word in words):
            raise MalformedMessage(f"expected {width} numbers, got {line[:80]!r}")
        return [int(word) for word in words]

    def numbers() -> Numbers:
        health, mana, deck, *rune, draw = integers(next_line(), 5 if version.runes else 4)
        return Numbers(health, mana, deck, draw, *rune)

    def count(value: int, largest: int) -> int:
        if not 0 <= value <= largest:
            raise MalformedMessage(f"a count of {value} is not between 0 and {largest}")
        return value

    own, opponent = numbers(), numbers()
    hand, size = integers(next_line(), 2)
    events = tuple(read_event(next_line()) for _ in range(count(size, MAX_EVENTS)))
    (size,) = integers(next_line(), 1)
    cards = tuple(read_card(next_line(), version) for _ in range(count(size, MAX_CARDS)))
    return Message(own, opponent, count(hand, HAND_SLOTS), events, cards)


def read_event(line: str) -> Event:
    """An action of the opponent: "base VERB id id"."""
    words = line.split()
    if len(words) < 4 or words[1] not in VERBS or not all(NUMBER.match(words[i]) for i in (0, 2, 3)):
        raise MalformedMessage(f"expected an action such as '3 SUMMON 14 1', got {line[:80]!r}")
    return Event(int(words[0]), Order(words[1], int(words[2]), int(words[3])))


def read_card(line: str, version: Version) -> Shown:
    """A card of a message."""
    words = line.split()
    width = 12 if version.runes else 13
    try:
        if len(words) != width or len(words[7]) != 6:
            raise ValueError(f"a card has {width} words")
        base, name, location, kind, cost, attack, defense = (int(word) for word in words[:7])
        own, opponent, draw, *area, lane = (int(word) for word in words[8:])
        keywords = keyword_bits(words[7])
        strength = (kind, cost, attack, defense, keywords)
        return Shown(base, name, location, *strength, own, opponent, draw, area[0] if area else 0, lane)
    except ValueError as error:
        raise MalformedMessage(f"not a card: {line[:80]!r} ({error})") from error


def java_integer(word: str) -> int:
    """A number as Java's `parseInt` takes it; MalformedLine otherwise."""
    if not NUMBER.match(word) or not -(2**31) <= int(word) < 2**31:
        raise MalformedLine(f"{word[:40]!r} is not a number")
    return int(word)


def split_actions(line: str) -> list[str]:
    """The actions of a line, without the empty ones."""
    parts = (part.strip(JAVA_BLANKS) for part in line.split(";"))
    return [part for part in parts if part]


def read_orders(line: str) -> list[Order]:
    """The actions of a battle line, PASS left out. Raises MalformedLine; nothing of it is played then."""
    orders = []
    for action in split_actions(line):
        verb, *words = action.split(" ", 3)
        if verb == "PASS":
            continue
        if verb not in VERBS:
            raise MalformedLine(f"{action[:40]!r} is no action")
        if len(words) < 2:
            raise MalformedLine(f"{action[:40]!r} lacks a number")
        orders.append(Order(verb, java_integer(words[0]), java_integer(words[1])))
    return orders


def read_deck(line: str, pool_size: int, copies: int = 2) -> list[int]:
    """The 30 choices of a construction line (1.5), by pool number. Raises MalformedLine.

    PASS alone fills the deck with the first cards that have copies left; with a text it takes one.
    """
    chosen: list[int] = []

    def first() -> int:
        return next(number for number in range(pool_size) if chosen.count(number) < copies)

    for action in split_actions(line):
        verb, *words = action.split(" ", 2)
        if verb == "PASS" and not words:
            while len(chosen) < DECK_SIZE:
                chosen.append(first())
        elif verb == "PASS":
            chosen.append(first())
        elif verb == "CHOOSE" and words:
            number = java_integer(words[0])
            if not 0 <= number < pool_size or chosen.count(number) >= copies:
                raise MalformedLine(f"card {number} cannot be chosen")
            chosen.append(number)
        else:
            raise MalformedLine(f"{action[:40]!r} is no choice of a card")
    if len(chosen) != DECK_SIZE:
        raise MalformedLine(f"a deck has {DECK_SIZE} cards, not {len(chosen)}")
    return chosen


def read_pick(line: str, offer: list[int]) -> int:
    """The choice of a draft line (1.2), 0 to 2, where `offer` are the three cards' numbers.

    The line is neither split nor trimmed. Raises MalformedLine.
    """
    verb, *words = line.split(" ", 2)
    if verb == "PASS":
        return 0
    if verb in ("PICK", "CHOOSE") and words:
        choices = list(range(len(offer))) if verb == "PICK" else offer
        number = java_integer(words[0])
        if number in choices:
            return choices.index(number)
    raise MalformedLine(f"{line[:40]!r} is no pick")
