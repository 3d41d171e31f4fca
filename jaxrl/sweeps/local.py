"""A sweep on this machine: as many runs at a time as there are slots, until all are finished or have failed."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from jaxrl.sweeps.attempt import Attempt
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.slots import Slot
from jaxrl.sweeps.sweep_folder import SweepFolder

TICK_S = 0.2
GRACE_S = 90.0  # for the runs to save after the first Ctrl-C; a compilation cannot be interrupted


def run_local(
    folder: SweepFolder,
    runs: Sequence[Run],
    slots: Sequence[Slot],
    tick: Callable[[], None] = lambda: None,
    max_restarts: int = 20,
) -> int:
    """Run them all; each is in a slot of its own, and its state is in the manifest.

    A run that was killed goes on from its checkpoint, at most `max_restarts` times. Ctrl-C or SIGTERM lets every run
    save; a second Ctrl-C kills them.

    Args:
        tick: called several times a second, for a display.

    Returns:
        0 if all of them finished, 1 if one failed, 128 + signal number if interrupted.
    """
    waiting, free = deque(runs), deque(slots)
    active: dict[str, tuple[Attempt, Slot]] = {}
    restarts = dict.fromkeys((run.id for run in runs), 0)
    with _stop_requests() as requests:
        try:
            while active or (waiting and not requests.numbers):
                while waiting and free and not requests.numbers:
                    run, slot = waiting.popleft(), free.popleft()
                    active[run.id] = (_start(folder, run, slot), slot)
                _forward(requests, [attempt for attempt, _ in active.values()])
                for run_id, (attempt, slot) in list(active.items()):
                    state = attempt.poll()
                    if state is None:
                        continue
                    del active[run_id]
                    free.append(slot)
                    if state.status == "interrupted" and not requests.numbers and restarts[run_id] < max_restarts:
                        restarts[run_id] += 1
                        waiting.append(attempt.run)
                tick()
                time.sleep(TICK_S)
        finally:  # also after a fault of this program: no run may be left behind without a keeper
            for attempt, _ in active.values():
                attempt.kill()
                attempt.wait()
    if requests.numbers:
        return 128 + requests.numbers[0]
    return 0 if all(folder.state(run.id).status == "finished" for run in runs) else 1


def _start(folder: SweepFolder, run: Run, slot: Slot) -> Attempt:
    attempt = Attempt(folder, run, {**_compile_once(folder), **slot.environment})
    with suppress(ProcessLookupError):  # it ended already
        os.sched_setaffinity(attempt.pid, slot.cores)  # before JAX looks how many cores there are
    return attempt


def _compile_once(folder: SweepFolder) -> dict[str, str]:
    """Runs of a sweep share what JAX compiled: it is the same program for every seed and hyper-parameter."""
    shared = {
        "JAX_COMPILATION_CACHE_DIR": str(folder.path.absolute() / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
    }
    return {name: value for name, value in shared.items() if name not in os.environ}


def _forward(requests: _Requests, attempts: Sequence[Attempt]) -> None:
    """The first request asks every run to save; the second, or the end of the grace, kills."""
    for attempt in attempts if requests.numbers else ():
        if len(requests.numbers) > 1 or time.monotonic() > requests.since + GRACE_S:
            attempt.kill()
        else:
            attempt.stop()


class _Requests:
    """Signals that ask the launcher to end."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.since = 0.0

    def handle(self, number: int, frame: object) -> None:
        self.since = self.since or time.monotonic()
        self.numbers.append(number)


@contextmanager
def _stop_requests() -> Iterator[_Requests]:
    requests = _Requests()
    previous = {number: signal.signal(number, requests.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
