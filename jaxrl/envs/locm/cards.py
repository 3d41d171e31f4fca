"""Cards of Legends of Code and Magic as arrays.

A card has nine numbers (`Cards`). The 120 cards of a game are kept packed, two 32-bit words a card,
so that looking up a card by its number is two reads instead of nine; `pack` and `unpack` are exact
inverses on the ranges below. Slot axes come first, batch axes last, everywhere in this package:
`[N, *batch]`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:  # a bot starts in less time without the rest of what it imports
    from jaxrl.types import Array

CREATURE, GREEN, RED, BLUE = range(4)
BREAKTHROUGH, CHARGE, DRAIN, GUARD, LETHAL, WARD = (1 << bit for bit in range(6))
KEYWORD_LETTERS = "BCDGLW"
TYPE_NAMES = ("creature", "green", "red", "blue")
LIST_TYPES = {"creature": CREATURE, "itemGreen": GREEN, "itemRed": RED, "itemBlue": BLUE}

# Smallest and largest value of each field that `pack` can hold.
FIELD_RANGES = {
    "type": (0, 3),
    "cost": (0, 15),
    "attack": (-(2**15), 2**15 - 1),
    "defense": (-(2**15), 2**15 - 1),
    "keywords": (0, 63),
    "own_health": (-16, 15),
    "opponent_health": (-16, 15),
    "draw": (0, 7),
    "area": (0, 2),
}


class Cards(NamedTuple):
    """Card fields, each of the same shape; int32 where unpacked, any integer type otherwise."""

    type: Array  # 0 creature, 1 green, 2 red, 3 blue item
    cost: Array
    attack: Array
    defense: Array
    keywords: Array  # bit set of BREAKTHROUGH .. WARD
    own_health: Array  # health change of the player of the card
    opponent_health: Array  # health change of the other player
    draw: Array  # extra cards at the start of the player's next turn
    area: Array  # 0 target, 1 lane, 2 both lanes


def pack(cards: Cards) -> Array:
    """Cards with fields `[*shape]` -> words int32 `[2, *shape]`."""
    c = Cards(*(jnp.asarray(field).astype(jnp.int32) for field in cards))
    rest = c.type | c.cost << 2 | c.keywords << 6 | c.area << 12 | c.draw << 14
    rest = rest | (c.own_health + 16) << 17 | (c.opponent_health + 16) << 22
    return jnp.stack([(c.attack & 0xFFFF) | c.defense << 16, rest])


def unpack(words: Array) -> Cards:
    """Words int32 `[2, *shape]` -> Cards with fields int32 `[*shape]`."""
    strength, rest = words[0], words[1]
    return Cards(
        type=rest & 3,
        cost=rest >> 2 & 15,
        attack=strength << 16 >> 16,  # the shifts carry the sign
        defense=strength >> 16,
        keywords=rest >> 6 & 63,
        own_health=(rest >> 17 & 31) - 16,
        opponent_health=(rest >> 22 & 31) - 16,
        draw=rest >> 14 & 7,
        area=rest >> 12 & 3,
    )


def keyword_bits(letters: str) -> int:
    """The bit set of a keyword column such as "B--G--" (absent keywords are dashes)."""
    unknown = set(letters) - set(KEYWORD_LETTERS) - {"-"}
    if unknown:
        raise ValueError(f"unknown keywords {sorted(unknown)} in {letters!r}")
    return sum(1 << bit for bit, letter in enumerate(KEYWORD_LETTERS) if letter in letters)


def keyword_letters(bits: int) -> str:
    """The keyword column of a bit set: 9 -> "B--G--"."""
    present = (bool(bits >> bit & 1) for bit in range(6))
    return "".join(x if on else "-" for x, on in zip(KEYWORD_LETTERS, present, strict=True))


def from_rows(rows: list[tuple[int, ...]]) -> Cards:
    """Rows of nine numbers in the order of `Cards` -> fields int32 `[N]`; checks the ranges."""
    table = np.asarray(rows, np.int32).reshape(-1, len(Cards._fields))
    for name, column in zip(Cards._fields, table.T, strict=True):
        low, high = FIELD_RANGES[name]
        if column.size and (column.min() < low or column.max() > high):
            raise ValueError(f"card field {name} outside {low}..{high}")
    return Cards(*(np.ascontiguousarray(column) for column in table.T))


def load_card_list(path: str | Path) -> tuple[Cards, list[str]]:
    """The card list of version 1.2 from the competition's file; fields `[160]` and the names.

    A line is `id ; name ; type ; cost ; attack ; defense ; keywords ; own ; opponent ; draw ; text`.

    Raises:
        OSError, ValueError: it cannot be read, or a line is no card.
    """
    rows, names, seen = [], [], set()
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        columns = [column.strip() for column in line.split(";")]
        try:
            number_of_card, name, kind, cost, attack, defense, letters, own, opponent, draw = columns[:10]
            if number_of_card in seen:
                raise ValueError(f"card {number_of_card} is listed twice")
            seen.add(number_of_card)
            numbers = [int(x) for x in (cost, attack, defense)]
            effects = [int(x) for x in (own, opponent, draw)]
            rows.append((LIST_TYPES[kind], *numbers, keyword_bits(letters), *effects, 0))
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path}, line {number}: not a card: {line!r} ({error})") from error
        names.append(name)
    return from_rows(rows), names
