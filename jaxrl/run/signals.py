"""Signals that ask this process to save and end: one catcher for a training, a sweep, and a scheduler's job."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Ctrl-C; SIGTERM, with which machines and schedulers end a process; SIGHUP, of a terminal that was closed; and what
# schedulers send before a time limit, by choice of the job: `sbatch --signal=USR1@60`, submitit's USR2.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class StopRequests:
    """What has been received so far.

    The handler of the first signal calls `on_request`, that of a second Ctrl-C `on_insistence`, which raises
    `KeyboardInterrupt` unless it is replaced. Repeated others mean nothing new: schedulers send theirs again before
    they kill, and a launcher and its scheduler may both send one.
    """

    def __init__(self) -> None:
        self.number = 0  # of the first, 0 before
        self.since = math.inf  # when it came, by `time.monotonic`
        self.received: set[int] = set()
        self.on_request: Callable[[], None] = lambda: None
        self.on_insistence: Callable[[], None] = _interrupt

    def handle(self, number: int, frame: Any) -> None:
        self.received.add(number)
        if number == signal.SIGHUP:
            _leave_terminal()
        if self.number and number == signal.SIGINT:  # a person who asks twice does not want an orderly end
            self.on_insistence()
        if not self.number:
            self.number, self.since = number, time.monotonic()
            self.on_request()

    def end_grace(self) -> None:
        """Let the first request lie long ago."""
        self.since = -math.inf


@contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Catch `STOP_SIGNALS` while the block runs. SIGHUP stays ignored where `nohup` has it ignored."""
    requests, previous = StopRequests(), {}
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            previous[number] = signal.signal(number, requests.handle)
    try:
        yield requests
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _interrupt() -> None:
    raise KeyboardInterrupt


def _leave_terminal() -> None:
    """Send output that went to a terminal which is gone to nowhere: a write to it would end the process unsaved."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), descriptor)
