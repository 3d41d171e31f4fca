"""Matches against any outside bot: a command that speaks the referee's protocol, one process a game.

Our player sits on the other side of the same protocol, so it sees what the bot sees. An answer that is
late or malformed loses the game and is counted; illegal actions are skipped and counted, as the referee
does. A bot that ends, or that does not answer at all in its first game or in two in a row, ends the
match. Every wait is bounded, and a bot's whole process group is killed with its game.
"""

import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

import jax
import numpy as np

from jaxrl.envs.locm.cards import Cards
from jaxrl.envs.locm.state import State, Version
from jaxrl.errors import UserError
from jaxrl.locm.bot import Bot, Chooser, Restarts, warm_up
from jaxrl.locm.contest import Late, Outcome, conduct
from jaxrl.locm.match import Match, mirrored_games, standing
from jaxrl.locm.referee import Referee, game_bases
from jaxrl.locm.wire import Message, message_lines

SILENCE = 5.0  # seconds beyond the limit after which a late bot counts as silent
LONGEST_LINE = 1 << 16
WHOLE_PIPE = 1 << 20  # as large as a bot can make one
LAST_WORDS = 2000  # bytes kept of standard error
TOLD_PAIRS = 5  # of games, between two words about how far a match is
END_WAIT = 5.0  # seconds for a killed process to be gone


class Gone(UserError):
    """An outside bot has ended, fallen silent, or cannot be started."""


class Silent(Gone):
    """An outside bot gives no answer; a single time it is a game lost by time-out."""


