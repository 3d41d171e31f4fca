"""A sweep whose runs are proposed one after another, or stopped early: on this machine only."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxrl.errors import ConfigError
from jaxrl.sweeps.attempt import run_folder
from jaxrl.sweeps.expand import Run, expand
from jaxrl.sweeps.local import goes_on, no_more
from jaxrl.sweeps.search.proposals import Proposals, history
from jaxrl.sweeps.sweep_file import SweepFile
from jaxrl.sweeps.sweep_folder import SweepFolder


class Search(NamedTuple):
    """The runs that are known, and `more` and `verdict` of `run_local`."""

    runs: list[Run]  # grows with `more`
    more: Callable[[], Run | None]
    verdict: Callable[[Run], str]


def begin_search(folder: SweepFolder, sweeps: Sequence[SweepFile], options: argparse.Namespace) -> Search:
    """What such a sweep begins or goes on with.

    Raises:
        ConfigError: several files, SLURM or populations, which such a sweep cannot have.
    """
    sweep, *others = sweeps
    what = "method bayes" if sweep.method == "bayes" else "early_terminate"
    if others:
        raise ConfigError(f"{what} compares the runs of one file; give one FILE")
    if options.on != "local" or options.population:
        raise ConfigError(f"{what} runs on this machine, one process a run; leave --on slurm and --population out")
    if sweep.method == "bayes":
        cap = min((cap for cap in (options.count, sweep.run_cap) if cap is not None), default=None)
        proposals = Proposals(sweep, folder, cap, options.draw_seed)
        runs, more = proposals.runs, proposals.next
    else:
        runs, more = expand(sweeps, options.count, options.draw_seed), no_more
    return Search(runs, more, verdicts(folder, runs, sweep))


def verdicts(folder: SweepFolder, runs: Sequence[Run], sweep: SweepFile) -> Callable[[Run], str]:
    """What says of a run why it is stopped now; empty where it goes on. `runs` may grow."""
    hyperband = sweep.hyperband
    if hyperband is None:
        return goes_on

    newest: dict[Path, tuple[int, list[float]]] = {}  # size and content: a file that has not grown is read once

    def values(run: Run) -> list[float]:
        made = run_folder(folder, run)
        path = None if made is None else made / "metrics.jsonl"
        if path is None or not path.exists():
            return []
        size = path.stat().st_size
        if path not in newest or newest[path][0] != size:
            lines = path.read_bytes()[:size].split(b"\n")[:-1]
            newest[path] = size, history([json.loads(line) for line in lines], sweep.metric)
        return newest[path][1]

    def verdict(run: Run) -> str:
        mine, others = values(run), [values(other) for other in runs if other.id != run.id]
        if not hyperband.stops(mine, others, sweep.goal == "maximize"):
            return ""
        return f"stopped early by hyperband after {len(mine)} reports, {sweep.metric} {mine[-1]:.4g}"

    return verdict
