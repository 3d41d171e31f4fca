"""One game between two line-speaking players in the referee's order of events, with its time limits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from jaxrl.envs.locm.state import DECK_SIZE, Version
from jaxrl.locm.referee import Referee
from jaxrl.locm.wire import MalformedLine, Message

Fault = Literal["late", "malformed"]
MAX_TURNS = 400  # the rules end every game before: from the 51st turn on each one hurts


class Late(Exception):
    """A player did not answer within the time limit: it loses the game."""


Ask = Callable[[int, Message, float], str]  # seat, message, seconds -> the player's line; raises Late


@dataclass
class Outcome:
    """How a game ended: the winner's seat, why if not by play, and illegal actions by seat."""

    winner: int | None = None
    fault: tuple[int, Fault, str] | None = None  # the seat that lost by it, what, and in words
    actions: list[int] = field(default_factory=lambda: [0, 0])
    illegal: list[int] = field(default_factory=lambda: [0, 0])


def deck_limit(version: Version, first: bool) -> float:
    """Seconds for a message of the deck stage; the first one covers the start of the process."""
    if not version.runes:
        return 4.0
    return 1.0 if first else 0.1


def battle_limit(first: bool) -> float:
    """Seconds for a turn of the battle."""
    return 1.0 if first else 0.2


def conduct(referee: Referee, ask: Ask) -> Outcome:
    """Play a game to its end. A late or malformed answer loses it at once; seat 0 alone if both fail."""
    outcome = Outcome()

    def fault(seat: int, error: Exception) -> Outcome:
        kind: Fault = "late" if isinstance(error, Late) else "malformed"
        outcome.winner, outcome.fault = 1 - seat, (seat, kind, str(error))
        return outcome

    version = referee.version
    for step in range(DECK_SIZE if version.runes else 1):
        answers: list[str | Late] = []
        for seat in (0, 1):  # both are asked before either is judged
            try:
                answers.append(ask(seat, referee.deck_message(seat), deck_limit(version, step == 0)))
            except Late as late:
                answers.append(late)
        for seat, answer in enumerate(answers):
            try:
                if isinstance(answer, Late):
                    raise answer
                referee.choose(seat, answer)
            except (Late, MalformedLine) as error:
                return fault(seat, error)
    for turn in range(MAX_TURNS):
        seat = referee.player
        decided = referee.winner is not None  # the start of this turn has ended the game: he is told, and asked
        try:
            line = ask(seat, referee.battle_message(), battle_limit(turn < 2))
            if decided:
                break
            played = referee.play(line)
        except (Late, MalformedLine) as error:
            if decided:
                break
            return fault(seat, error)
        outcome.actions[seat] += played.orders
        outcome.illegal[seat] += played.illegal
        if referee.winner is not None and referee.player == seat:
            break
    outcome.winner = referee.winner
    return outcome
