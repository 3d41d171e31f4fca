"""Replay games recorded by the referee and compare every state and every list of legal actions.

    jaxrl replay locm FILE...        (text or .gz; exit status 1 at any difference)

The record, one item a line: `G n` game; `C p id base type cost att def kw own opponent draw [area]` a
card of player p's deck, in draw order (with `area` the game is of version 1.5, without of 1.2);
`S turn player winner | hp mana maxMana nextDraw deck [rune] h ids.. b id,lane,att,def,kw,ready .. | ..`
a state; `L;legal;..` the legal actions; `A action`; `W winner`. Actions name cards by instance id.

Recorded actions are put into numbers by the recorded states alone, and the engine plays a whole batch
of games in one jitted scan; only then its states are written out in the record's form and compared. So
a wrong state never bends the comparison of the next one.
"""

import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.envs.locm.actions import PASS
from jaxrl.envs.locm.battle import act
from jaxrl.envs.locm.cards import Cards, from_rows, keyword_bits, pack
from jaxrl.envs.locm.deck_stage import with_decks
from jaxrl.envs.locm.legal import battle_legal
from jaxrl.envs.locm.state import DECK_SIZE, V12, V15, State, Version, empty_state
from jaxrl.errors import ConfigError
from jaxrl.locm.recorded.notation import action_number, legal_names, parse_side, state_line

GZIP = b"\x1f\x8b"  # how a compressed file begins
CARDS = 2 * DECK_SIZE
# Batches are padded to a power of two of steps and to a multiple of games: few programs to compile.
MIN_STEPS, LANES_BLOCK = 64, 8


@dataclass
class Game:
    """One recorded game: its deck cards, and its lines with their line numbers."""

    file: str
    name: str
    version: Version = V15
    rows: list[tuple[int, ...]] = field(default_factory=list)  # card fields, 30 of player 0 first
    ids: list[int] = field(default_factory=list)  # instance ids in the same order
    seats: list[int] = field(default_factory=list)
    states: list[tuple[int, str]] = field(default_factory=list)
    legals: dict[int, tuple[int, str]] = field(default_factory=dict)  # by index of their state
    actions: dict[int, tuple[int, str]] = field(default_factory=dict)
    winner: tuple[int, str] | None = None


@dataclass
class Report:
    """What a comparison found."""

    games: int = 0
    states: int = 0
    legals: int = 0
    differences: int = 0
    first: str = ""

    def differ(self, game: Game, number: int, what: str, recorded: str, played: str) -> None:
        """Count a difference; keep the explanation of the first."""
        self.differences += 1
        if not self.first:
            where = f"{game.file}, line {number}, game {game.name}"
            self.first = f"{where}: {what}\n  recorded: {recorded}\n  engine:   {played}"

    def text(self) -> str:
        """What was compared, and the first difference."""
        compared = f"{self.games} games, {self.states} states and {self.legals} legal-action lists compared"
        return f"{compared}, {self.differences} differences" + (
            f"\nfirst difference: {self.first}" if self.first else ""
        )


class NotationError(ConfigError):
    """A file is not a record of games."""


