"""How far a stage is: a bar where the terminal is interactive, a line every quarter of a minute elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_S = 15.0


@contextmanager
def shown(title: str) -> Iterator[Callable[[int, int], None]]:
    """A function that is told how much is done, and of how much."""
    console = Console()
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(title)
            yield lambda done, total: progress.update(task, completed=done, total=total)
        return
    last = [time.monotonic() - LINE_EVERY_S]
    first: list[tuple[float, int]] = []  # when it began here, and with how much done before

    def advance(done: int, total: int) -> None:
        first[:] = first or [(time.monotonic(), done)]
        if time.monotonic() - last[0] >= LINE_EVERY_S or done == total:
            last[0] = time.monotonic()
            print(
                f"{title}: {done} of {total}{_pace(last[0] - first[0][0], done - first[0][1], total - done)}",
                flush=True,
            )

    yield advance


def _pace(seconds: float, done: int, left: int) -> str:
    """How many a second, and how long the rest takes at that rate; nothing before anything is done."""
    if done <= 0 or seconds <= 0:
        return ""
    rest = int(left * seconds / done)
    return f", {done / seconds:.3g} a second" + (f", {rest // 60}:{rest % 60:02d} left" if left else "")
