"""A sweep whose runs are proposed one after another, or stopped early: on this machine only."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from jaxrl.analysis.curves import read_metrics
from jaxrl.errors import ConfigError
from jaxrl.sweeps.expand import Run, expand
from jaxrl.sweeps.local import Supply
from jaxrl.sweeps.progress import read_progress
from jaxrl.sweeps.search.proposals import Proposals
from jaxrl.sweeps.sweep_file import SweepFile
from jaxrl.sweeps.sweep_folder import SweepFolder


class Search(Supply):
    """Proposes runs, and stops those that fall behind; raises `ConfigError` where such a sweep is not possible."""

    def __init__(self, folder: SweepFolder, sweeps: Sequence[SweepFile], options: argparse.Namespace):
        self._folder, (self._sweep, *others) = folder, sweeps
        what = "method bayes" if self._sweep.method == "bayes" else "early_terminate"
        if others:
            raise ConfigError(f"{what} compares the runs of one file; give one FILE")
        if options.on != "local" or options.population:
            raise ConfigError(f"{what} runs on this machine, one process a run; leave --on slurm and --population out")
        if self._sweep.method == "bayes":
            self._proposals = Proposals(self._sweep, folder, self._sweep.cap(options.count), options.draw_seed)
            self.runs = self._proposals.runs  # which grow
        else:
            self._proposals = None
            super().__init__(expand(sweeps, options.count, options.draw_seed))

    def more(self) -> Run | None:
        return self._proposals.next() if self._proposals else None

    def verdict(self, run: Run) -> str:
        """Why hyperband stops it, by what it and the others have reported."""
        hyperband, metric = self._sweep.hyperband, self._sweep.metric
        if hyperband is None or read_progress(self._folder, run).share >= 1:  # it is evaluated already
            return ""
        mine, others = self._values(run), [self._values(other) for other in self.runs if other.id != run.id]
        if not hyperband.stops(mine, others, self._sweep.goal == "maximize"):
            return ""
        return f"stopped early by hyperband after {len(mine)} reports, {metric} {mine[-1]:.4g}"

    def _values(self, run: Run) -> list[float]:
        made = self._folder.made(run.id)
        if made is None or not made.metrics.exists():
            return []
        return values(made.metrics, made.metrics.stat().st_size, self._sweep.metric)


@lru_cache(maxsize=1000)  # a file that has not grown is read once
def values(path: Path, size: int, metric: str) -> list[float]:
    """The values of a metric, one a report that has it, in a metrics.jsonl that is `size` bytes long."""
    column = read_metrics(path).get(metric, np.empty(0))
    return column[np.isfinite(column)].tolist()
