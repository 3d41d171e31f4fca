"""Games recorded under the referee's protocol, every message and answer, as a Referee that can play them again."""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from jaxrl.envs.locm.cards import from_rows, pack
from jaxrl.envs.locm.state import DECK_SIZE, VERSIONS, Version, empty_state
from jaxrl.locm.referee import Referee
from jaxrl.locm.wire import Message, read_deck, read_message, read_pick

DATA = Path(__file__).parents[1] / "locm" / "data"


@dataclass
class Exchange:
    """A message to a seat, as lines and read, and its answer."""

    seat: int
    lines: list[str]
    message: Message
    answer: str


@dataclass
class Recorded:
    """One game."""

    version: Version
    winner: int
    decks: list[list[int]]  # by seat: id, base, id, base, .. from the top
    exchanges: list[Exchange]

    def referee(self) -> Referee:
        """The game before its first pick, with the cards, triples and shuffles of the record."""
        choices = [x for x in self.exchanges if not x.message.in_battle]
        rows = {card.base: card.row() for x in choices for card in x.message.cards}
        bases = sorted(rows)
        game = empty_state(pack(from_rows([rows[base] for base in bases])), self.version)
        if self.version.runes:
            triples = [[bases.index(card.base) for card in x.message.cards] for x in choices if x.seat == 0]
            game = game._replace(offers=np.array(triples, np.int16))
        place = np.array([self.places(seat) for seat in (0, 1)], np.int16)
        return Referee(game._replace(place=place), bases, self.version)

    def picks(self, seat: int) -> list[int]:
        """The bases that a seat chose, in order."""
        own = [x for x in self.exchanges if x.seat == seat and not x.message.in_battle]
        if not self.version.runes:
            return read_deck(own[0].answer, self.version.pool_size)
        offers = [[card.base for card in x.message.cards] for x in own]
        return [offer[read_pick(x.answer, offer)] for x, offer in zip(own, offers, strict=True)]

    def places(self, seat: int) -> list[int]:
        """Where in the deck each pick went."""
        ids, bases = self.decks[seat][::2], self.decks[seat][1::2]
        if not self.version.runes:
            return [ids.index(2 * (DECK_SIZE * seat + pick)) for pick in range(DECK_SIZE)]
        places: list[int] = []
        for base in self.picks(seat):  # equal cards are interchangeable
            places.append(next(i for i, other in enumerate(bases) if other == base and i not in places))
        return places


@cache
def recorded_games(version: str) -> list[Recorded]:
    """The recorded games of a version."""
    rules, games = VERSIONS[version], []
    path = DATA / f"golden_protocol{version.replace('.', '')}.jsonl.gz"
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        record = json.loads(line)
        exchanges = [
            Exchange(m["seat"], m["in"], read_message(iter(m["in"]).__next__, rules), m["out"])
            for m in record["messages"]
        ]
        decks = [[int(word) for word in deck.split()] for deck in record["decks"]]
        games.append(Recorded(rules, record["winner"], decks, exchanges))
    return games
