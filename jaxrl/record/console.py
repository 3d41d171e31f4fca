"""Progress for a person: a live panel where the terminal is interactive, plain lines in a log file."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import join
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jaxrl.record.meters import format_duration, time_left

BLOCKS = "▁▂▃▄▅▆▇█"
# Shown in this order where a report has them: label, format. What the columns mean is in jaxrl.record.metrics.
SHOWN = {
    "rate/frames": ("frames/s", "{:,.0f}"),
    "rate/env_steps": ("steps/s", "{:,.0f}"),
    "rate/games": ("games/s", "{:,.1f}"),
    "selfplay/against_greedy": ("greedy", "{:.1%}"),
    "selfplay/against_scored": ("scored", "{:.1%}"),
    "selfplay/meets_pool": ("pool", "{:.1%}"),
    "selfplay/pool_size": ("of", "{:.0f}"),
    "selfplay/deck_cost": ("deck cost", "{:.2f}"),
    "selfplay/deck_pairs": ("pairs", "{:.0%}"),
    "selfplay/entropy_deck": ("entropy deck", "{:.2f}"),
    "selfplay/entropy_battle": ("battle", "{:.2f}"),
    "selfplay/passes": ("pass", "{:.0%}"),
    "episode/return": ("return", "{:.2f}"),
    "policy/entropy": ("entropy", "{:.3f}"),
    "loss/total": ("loss", "{:.4g}"),
    "loss/policy": ("policy loss", "{:.4g}"),
    "loss/value": ("value loss", "{:.4g}"),
    "loss/q": ("q loss", "{:.4g}"),
    "lag/versions": ("lag", "{:.1f}"),
}


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """The course of `values` as one line of block characters, the lowest one empty-looking and the highest full."""
    if not values:
        return ""
    width = min(width, len(values))
    groups = [values[i * len(values) // width : (i + 1) * len(values) // width] for i in range(width)]
    means = [sum(group) / len(group) for group in groups]
    low, high = min(means), max(means)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((mean - low) * scale)] for mean in means)


def program() -> str:
    """What a user types to run jaxrl here: its name where the shell finds it, else the script of this environment."""
    if shutil.which("jaxrl"):
        return "jaxrl"
    script = Path(sys.executable).with_name("jaxrl")
    if not script.exists():
        return join([sys.executable, "-m", "jaxrl"])
    here = os.path.relpath(script)
    return join([str(script) if here.startswith("..") else here])


def typed(*words: object) -> str:
    """A command of jaxrl as a user types it here: what a shell would take apart is quoted."""
    return f"{program()} {join(map(str, words))}"


class ConsoleSink:
    """Shows each report; in a terminal also, every second, how far the run is.

    Args:
        interactive: live panel (True) or plain lines (False); None asks the stream.
        every: least seconds between two plain lines. The first and the last report are always printed.
        max_seconds: from now on, after which the run ends in any case.
    """

    def __init__(
        self,
        total_env_steps: int,
        title: str = "training",
        stream: TextIO | None = None,
        interactive: bool | None = None,
        every: float = 0.0,
        max_seconds: float = float("inf"),
    ):
        self._total = total_env_steps
        self._title = title
        self._stream = stream or sys.stdout
        self._every = every
        self._deadline = time.monotonic() + max_seconds
        terminal = self._stream.isatty() if interactive is None else interactive  # whatever FORCE_COLOR says of a file
        self._console = Console(file=self._stream, force_terminal=terminal)
        live = terminal and (interactive is not None or not self._console.is_dumb_terminal)
        self._start = self._counted = time.monotonic()
        self._env_steps, self._rate, self._values = 0, 0.0, {}
        self._returns: deque[float] = deque(maxlen=4000)
        self._printed = -float("inf")
        self._held_back: str | None = None
        # Its thread ends with `close`.
        self._live = Live(console=self._console, get_renderable=self._panel, refresh_per_second=1) if live else None
        if self._live is not None:
            self._live.start()

    def count(self, env_steps: int, per_second: float) -> None:
        """What is true now, between two reports; a rate of 0 is not known yet."""
        self._env_steps, self._rate, self._counted = env_steps, per_second, time.monotonic()

    def warm(self, seconds: float) -> None:
        """Say once what the rates leave out."""
        took = f"compilation and the first updates took {format_duration(seconds)}"
        print(f"{took}; rates and time left count from here", file=self._stream, flush=True)

    def write(self, env_steps: int, values: Mapping[str, float]) -> None:
        """Show one report: redraw the panel, or print a line."""
        self.count(env_steps, float(values.get("rate/env_steps", 0.0)))
        self._values = values
        if math.isfinite(mean := float(values.get("episode/return", math.nan))):
            self._returns.append(mean)
        if self._live is not None:
            self._live.refresh()
            return
        line = self._line(env_steps, values)
        now = time.monotonic()
        if now - self._printed < self._every:
            self._held_back = line
            return
        self._printed, self._held_back = now, None
        print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Leave the last panel standing; a second call does nothing."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        if self._held_back is not None:
            print(self._held_back, file=self._stream, flush=True)
            self._held_back = None

    def _share(self, env_steps: int) -> float:
        return min(1.0, env_steps / self._total) if self._total > 0 else 1.0

    def _left(self) -> str:
        """The time left, which runs on between two counts."""
        now = time.monotonic()
        left = time_left(self._env_steps, self._total, self._rate)
        if left is not None:
            left = max(0.0, min(left - (now - self._counted), self._deadline - now))
        return format_duration(left)

    def _line(self, env_steps: int, values: Mapping[str, float]) -> str:
        done = f"{env_steps:>{len(f'{self._total:,}')},} of {self._total:,} env steps ({self._share(env_steps):5.1%})"
        cells = [f"{label} {value}" for label, value in _cells(values)]
        return "  ".join([done, *cells, f"left {self._left()}"])

    def _panel(self) -> Panel:
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=1.0, completed=self._share(self._env_steps), width=28),
            f"[bold]{self._share(self._env_steps):.1%}[/bold]",
            f"[dim]{self._env_steps:,} of {self._total:,} env steps[/dim]",
        )
        numbers = Table.grid(padding=(0, 2))
        elapsed = ("elapsed" if self._rate else "compiling", format_duration(time.monotonic() - self._start))
        cells = [("time left", self._left()), elapsed, *_cells(self._values)]
        for start in range(0, len(cells), 3):
            row = [Text.assemble((f"{label} ", "dim"), (value, "bold")) for label, value in cells[start : start + 3]]
            numbers.add_row(*row)
        returns = list(self._returns)
        curve = Text.assemble(("return so far ", "dim"), (sparkline(returns, 48), "cyan"))
        if not returns:
            curve = Text("no episode has finished yet", "dim")
        return Panel(Group(bar, numbers, curve), title=self._title, title_align="left", expand=False)


def _cells(values: Mapping[str, float]) -> list[tuple[str, str]]:
    """Label and number of what is shown of a report."""
    return [(label, pattern.format(values[name])) for name, (label, pattern) in SHOWN.items() if name in values]
