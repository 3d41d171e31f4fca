"""What a run wrote while it trained, as arrays: metrics, learning curves, several seeds on one grid.

Notebooks and `jaxrl.analysis.figures.learning` start here:

    curve = learning_curve("runs/pong-20260101-120000-s0")
    band = aggregate([learning_curve(run) for run in runs])
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxrl.errors import UserError

Run = str | os.PathLike[str]
_NUMBERS = (int, float, type(None))  # what a record's line maps names to


class RunDataError(UserError, ValueError):
    """The records of a run cannot be read or compared; the message is one sentence."""


@dataclass(frozen=True)
class Curve:
    """One run's course."""

    env_steps: np.ndarray  # float64 [N], rising
    value: np.ndarray  # float64 [N]


@dataclass(frozen=True)
class Band:
    """Several runs on one grid, all float64 [N]."""

    env_steps: np.ndarray
    mean: np.ndarray
    low: np.ndarray  # the worst run
    high: np.ndarray  # the best run


def read_metrics(run: Run) -> dict[str, np.ndarray]:
    """Every metric of a run as float64 [N], under its name, and `env_steps`; NaN where a report lacks it.

    Args:
        run: a run folder, or a metrics.jsonl.

    Raises:
        RunDataError: there is no such file, or a line that is not the last is no JSON object of numbers.
    """
    return _columns(list(_rows(run, "metrics.jsonl")), always=("env_steps",))


def read_episodes(run: Run) -> dict[str, np.ndarray]:
    """Finished episodes in order, as float64 [N]: `env_steps`, `episode_return`, `episode_length`, `actor`, `env`.

    `episodes` says how many an entry stands for: more than one where many ended in one update. Return and length are
    then their means, `return_min` and `return_max` their range, and actor and environment NaN.

    Arguments and errors as for `read_metrics`, with episodes.jsonl.
    """
    names = ("env_steps", "episode_return", "episode_length", "actor", "env", "episodes")
    return _columns([{"episodes": 1} | row for row in _rows(run, "episodes.jsonl")], always=names)


def learning_curve(run: Run, window: int = 100) -> Curve:
    """Mean raw return of the last `window` finished episodes, wherever some have finished.

    Of more than `window` that finished together, as a thousand games side by side do, all are averaged. Fewer are
    averaged at the start; points before the tenth episode (or half the window, if that is less) are left out, since a
    mean over two or three says little. Where fewer have finished in all, every point is kept.
    """
    episodes = read_episodes(run)
    told = np.isfinite(episodes["episode_return"])  # one that was paid without bound would be in every later sum
    episodes = {name: column[told] for name, column in episodes.items()}
    returns, env_steps = episodes["episode_return"], episodes["env_steps"]
    if returns.size == 0:
        return Curve(np.empty(0), np.empty(0))
    ends = np.flatnonzero(np.diff(env_steps, append=np.inf)) + 1
    finished = np.concatenate([[0.0], np.cumsum(episodes["episodes"])])
    sums = np.concatenate([[0.0], np.cumsum(returns * episodes["episodes"])])
    until = finished[ends]
    counts = np.minimum(until, np.maximum(window, np.diff(until, prepend=0)))
    means = (sums[ends] - np.interp(until - counts, finished, sums)) / counts
    few = min(10, max(1, window // 2))
    keep = until >= (few if finished[-1] >= few else 0)
    return Curve(env_steps[ends - 1][keep], means[keep])


def metric_curve(run: Run, name: str) -> Curve:
    """One metric of a run, without the reports that lack it; raises `RunDataError` where all of them do."""
    metrics = read_metrics(run)
    if name not in metrics:
        raise RunDataError(f"{run} has no metric {name!r}; it has {', '.join(sorted(metrics))}")
    present = np.isfinite(metrics[name])
    if not present.any():
        raise RunDataError(f"{run} has no report in which {name!r} is a number")
    return Curve(metrics["env_steps"][present], metrics[name][present])


def aggregate(curves: Sequence[Curve], points: int = 200) -> Band:
    """Several runs on a common grid of env steps, over the range that all of them cover.

    Beyond the shortest run the mean would be over other runs than before, and its jump would mean nothing.

    Raises:
        RunDataError: there is no curve, one is empty, or they do not overlap.
    """
    if not curves or any(curve.env_steps.size == 0 for curve in curves):
        raise RunDataError(f"cannot average {len(curves)} runs: one at least is needed, and each must have an episode")
    start = max(curve.env_steps[0] for curve in curves)
    end = min(curve.env_steps[-1] for curve in curves)
    if start > end:
        raise RunDataError(f"the runs do not overlap: one starts at {start:,.0f} env steps, another ends at {end:,.0f}")
    grid = np.linspace(start, end, points)
    values = np.stack([np.interp(grid, *_unique(curve)) for curve in curves])
    return Band(grid, values.mean(axis=0), values.min(axis=0), values.max(axis=0))


def frame_skip(metrics: dict[str, np.ndarray]) -> float | None:
    """Frames per env step, from what `read_metrics` returned; None if the run did not record frames."""
    frames, steps = metrics.get("progress/frames"), metrics["env_steps"]
    if frames is None:
        return None
    known = np.isfinite(frames) & (steps > 0)
    return float(np.median(frames[known] / steps[known])) if known.any() else None


def _unique(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """The last point at each env step: environments that end together would make the interpolation ambiguous."""
    last = np.append(np.diff(curve.env_steps) > 0, True)
    return curve.env_steps[last], curve.value[last]


def _rows(run: Run, name: str) -> Iterator[dict[str, Any]]:
    path = Path(run)
    path = path / name if path.is_dir() else path
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunDataError(f"cannot read {path}: {error.strerror}; name a folder made by `jaxrl train`") from error
    with file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                if not line.endswith("\n"):
                    return  # the run is being written, or was killed, in the middle of its last line
                raise RunDataError(f"{path}, line {number}, is not JSON; remove that line") from error
            if not (isinstance(row, dict) and all(isinstance(value, _NUMBERS) for value in row.values())):
                raise RunDataError(f"{path}, line {number}, is no object of numbers; remove that line")
            yield row


def _columns(rows: list[dict[str, Any]], always: Sequence[str]) -> dict[str, np.ndarray]:
    names = dict.fromkeys([*always, *(name for row in rows for name in row)])  # in order of appearance
    return {
        name: np.array([np.nan if row.get(name) is None else row[name] for row in rows], np.float64) for name in names
    }
