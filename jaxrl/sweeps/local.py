"""A sweep on this machine: as many runs at a time as there are slots, until all are finished or have failed."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from jaxrl.run.signals import stop_requests
from jaxrl.sweeps.attempt import Attempt
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.slots import Slot
from jaxrl.sweeps.sweep_folder import SweepFolder

TICK_S = 0.2
JUDGE_S = 3.0  # between two looks at who is to be stopped early
GRACE_S = 90.0  # for the runs to save after the first Ctrl-C; a compilation cannot be interrupted


class Supply:
    """The runs of a sweep: all known from the beginning, and none stopped early, unless a subclass says otherwise."""

    def __init__(self, runs: Sequence[Run]):
        self.runs = list(runs)

    def more(self) -> Run | None:
        """Another run, for a slot that is free while none waits; None for no more."""
        return None

    def verdict(self, run: Run) -> str:
        """Why a run that goes on is to be stopped now; empty where it is not. Asked every few seconds."""
        return ""


ALONE = Supply(())  # which changes nothing


def run_local(
    folder: SweepFolder,
    runs: Sequence[Run],
    slots: Sequence[Slot],
    tick: Callable[[], None] = lambda: None,
    max_restarts: int = 20,
    supply: Supply = ALONE,
) -> int:
    """Run them all; each is in a slot of its own, and its state is in the manifest.

    A run that was killed goes on from its checkpoint, at most `max_restarts` times. Ctrl-C and the other signals
    of `jaxrl.run.signals` let every run save; a second Ctrl-C kills them.

    Args:
        tick: called several times a second, for a display.
        supply: gives more runs, and stops some early.

    Returns:
        0 if all of them finished, 1 if one failed, 128 + signal number if interrupted.
    """
    waiting, free = list(runs), list(slots)[::-1]  # the first slot is taken first
    active: dict[str, tuple[Attempt, Slot]] = {}
    all_runs, looked = list(runs), time.monotonic()
    restarts, told = Counter[str](), set[str]()
    with stop_requests() as stop:
        stop.on_insistence = stop.end_grace
        try:
            while True:
                while len(waiting) < len(free) and not stop.number and (run := supply.more()) is not None:
                    waiting.append(run)
                    all_runs.append(run)
                if not active and (stop.number or not waiting):
                    break
                for run in [*waiting]:
                    if not free or stop.number:
                        break
                    if who := folder.writer(run.id):  # left by a launcher that was killed; it saves and ends
                        if run.id not in told:
                            told.add(run.id)
                            print(f"waiting for {who}, which still writes in {folder.of(run.id)}", flush=True)
                        continue
                    waiting.remove(run)
                    slot = free.pop()
                    active[run.id] = (_start(folder, run, slot), slot)
                judging = time.monotonic() > looked + JUDGE_S
                looked = time.monotonic() if judging else looked
                for run_id, (attempt, slot) in list(active.items()):
                    if judging and (reason := supply.verdict(attempt.run)):
                        attempt.stop_early(reason)
                    if stop.number:
                        attempt.stop()
                    if time.monotonic() > stop.since + GRACE_S:
                        attempt.kill()
                    state = attempt.poll()
                    if state is None:
                        continue
                    del active[run_id]
                    free.append(slot)
                    if state.status == "interrupted" and not stop.number and restarts[run_id] < max_restarts:
                        restarts[run_id] += 1
                        waiting.append(attempt.run)
                tick()
                time.sleep(TICK_S)
        finally:  # also after a fault of this program: no run may be left behind without a keeper
            for attempt, _ in active.values():
                attempt.kill()
                attempt.wait()
    if stop.number:
        return 128 + stop.number
    return 0 if all(folder.state(run.id).status == "finished" for run in all_runs) else 1


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
