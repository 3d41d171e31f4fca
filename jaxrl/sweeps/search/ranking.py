"""What a sweep found: settings ranked by what they reached, over their seeds, and how much each setting matters."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxrl.errors import UserError
from jaxrl.sweeps.expand import short
from jaxrl.sweeps.progress import read_progress
from jaxrl.sweeps.sweep_folder import SweepFolder

SEED = "seed"
MANY = 5  # different numbers of a setting from which on thirds of them are compared
SHOWN = 10


class NothingToRankError(UserError, RuntimeError):
    """No run of the sweep has a value yet, or nothing was swept; one sentence."""


class Tried(NamedTuple):
    """One combination of settings, without the seed."""

    settings: Mapping[str, Any]
    values: tuple[float, ...]  # one a run

    @property
    def mean(self) -> float:
        """Over its runs."""
        return float(np.mean(self.values))


def rank(folder: SweepFolder, metric: str, maximize: bool) -> list[Tried]:
    """Combinations by the newest value of `metric`, the best first; runs that differ in seed only count together.

    Raises:
        NothingToRankError: no run has a value yet.
    """
    found: dict[str, tuple[dict[str, Any], list[float]]] = {}
    for run in folder.plan():
        progress = read_progress(folder, run, metric)
        pairs = zip(run.members, progress.member_values, strict=True) if run.members else [(run, progress.value)]
        for one, value in pairs:
            if value is not None and math.isfinite(value):
                settings = {name: chosen for name, chosen in one.settings.items() if name != SEED}
                key = f"{one.sweep} {json.dumps(settings, sort_keys=True)}"
                found.setdefault(key, (settings, []))[1].append(float(value))
    if not found:
        raise NothingToRankError(f"no run in {folder.path} has reported {metric} yet; wait, or choose another --metric")
    tried = [Tried(settings, tuple(values)) for settings, values in found.values()]
    return sorted(tried, key=lambda one: -one.mean if maximize else one.mean)


def importance(tried: Sequence[Tried]) -> dict[str, float]:
    """Share of the variance of the means that each setting explains alone: between its values, or thirds of them."""
    means = np.array([one.mean for one in tried])
    total = float(np.sum((means - means.mean()) ** 2))
    names = list(tried[0].settings)
    found = {}
    for name in names:
        labels = _labels([one.settings.get(name) for one in tried])
        groups = [means[labels == label] for label in np.unique(labels)]
        between = sum(len(group) * (group.mean() - means.mean()) ** 2 for group in groups)
        found[name] = float(between / total) if total > 0 else 0.0
    return found


def _labels(column: Sequence[Any]) -> np.ndarray:
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in column)
    if numeric and len(set(column)) > MANY:
        ranks = np.argsort(np.argsort(np.asarray(column, float)))
        return 3 * ranks // len(column)
    words = sorted({str(value) for value in column})
    return np.array([words.index(str(value)) for value in column])


def report(tried: Sequence[Tried], shares: Mapping[str, float], metric: str) -> str:
    """The best combinations, and the importance of each setting, as text."""
    lines = [f"{'':3} {metric:>16}  runs  settings"]
    for i, one in enumerate(tried[:SHOWN]):
        spread = f" +- {np.std(one.values, ddof=1) / len(one.values) ** 0.5:.3g}" if len(one.values) > 1 else ""
        words = "  ".join(f"{name.rpartition('.')[2]}={short(value)}" for name, value in one.settings.items())
        lines.append(f"{i + 1:3} {f'{one.mean:.4g}{spread}':>16}  {len(one.values):4}  {words}")
    if len(tried) > SHOWN:
        lines.append(f"    and {len(tried) - SHOWN} more")
    return "\n".join(
        [*lines, "", "variance explained alone:", *(f"  {share:5.0%}  {name}" for name, share in shares.items())]
    )


def plot_sweep(path: Path, out: Path | None, metric: str, maximize: bool) -> Path:
    """Print the ranking, and draw it to `out`, `sweep.png` in the sweep's folder unless given.

    Raises:
        NothingToRankError: no run has a value yet, or only seeds differ.
        RunDirError: the figure cannot be written.
    """
    from jaxrl.analysis.figures.search import search_figure
    from jaxrl.analysis.figures.style import save

    tried = rank(SweepFolder(path), metric, maximize)
    shared = [name for name in tried[0].settings if all(name in one.settings for one in tried)]
    different = [name for name in shared if len({str(one.settings[name]) for one in tried}) > 1]
    if not different:
        raise NothingToRankError(
            f"the runs in {path} with a value differ in seed only; `jaxrl plot` draws their folders"
        )
    tried = [Tried({name: one.settings[name] for name in different}, one.values) for one in tried]
    shares = importance(tried)
    print(report(tried, shares, metric))
    figure = search_figure([one.settings for one in tried], [one.mean for one in tried], shares, metric)
    return save(figure, out or path / "sweep.png")
