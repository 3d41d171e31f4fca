"""The checks of an accelerator, in their order, and how the minutes are shared out. No JAX here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from jaxrl.bench.doctor import Finding

FULL_MINUTES = 12.0  # for which the seconds below are meant; with others they are stretched
GRACE_S = 10.0  # after its time a check is asked to end, and so long after that ended


class Check(NamedTuple):
    """One part of the acceptance."""

    title: str
    function: str  # in a module of this folder: `agreement:agree`
    seconds: float | None  # of twelve minutes; None: an equal share, among those without, of all that is left


CHECKS: dict[str, Check] = {
    "doctor": Check("This machine and this installation", "steadiness:examine", 20),
    "agreement": Check("The same numbers as on the CPU", "agreement:agree", 90),
    "loop": Check("The loop compiles and transfers nothing more", "steadiness:run_steadily", 50),
    "bits": Check("The same bits for the same seed", "steadiness:repeat", 30),
    "learner": Check("The learner's speed against a matrix product", "rates:learn", 130),
    "bench": Check("Every part of the loop: `jaxrl bench`", "rates:bench", 110),
    "locm": Check("Random games of Legends of Code and Magic", "rates:play_cards", 60),
    "pong": Check("Learning Pong", "trainings:pong", None),
    "breakout": Check("Learning Breakout", "trainings:breakout", None),
}


class Task(NamedTuple):
    """What a check is given."""

    folder: Path  # for whatever it wants to leave
    deadline: float  # on the clock of `time.monotonic`
    smoke: bool  # tiny sizes: shows that everything runs, and no speed

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()


def load(check: Check) -> Callable[[Task], Iterator[Finding]]:
    """The function of a check; starts JAX for most."""
    module, name = check.function.split(":")
    found: Any = getattr(import_module(f"jaxrl.bench.acceptance.{module}"), name)
    return found


def allowance(names: list[str], minutes: float, elapsed: float) -> float:
    """Seconds for the first of `names`, the checks still to come, when `elapsed` of the `minutes` are over.

    A check of fixed length gets its share of the minutes; those without get equal parts of all that is left.
    """
    scale = minutes / FULL_MINUTES
    seconds = CHECKS[names[0]].seconds
    left = 60 * minutes - elapsed
    fixed = seconds * scale if seconds is not None else left / len(names)
    return max(1.0, min(fixed, left))
