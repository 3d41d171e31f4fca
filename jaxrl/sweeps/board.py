"""A sweep for a person: a live table where the terminal is interactive, a line a change in a log file."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from jaxrl.record.meters import format_duration
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.progress import Progress, read_progress, total_seconds_left
from jaxrl.sweeps.sweep_folder import SweepFolder

COLOURS = {  # in the order of the table
    "running": "cyan", "failed": "red", "interrupted": "yellow", "queued": "dim", "waiting": "dim", "finished": "green",
}  # fmt: skip
MAX_ROWS = 24  # of the table; runs under way come first


class Board:
    """Shows the runs of a sweep; `refresh` may be called as often as one likes.

    Args:
        every: least seconds between two looks at the files.
        interactive: live table (True) or lines (False); None asks the stream.
    """

    def __init__(
        self,
        folder: SweepFolder,
        runs: Sequence[Run],
        metric: str = "episode/return",
        every: float = 1.0,
        stream: TextIO | None = None,
        interactive: bool | None = None,
    ):
        self._folder, self._runs, self._metric = folder, runs, metric
        self._every = every
        self._looked = -float("inf")
        self._shown: dict[str, str] = {}
        output = stream or sys.stdout
        live = output.isatty() if interactive is None else interactive  # whatever FORCE_COLOR says of a file
        self._console = Console(file=output, force_terminal=live, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False) if live else None

    def __enter__(self) -> Board:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.refresh(now=True)
        if self._live is not None:
            self._live.stop()

    def refresh(self, now: bool = False) -> None:
        """Look at the files and show what is new."""
        if not now and time.monotonic() < self._looked + self._every:
            return
        self._looked = time.monotonic()
        rows = [read_progress(self._folder, run, self._metric) for run in self._runs]
        if self._live is not None:
            self._live.update(Group(self._table(rows), summary(rows)), refresh=True)
            return
        for row in rows:
            if self._shown.get(row.run.id, "waiting") != row.state.status:
                done = sum(other.state.status == "finished" for other in rows)
                self._console.print(f"[{done}/{len(rows)}] {_line(row, self._metric)}", markup=False, highlight=False)
            self._shown[row.run.id] = row.state.status

    def _table(self, rows: Sequence[Progress]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for header in ("run", "settings", "state"):
            table.add_column(header, no_wrap=header != "settings")
        for header in ("done", "steps/s", self._metric, "left"):
            table.add_column(header, justify="right", no_wrap=True)
        shown = sorted(rows, key=lambda row: list(COLOURS).index(row.state.status))[:MAX_ROWS]
        for row in shown:
            table.add_row(
                row.run.sweep,
                row.run.label,
                Text(row.state.status, COLOURS[row.state.status]),
                f"{row.share:.0%}",
                f"{row.per_second:,.0f}" if row.per_second else "",
                "" if row.value is None else f"{row.value:.4g}",
                format_duration(row.seconds_left) if row.state.status == "running" else "",
            )
        if len(rows) > len(shown):
            table.add_row(f"and {len(rows) - len(shown)} more")
        return table


def summary(rows: Sequence[Progress]) -> Text:
    """One line: how many runs have each status, and the time left."""
    counts = Counter(row.state.status for row in rows)
    text = Text("  ").join(Text(f"{number} {status}", COLOURS[status]) for status, number in counts.items())
    if counts.get("running"):
        text.append(f"   about {format_duration(total_seconds_left(rows))} left", "dim")
    return text


def listing(folder: SweepFolder, runs: Sequence[Run], metric: str) -> str:
    """A line a run, and under a population one a member: settings, and the metric's newest value."""
    lines = []
    for run in runs:
        row = read_progress(folder, run, metric)
        lines.append(f"{run.id}  {row.state.status:11}  {run.sweep}  {run.label}{_reading('  ', metric, row.value)}")
        for i, (member, value) in enumerate(zip(run.members, row.member_values, strict=True)):
            lines.append(f"{'':10}  member {i:<4}  {run.sweep}  {member.label}{_reading('  ', metric, value)}")
    return "\n".join(lines)


def failures(folder: SweepFolder, runs: Sequence[Run]) -> str:
    """Every failed run with its last lines; empty where none failed."""
    parts = []
    for run in runs:
        state = folder.state(run.id)
        if state.status == "failed":
            head = f"failed with exit status {state.exit_status}: {run.sweep} {run.label} ({folder.log(run.id)})"
            parts.append("\n".join([head, *(f"    {line}" for line in state.last_lines)]))
    return "\n".join(parts)


def _line(row: Progress, metric: str) -> str:
    line = f"{row.state.status} {row.run.sweep} {row.run.label}"
    if row.state.status in ("finished", "interrupted"):
        line += f" after {row.env_steps:,} env steps, {format_duration(row.state.seconds)}"
        line += _reading(", ", metric, row.value)
    return line


def _reading(before: str, metric: str, value: float | None) -> str:
    return "" if value is None else f"{before}{metric} {value:.4g}"
