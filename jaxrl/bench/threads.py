"""Threads of a measurement: they end when their time is over, and their errors reach the caller."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jaxrl.errors import UserError
from jaxrl.runtime.exchange import ActorFailed, Stopped

# Works as long as its argument returns True, and returns how many env steps it did.
Work = Callable[[Callable[[], bool]], int]


class BenchError(UserError, RuntimeError):
    """A part could not be measured; the message says which and why."""


class Rate(NamedTuple):
    """What a measurement gives."""

    per_s: float  # of whatever the part counts
    cores: float  # CPU seconds of this process per second: few where other processes take the cores


class Stopwatch:
    """Runs from its making: wall time, and the CPU time of all threads of this process."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    @property
    def seconds(self) -> float:
        """Wall time so far."""
        return time.perf_counter() - self._wall

    def rate(self, amount: float) -> Rate:
        """The rate of `amount` done since the start."""
        return Rate(amount / self.seconds, (time.process_time() - self._cpu) / self.seconds)


def in_parallel(part: str, works: Sequence[Work], seconds: float, timeout_s: float) -> Rate:
    """Env steps per second of all `works` together, each in a thread of its own for about `seconds`.

    Args:
        part: named in errors.
        timeout_s: how much longer than `seconds` they may take.

    Raises:
        UserError: one of them failed or hangs.
    """
    rates: list[float] = []
    errors: list[BaseException] = []
    interrupted = threading.Event()

    def run(work: Work) -> None:
        watch = Stopwatch()
        try:
            rates.append(watch.rate(work(lambda: watch.seconds < seconds and not interrupted.is_set())).per_s)
        except BaseException as error:  # whatever it is, the caller must hear of it
            errors.append(error)

    # Daemons, because an environment that hangs in compiled code must not keep the process alive.
    threads = [threading.Thread(target=run, args=(work,), name="bench", daemon=True) for work in works]
    watch = Stopwatch()
    for thread in threads:
        thread.start()
    try:
        join(threads, seconds + timeout_s)
    except BaseException:  # Ctrl-C: what the threads work on is about to be closed
        interrupted.set()
        join(threads, timeout_s)
        raise
    if errors:
        raise as_user_error(part, errors[0]) from errors[0]
    if any(thread.is_alive() for thread in threads):
        raise BenchError(f"measuring {part} hangs: {timeout_s:.0f} s over its time (runtime.timeout_s)")
    return Rate(sum(rates), watch.rate(0).cores)


def join(threads: Sequence[threading.Thread], timeout_s: float) -> None:
    """Wait until all have ended, `timeout_s` at most."""
    deadline = time.monotonic() + timeout_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def as_user_error(part: str, error: BaseException) -> UserError:
    """`error` as one sentence."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, ActorFailed):
        return BenchError(f"measuring {part} failed: {error}")
    lines = str(error).strip().splitlines() or ["no reason given"]
    return BenchError(f"measuring {part} failed: {type(error).__name__}: {lines[0]}")


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