class Outside:
    """A bot's process for one game. A context manager: its process group is killed at the end."""

    def __init__(self, command: str):
        """Start the command; raises Gone if there is no such program."""
        self.command, self.pending = command, b""
        self.times: list[float] = []  # of its answers, in seconds
        self.complaints = b""  # the last bytes of its standard error
        try:
            self.process = subprocess.Popen(
                shlex.split(command) or [""],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            raise Gone(f"the bot {command!r} cannot be started: {error}") from error
        self.input, self.output, self.errors = (stream.fileno() for stream in self.streams())
        for descriptor in (self.input, self.output, self.errors):
            os.set_blocking(descriptor, False)

    def streams(self) -> list[IO[bytes]]:
        """Its input, its output and its standard error."""
        return [stream for stream in (self.process.stdin, self.process.stdout, self.process.stderr) if stream]

    def __enter__(self) -> "Outside":
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the process group, whatever it is doing."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # then it is in the kernel's hands
            self.process.wait(END_WAIT)
        for stream in self.streams():
            stream.close()

    def ask(self, lines: Sequence[str], limit: float) -> str:
        """Send a message and wait for a line. Raises Late after `limit` seconds, Gone after SILENCE more.

        What the bot has printed without having been asked is dropped.
        """
        started = time.monotonic()
        end = started + limit + SILENCE
        self.drop_output()
        self.send("".join(line + "\n" for line in lines).encode(), end)
        while b"\n" not in self.pending:
            self.wait(self.output, selectors.EVENT_READ, end)
            piece = os.read(self.output, LONGEST_LINE)
            if not piece:
                raise Gone(f"the bot {self.command!r} has ended{self.last_words()}")
            self.pending += piece
            if len(self.pending) > LONGEST_LINE:
                raise Gone(f"the bot {self.command!r} prints a line without end")
        line, _, self.pending = self.pending.partition(b"\n")
        taken = time.monotonic() - started
        self.times.append(taken)
        if taken > limit:
            raise Late(f"answered after {taken:.2f} s, the limit is {limit:g} s")
        return line.decode(errors="replace").removesuffix("\r")

    def drop_output(self) -> None:
        """Throw away what has been printed so far."""
        self.pending = b""
        with suppress(BlockingIOError):
            os.read(self.output, WHOLE_PIPE)  # once, as it may print faster than this reads

    def send(self, data: bytes, end: float) -> None:
        """Write a message, however slowly the bot reads."""
        while data:
            self.wait(self.input, selectors.EVENT_WRITE, end)
            try:
                data = data[os.write(self.input, data) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise Gone(f"the bot {self.command!r} has ended{self.last_words()}") from error

    def wait(self, descriptor: int, event: int, end: float) -> None:
        """Wait until a pipe is ready, and listen to standard error meanwhile; raises Silent at the time `end`."""
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, event)
            selector.register(self.errors, selectors.EVENT_READ)
            while True:
                left = end - time.monotonic()
                ready = [key.fd for key, _ in selector.select(max(0.0, left))]
                if descriptor in ready:
                    return
                if left <= 0:
                    after = "at its first message" if not self.times else f"after {len(self.times)} answers"
                    raise Silent(f"the bot {self.command!r} is silent {after}")
                if self.errors in ready and not self.hear():
                    selector.unregister(self.errors)

    def hear(self) -> bool:
        """Take in what is on standard error, and keep the last of it; False at its end."""
        with suppress(BlockingIOError):
            piece = os.read(self.errors, WHOLE_PIPE)
            self.complaints = (self.complaints + piece)[-LAST_WORDS:]
            return bool(piece)
        return True

    def last_words(self) -> str:
        """Its exit status, if it has one already, and the last line of its standard error."""
        try:
            status = f" with status {self.process.wait(1.0)}"
        except subprocess.TimeoutExpired:
            status = ", or has closed its output"
        self.hear()
        words = self.complaints.decode(errors="replace").strip().splitlines()
        return f"{status}: {words[-1][:200]}" if words else status


@dataclass
class Faults:
    """What went wrong in a match, by player (ours first)."""

    illegal: list[int] = field(default_factory=lambda: [0, 0])
    late: list[int] = field(default_factory=lambda: [0, 0])
    malformed: list[int] = field(default_factory=lambda: [0, 0])
    first: str = ""
    slowest: list[float] = field(default_factory=lambda: [0.0, 0.0])  # of the outside bot: its first answer, the others

    def add(self, outcome: Outcome, seats: tuple[int, int], game: int, times: Sequence[float]) -> None:
        """Count a game in which player i sat at `seats[i]` and the outside bot took `times`."""
        self.slowest = [max([old, *new]) for old, new in zip(self.slowest, (times[:1], times[1:]), strict=True)]
        for player, seat in enumerate(seats):
            self.illegal[player] += outcome.illegal[seat]
        if outcome.fault is not None:
            seat, kind, words = outcome.fault
            getattr(self, kind)[seats.index(seat)] += 1
            self.first = self.first or f"game {game + 1}, {kind}: {words}"

    def report(self, names: tuple[str, str]) -> str:
        """In words."""
        lines = [
            f"{name}: {illegal} illegal actions, {late} games lost by time-out, {malformed} by malformed lines"
            for name, illegal, late, malformed in zip(names, self.illegal, self.late, self.malformed, strict=True)
        ]
        lines.append(f"{names[1]}: slowest first answer {self.slowest[0]:.2f} s, slowest other {self.slowest[1]:.2f} s")
        return "\n".join(lines + [f"the first fault: {self.first}"] * bool(self.first))


def play_game(
    referee: Referee, chooser: Chooser, command: str, our_seat: int, time_factor: float = 1.0
) -> tuple[Outcome, list[float]]:
    """One game of a chooser at `our_seat` against a command: how it ended, and the bot's times in seconds."""
    bot = Bot(chooser, referee.version, turn_seconds=float("inf"))
    with Outside(command) as outside:

        def ask(seat: int, message: Message, limit: float) -> str:
            if seat == our_seat:
                return bot.answer(message)
            return outside.ask(message_lines(message, referee.version), limit * time_factor)

        return conduct(referee, ask), outside.times


def match_outside(
    name: str,
    make_chooser: Callable[[int], Chooser],
    command: str,
    version: Version,
    games: int,
    seed: int = 0,
    card_list: Cards | None = None,
    time_factor: float = 1.0,
    old_ids: bool = False,
    tell: Callable[[str], object] = str,
) -> tuple[Match, Faults]:
    """Play `games` games (rounded up to whole pairs) of a chooser against a command.

    `make_chooser(pair)` gives the chooser of a game, the same in both games of a pair. `time_factor`
    stretches the contest's limits for a slow machine; `tell` is told how far it is. Raises Gone if the
    bot ends or stays silent.
    """
    pairs, faults, started, silent = -(-games // 2), Faults(), time.perf_counter(), True
    wins, actions = np.zeros((pairs, 2)), 0
    deal = jax.jit(lambda key: mirrored_games(key, version, 1, card_list))
    for pair in range(pairs):
        both: State = jax.device_get(deal(jax.random.fold_in(jax.random.key(seed), pair)))
        for seat in (0, 1):
            game = jax.tree.map(lambda x, seat=seat: x[..., seat], both)
            referee = Referee(game, game_bases(game, version, card_list), version, old_ids)
            number = 2 * pair + seat
            try:
                outcome, times = play_game(referee, make_chooser(pair), command, seat, time_factor)
                silent = False
            except Gone as error:
                if silent or not isinstance(error, Silent):
                    raise Gone(f"{error} (game {number + 1} of {2 * pairs})") from error
                outcome, times, silent = Outcome(seat, (1 - seat, "late", str(error))), [], True
            faults.add(outcome, (seat, 1 - seat), number, times)
            wins[pair, seat] = 0.5 if outcome.winner is None else float(outcome.winner == seat)
            actions += sum(outcome.actions)
        if (pair + 1) % TOLD_PAIRS == 0 or pair + 1 == pairs:
            tell(f"{standing(wins[: pair + 1], pairs)}; lost by time-out {faults.late[0]}, by the bot {faults.late[1]}")
    result = Match(
        players=(name, command),
        version=version.name,
        wins=wins,
        actions=actions / (2 * pairs),
        truncated=int((wins == 0.5).sum()),
        seconds=time.perf_counter() - started,
    )
    return result, faults


def pair_choosers(chooser: Restarts, version: Version, seed: int = 0) -> Callable[[int], Chooser]:
    """The chooser of each pair of games: compiled once, with other random numbers for each pair."""
    warm_up(chooser, version)

    def make(pair: int) -> Chooser:
        chooser.restart(seed + pair)
        return chooser

    return make
