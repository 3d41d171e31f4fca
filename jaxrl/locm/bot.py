"""A bot for the contest: any player of ours on the referee's protocol, on standard input and output.

It decides from what the messages tell (`sight.py`), answers each with one line, never names an illegal
action, and ends quietly with its input. A message that cannot be read costs one sentence on standard
error and is answered with PASS, which is legal in both stages.
"""

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

import jax
import numpy as np

from jaxrl.envs.locm.actions import PASS
from jaxrl.envs.locm.state import DECK_SIZE, State, Version, in_battle
from jaxrl.locm.players import Player
from jaxrl.locm.sight import Sight
from jaxrl.locm.wire import MalformedMessage, Message, read_message

if TYPE_CHECKING:
    from jax import Array

MAX_ACTIONS = 64  # of a turn; the longest of 22,000 recorded turns had ten
TURN_SECONDS = 0.15  # after which a turn ends with what it has, of the 0.2 that the contest allows
FIRST_LINE = re.compile(r"\s*-?\d+(\s+-?\d+){3,4}\s*\Z", re.ASCII)


class Chooser(Protocol):
    """Decides for one seat. A new one is made for every game, so it may keep a memory."""

    def __call__(self, state: State, legal: np.ndarray) -> int:
        """An action of the stage that `state` is in, among `legal` bool `[145]`.

        The state has no batch axes and nothing hidden in it: `observe(state, version)` is what a policy
        was trained on.
        """
        ...


class Restarts(Chooser, Protocol):
    """A chooser that can begin another game."""

    def restart(self, seed: int) -> None:
        """Forget the last game and its random numbers."""
        ...


class PlayerChooser:
    """A player of `PLAYERS` as a chooser; both of its functions are compiled before the game."""

    def __init__(self, player: Player, seed: int = 0):
        """The player, and the seed of what it draws."""
        self.card, self.action = jax.jit(player.choose_card), jax.jit(player.choose_action)
        self.restart(seed)

    def restart(self, seed: int) -> None:
        """Begin a new game with new random numbers."""
        self.key, self.count = jax.random.key(seed), 0

    def next_key(self) -> "Array":
        """A key for every choice."""
        self.count += 1
        return jax.random.fold_in(self.key, self.count)

    def __call__(self, state: State, legal: np.ndarray) -> int:
        """The player's choice."""
        return int((self.action if in_battle(state) else self.card)(self.next_key(), state))


class Bot:
    """One game of a chooser, from the messages to its lines."""

    def __init__(self, chooser: Chooser, version: Version, turn_seconds: float = TURN_SECONDS):
        """A new game."""
        self.chooser, self.version, self.turn_seconds = chooser, version, turn_seconds
        self.sight = Sight(version)

    def answer(self, message: Message) -> str:
        """The line for a message. Raises MalformedMessage if the game cannot have come to this."""
        started = time.monotonic()
        self.sight.read(message)
        if not in_battle(self.sight.state):
            return self.answer_offer()
        orders = []
        while len(orders) < MAX_ACTIONS and time.monotonic() - started < self.turn_seconds:
            action = self.chooser(self.sight.state, self.sight.legal)
            if action == PASS or not self.sight.legal[action]:
                break
            order = self.sight.play(action)
            assert order is not None
            orders.append(order.text())
        return ";".join(orders) or "PASS"

    def answer_offer(self) -> str:
        """The choice of a card (1.2) or of a whole deck (1.5)."""
        if self.version.runes:
            choice = self.choose_card()
            self.sight.pick(choice)
            return f"PICK {choice}"
        bases = [self.sight.pick(self.choose_card()) for _ in range(DECK_SIZE)]
        return ";".join(f"CHOOSE {base}" for base in bases)

    def choose_card(self) -> int:
        """The chooser's card, or the first legal one should it name another."""
        choice, legal = self.chooser(self.sight.state, self.sight.legal), self.sight.legal
        return choice if legal[choice] else int(np.flatnonzero(legal)[0])


def warm_up(chooser: Chooser, version: Version) -> None:
    """Compile all that a game needs, on an empty game of each stage."""
    for state, legal in Sight(version).samples():
        chooser(state, legal)


class EndOfInput(Exception):
    """Standard input has ended."""


def serve(bot: Bot, lines: TextIO, out: TextIO, complaints: TextIO) -> None:
    """Answer messages until the input ends.

    Of a message that breaks off in nonsense the rest is passed over, up to a line that can begin the
    next one. There is one complaint for all the nonsense between two messages that are understood.
    """
    skipping = complained = False
    while True:
        count = 0

        def next_line() -> str:
            nonlocal skipping, count
            line = lines.readline()
            while skipping and line and not FIRST_LINE.match(line):
                line = lines.readline()
            if not line:
                raise EndOfInput
            skipping, count = False, count + 1
            return line

        try:
            message = read_message(next_line, bot.version)
            answer, nonsense = bot.answer(message), None
        except EndOfInput:
            return
        except (MalformedMessage, LookupError, OverflowError, StopIteration, ValueError) as error:
            answer, nonsense = "PASS" if count > 1 else None, error
            skipping = isinstance(error, MalformedMessage)
        if nonsense is not None and not complained:
            print(f"bot: not a message of version {bot.version.name}: {nonsense}", file=complaints, flush=True)
        complained = nonsense is not None
        if answer is not None:
            print(answer, file=out, flush=True)


def keep_compiled() -> None:
    """Keep compiled programs in the user's cache folder: a bot that has run once starts in a second or two.

    `JAX_COMPILATION_CACHE_DIR` names another folder.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(cache / "jaxrl" / "bot"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def run(make_chooser: Callable[[], Restarts], version: Version, seed: int = 0) -> None:
    """Play one game on standard input and output."""
    keep_compiled()
    chooser = make_chooser()
    warm_up(chooser, version)
    chooser.restart(seed)
    serve(Bot(chooser, version), sys.stdin, sys.stdout, sys.stderr)