def read_games(path: str | Path) -> Iterator[Game]:
    """The games of a record file."""
    opener = gzip.open if str(path).endswith(".gz") else open
    game: Game | None = None
    number, line = 0, ""
    try:
        with open(path, "rb") as file:
            if file.read(2) == GZIP and opener is open:
                raise NotationError(f"{path} is compressed, and its name does not end in .gz; rename it")
        with opener(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(map(str.rstrip, lines), start=1):
                if line.startswith("G"):
                    if game is not None:
                        yield check_game(game)
                    game = Game(str(path), line.split()[1])
                elif line and game is None:
                    raise ValueError("no game has begun")
                elif line and game is not None:
                    add_line(game, line, number)
    except NotationError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise NotationError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    except UnicodeDecodeError as error:
        raise NotationError(f"{path} is no text in UTF-8 behind line {number} ({error.reason}); convert it") from error
    except (ValueError, IndexError) as error:
        reason = "words are missing" if isinstance(error, IndexError) else error
        raise NotationError(f"{path}, line {number}, is no line of a record ({reason}): {line[:120]!r}") from error
    if game is None:
        raise NotationError(f"{path}: no games in this file")
    yield check_game(game)


def add_line(game: Game, line: str, number: int) -> None:
    """Put one line of a record into its game."""
    kind = line[0]
    if kind == "C":
        words = line.split()
        game.version = V15 if len(words) == 13 else V12
        numbers = [int(word) for word in words[4:8]]
        effects = [int(word) for word in words[9:12]]
        area = int(words[12]) if len(words) == 13 else 0
        game.seats.append(int(words[1]))
        game.ids.append(int(words[2]))
        game.rows.append((*numbers, keyword_bits(words[8]), *effects, area))
    elif kind == "S":
        check_state(line)
        game.states.append((number, line))
    elif kind in "LA" and not game.states:
        raise ValueError("no state before it")
    elif kind == "L":
        game.legals[len(game.states) - 1] = (number, line)
    elif kind == "A" and line[1:].split():
        game.actions[len(game.states) - 1] = (number, line[2:].strip())
    elif kind == "W":
        game.winner = (number, line[2:].strip())
    else:
        raise ValueError("not a record line")


def check_state(line: str) -> None:
    """Refuse a state that cannot be read."""
    head, *sides = line.split("|")
    if len(sides) != 2 or int(head.split()[2]) not in (0, 1):
        raise ValueError("not a state of two players")
    for side in sides:
        parse_side(side)


def check_game(game: Game) -> Game:
    """Refuse a game without two whole decks, whose cards cannot be, or that was cut."""
    if game.seats != [0] * DECK_SIZE + [1] * DECK_SIZE:
        raise NotationError(f"{game.file}, game {game.name}: not 30 cards of player 0 and 30 of 1")
    if not game.states:
        raise NotationError(f"{game.file}, game {game.name}: no states")
    if game.winner is None:
        raise NotationError(f"{game.file}, game {game.name}: no winner, so the recording was cut; fetch the whole file")
    try:
        from_rows(game.rows)
    except ValueError as error:
        raise NotationError(f"{game.file}, game {game.name}: {error}") from error
    return game


def start(games: Sequence[Game], version: Version) -> State:
    """The games at the start of their battles; each game's pool is its 60 deck cards."""
    tables = [from_rows(game.rows) for game in games]
    pool = pack(Cards(*(np.stack(columns, axis=-1) for columns in zip(*tables, strict=True))))
    decks = jnp.arange(CARDS, dtype=jnp.int16).reshape((2, DECK_SIZE, 1))
    return with_decks(empty_state(pool, version), jnp.broadcast_to(decks, (2, DECK_SIZE, len(games))))


def changing(state: State) -> State:
    """The parts of a state that a battle changes."""
    return state._replace(pool=(), offers=(), copies=(), place=(), deck=())


@partial(jax.jit, static_argnames="version")
def play_batch(state: State, actions: jax.Array, version: Version) -> tuple[State, jax.Array]:
    """Play actions `[T, B]` -> the states before each action and after the last, `[T+1, ..., B]`, and
    the legal masks `[T+1, 145, B]`."""

    def step(state: State, action: jax.Array):
        return act(state, action, version), (changing(state), battle_legal(state))

    final, (states, legal) = jax.lax.scan(step, state, actions)
    last = (changing(final), battle_legal(final))
    return jax.tree.map(lambda x, y: jnp.concatenate([x, y[None]]), (states, legal), last)


def compare(games: Sequence[Game], report: Report) -> None:
    """Play games of one version as a batch and add what differs to the report."""
    version = games[0].version
    steps = 2 ** math.ceil(math.log2(max(MIN_STEPS, *(len(game.states) for game in games))))
    lanes = [*games, *[games[-1]] * (-len(games) % LANES_BLOCK)]
    actions = np.full((steps, len(lanes)), PASS, np.int32)
    for column, game in enumerate(games):
        for index, (_, text) in game.actions.items():
            actions[index, column] = action_number(text, game.states[index][1], game.ids)
    states, legal = jax.device_get(play_batch(start(lanes, version), jnp.asarray(actions), version))
    for column, game in enumerate(games):
        report.games += 1
        trace = jax.tree.map(lambda x, column=column: x[..., column], states)
        compare_game(game, trace, legal[..., column], report)


def compare_game(game: Game, trace: State, legal: np.ndarray, report: Report) -> None:
    """Compare one game's lines with the engine's trace of it, `[T+1, ...]`."""
    for index, (number, recorded) in enumerate(game.states):
        state = jax.tree.map(lambda x, index=index: x[index], trace)
        report.states += 1
        played = state_line(state, game.ids, game.version)
        if normal_state(recorded) != normal_state(played):
            last = game.actions.get(index - 1)
            after = f"state after {last[1]!r}" if last else "first state"
            report.differ(game, number, f"{after} differs", recorded, played)
        if index in game.legals:
            report.legals += 1
            number, line = game.legals[index]
            names = legal_names(legal[index], state, game.ids)
            if sorted(line.split(";")[1:]) != sorted(names):
                report.differ(game, number, "legal actions differ", line, ";".join(["L", *sorted(names)]))
    assert game.winner is not None  # `check_game`
    winner = str(int(trace.winner[len(game.states) - 1]))
    if winner != game.winner[1]:
        report.differ(game, game.winner[0], "winner differs", game.winner[1], winner)


def normal_state(line: str) -> list[list[str]]:
    """A state line with each side's creatures sorted by lane; within a lane the order counts.

    The record lists a side's creatures in one sequence over both lanes; the engine keeps a list for
    each lane, and no rule depends on the order between lanes.
    """
    parts = [part.split() for part in line.split("|")]
    for part in parts[1:]:
        first = part.index("b") + 1
        part[first:] = sorted(part[first:], key=lambda creature: creature.split(",")[1])
    return parts


def check_files(paths: Sequence[str | Path], batch: int = 128) -> Report:
    """Replay all games of the files and compare every recorded line."""
    report = Report()
    for path in paths:
        waiting: dict[Version, list[Game]] = {V15: [], V12: []}
        for game in read_games(path):
            queue = waiting[game.version]
            queue.append(game)
            if len(queue) == batch:
                compare(queue, report)
                queue.clear()
        for queue in waiting.values():
            if queue:
                compare(queue, report)
    return report
