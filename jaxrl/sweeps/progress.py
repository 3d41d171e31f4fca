"""How far a run is, read from the end of its metrics.jsonl: wherever it runs, whoever started it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from jaxrl.record.files import tail
from jaxrl.record.meters import member_name, time_left
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.sweep_folder import State, SweepFolder


class Progress(NamedTuple):
    """One row of the board."""

    run: Run
    state: State
    env_steps: int
    per_second: float  # env steps; 0 where it does not run, or does not know yet
    value: float | None  # newest value of the metric that the sweep watches; of a population the mean
    member_values: tuple[float | None, ...] = ()  # in the order of `run.members`

    @property
    def share(self) -> float:
        """Share of its env steps that are done."""
        return 1.0 if self.state.status == "finished" else min(1.0, self.env_steps / self.run.env_steps)

    @property
    def seconds_left(self) -> float | None:
        """Time to its end, in seconds; None where unknown, or where it does not run."""
        if self.state.status != "running":
            return None
        return time_left(self.env_steps, self.run.env_steps, self.per_second)


def read_progress(folder: SweepFolder, run: Run, metric: str = "episode/return") -> Progress:
    """The newest report of a run."""
    state = folder.state(run.id)
    row = last_report(folder, run)
    rate = float(row.get("rate/env_steps") or 0.0) if state.status == "running" else 0.0
    members = tuple(row.get(member_name(i, metric)) for i in range(len(run.members)))
    return Progress(run, state, int(row.get("env_steps", 0)), rate, row.get(metric), members)


def total_seconds_left(rows: Iterable[Progress]) -> float | None:
    """Time to the end of the sweep, if the present rate of all running ones together stays; None while nothing runs."""
    rows = list(rows)
    waiting = ("waiting", "queued", "interrupted", "running")
    steps = sum(row.run.env_steps * (1.0 - row.share) for row in rows if row.state.status in waiting)
    rate = sum(row.per_second for row in rows)
    return time_left(0.0, steps, rate)


def last_report(folder: SweepFolder, run: Run) -> dict[str, Any]:
    """The last whole line of its metrics.jsonl, which may be written at this moment; that of a population is long."""
    made, window = folder.made(run.id), 16_384
    while made is not None:
        text = tail(made.metrics, window)
        for line in reversed(text.split("\n")[:-1]):
            with suppress(ValueError):  # the first one of the window may be cut
                return json.loads(line)
        if len(text) < window:
            break
        window *= 8
    return {}
