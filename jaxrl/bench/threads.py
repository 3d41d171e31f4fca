"""Threads of a measurement: they end when their time is over, and their errors reach the caller."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from jaxrl.errors import UserError
from jaxrl.sebulba.exchange import ActorFailed, Stopped

# Works until the moment on the clock of `time.perf_counter`, and returns how many env steps it did.
Work = Callable[[float], int]


class BenchError(UserError, RuntimeError):
    """A part could not be measured; the message says which and why."""


def in_parallel(part: str, works: Sequence[Work], seconds: float, timeout_s: float) -> float:
    """Env steps per second of all `works` together, each in a thread of its own for about `seconds`.

    Args:
        part: named in errors.
        timeout_s: how much longer than `seconds` they may take.

    Raises:
        UserError: one of them failed or hangs.
    """
    rates: list[float] = []
    errors: list[BaseException] = []

    def run(work: Work) -> None:
        try:
            start = time.perf_counter()
            env_steps = work(start + seconds)
            rates.append(env_steps / (time.perf_counter() - start))
        except BaseException as error:  # whatever it is, the caller must hear of it
            errors.append(error)

    # Daemons, because an environment that hangs in compiled code must not keep the process alive.
    threads = [threading.Thread(target=run, args=(work,), name=f"bench-{i}", daemon=True) for i, work in enumerate(works)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds + timeout_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if errors:
        raise as_user_error(part, errors[0])
    if any(thread.is_alive() for thread in threads):
        raise BenchError(f"measuring {part} hangs: {timeout_s:.0f} s over its time (runtime.timeout_s)")
    return sum(rates)


def as_user_error(part: str, error: BaseException) -> UserError:
    """`error` as one sentence."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, ActorFailed):
        return _chain(BenchError(f"measuring {part} failed: {error}"), error.__cause__ or error)
    lines = str(error).strip().splitlines() or ["no reason given"]
    return _chain(BenchError(f"measuring {part} failed: {type(error).__name__}: {lines[0]}"), error)


def _chain(error: UserError, cause: BaseException) -> UserError:
    error.__cause__ = cause
    return error


class Gate:
    """Holds actors between two unrolls while something else is measured. Shut at first."""

    def __init__(self, timeout_s: float) -> None:
        self._condition = threading.Condition()
        self._timeout_s = timeout_s
        self._open = self._ended = False
        self._inside = 0

    def __enter__(self) -> Gate:
        """An actor goes in; it waits while the gate is shut. Raises `Stopped` when no unroll shall follow."""
        with self._condition:
            self._condition.wait_for(lambda: self._open or self._ended)
            if self._ended:
                raise Stopped
            self._inside += 1
        return self

    def __exit__(self, *exc: Any) -> None:
        with self._condition:
            self._inside -= 1
            self._condition.notify_all()

    def open(self) -> None:
        """Let the actors go on."""
        with self._condition:
            self._open = True
            self._condition.notify_all()

    def shut(self) -> None:
        """Hold every actor at the end of its unroll, and wait until the last one is there."""
        with self._condition:
            self._open = False
            if not self._condition.wait_for(lambda: not self._inside, self._timeout_s):
                raise BenchError(f"an actor hangs: its unroll lasts over {self._timeout_s:.0f} s (runtime.timeout_s)")

    def end(self) -> None:
        """End every actor that comes to the gate."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()
