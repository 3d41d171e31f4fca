"""Where reports go: the `Sink` seam, and the files of the run folder. Called from the main thread only.

The console is in `jaxrl.record.console`, W&B in `jaxrl.record.wandb`.
"""

from __future__ import annotations

import json
import math
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from jaxrl.record.files import replace_text
from jaxrl.record.meters import Entry
from jaxrl.record.rundir import write_error


class Sink(Protocol):
    """Takes one report after another; names are those of `jaxrl.record.metrics`."""

    def write(self, env_steps: int, values: Mapping[str, float]) -> None:
        """Record `values` as they were after `env_steps` agent decisions."""
        ...

    def close(self) -> None:
        """Finish; a second call does nothing."""
        ...


class _Lines:
    """An append-only JSONL file that agrees with the env step from which a run goes on.

    Args:
        path: of the file; an existing one is continued.
        resume_at: env step of the checkpoint from which the run goes on. Later lines are removed, so that the file
            stays one curve; a last line that a crash cut short is removed in any case.

    Raises:
        RunDirError: the disk is full or not writable; from what writes and closes too.
    """

    def __init__(self, path: Path, resume_at: int | None = None):
        self._path = path
        try:
            if path.exists():
                trim(path, math.inf if resume_at is None else resume_at)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise write_error(path, error) from error

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write one line a row and flush, so that a killed process loses nothing that was reported."""
        try:
            self._file.write("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))
            self._file.flush()
        except OSError as error:
            raise write_error(self._path, error) from error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise write_error(self._path, error) from error


class JsonlSink(_Lines):
    """metrics.jsonl: one object a report, `env_steps` and the metrics. NaN and infinity become null."""

    def write(self, env_steps: int, values: Mapping[str, float]) -> None:
        finite = {name: _finite(value) for name, value in values.items()}
        self.append([{"env_steps": int(env_steps), **finite}])


class EpisodeLog(_Lines):
    """episodes.jsonl: one object an entry, `docs/metrics.md` says of what."""

    def __init__(self, path: Path, resume_at: int | None = None):
        super().__init__(path, resume_at)
        self._rows: list[dict[str, Any]] = []

    def add(self, env_steps: int, entry: Entry) -> None:
        """Note what has finished.

        It reaches the file with the next `flush`, which belongs to each report: thousands of short episodes a second
        must not cost a write each.
        """
        played = {"episode_return": _finite(entry.episode_return), "episode_length": entry.episode_length}
        if entry.episodes > 1:
            spread = {"return_min": _finite(entry.return_min), "return_max": _finite(entry.return_max)}
            played = {"episodes": entry.episodes, **played, **spread}
        self._rows.append({"env_steps": int(env_steps), **played, **entry.whose})

    def flush(self) -> None:
        """Write what was noted since the last call."""
        rows, self._rows = self._rows, []
        if rows:
            self.append(rows)

    def close(self) -> None:
        """Flush and close the file; a second call does nothing."""
        try:
            self.flush()
        finally:
            super().close()


def last_episodes(path: Path, count: int = 100, member: int | None = None) -> list[Entry]:
    """The last `count` lines of episodes.jsonl: what a resumed `EpisodeWindow` starts with.

    Those of one member of a population only, where `member` names it.
    """
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        if member is None:
            rows = [json.loads(line) for line in deque(file, maxlen=count)]
        else:
            all_rows = (json.loads(line) for line in file)
            rows = list(deque((row for row in all_rows if row.get("member") == member), maxlen=count))
    return [_entry(row) for row in rows if row["episode_return"] is not None]


def _entry(row: Mapping[str, Any]) -> Entry:
    """A line of before there were `episodes` is a single one."""
    mean, length, count = row["episode_return"], row["episode_length"], row.get("episodes", 1)
    return Entry(mean, length, count, row.get("return_min", mean), row.get("return_max", mean), {})


def trim(path: Path, env_steps: float) -> None:
    """Remove the lines of a JSONL file beyond `env_steps`, a last one that a crash cut short, and, with a word about
    them, others that cannot be read; atomic."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines(keepends=True)
    steps = [_env_steps(line) for line in lines]
    if damaged := [number for number, step in enumerate(steps[:-1], 1) if step is None]:
        print(
            f"jaxrl: warning: {path} is damaged; {len(damaged)} of its lines cannot be read and are removed, the first "
            f"is line {damaged[0]}",
            file=sys.stderr,
            flush=True,
        )
    kept = "".join(line for line, step in zip(lines, steps, strict=True) if step is not None and step <= env_steps)
    if kept != text:
        replace_text(path, kept)


def _env_steps(line: str) -> float | None:
    """Of a whole line that can be read."""
    try:
        return float(json.loads(line)["env_steps"]) if line.endswith("\n") else None
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def _finite(value: float) -> float | None:
    """JSON has no NaN; null reads back as NaN."""
    return float(value) if math.isfinite(value) else None
