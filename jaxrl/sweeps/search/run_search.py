"""A sweep whose runs are proposed one after another, or stopped early: on this machine only."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence

from jaxrl.errors import ConfigError
from jaxrl.sweeps.attempt import run_folder
from jaxrl.sweeps.board import Board, failures, listing
from jaxrl.sweeps.expand import Run, expand
from jaxrl.sweeps.local import run_local
from jaxrl.sweeps.search.proposals import Proposals, history
from jaxrl.sweeps.slots import make_slots, usable_cores, visible_gpus
from jaxrl.sweeps.sweep_file import SweepFile
from jaxrl.sweeps.sweep_folder import SweepFolder


def run_search(folder: SweepFolder, sweeps: Sequence[SweepFile], options: argparse.Namespace) -> int:
    """Returns the exit status, as `launcher.sweep` does.

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
        runs, more = expand(sweeps, options.count, options.draw_seed), lambda: None
    if options.list:
        print(listing(folder, runs, sweep.metric))
        return 0
    with folder.locked():
        folder.write_plan(runs)
        skip = ("finished",) if options.retry_failed else ("finished", "failed")
        todo = [run for run in runs if folder.state(run.id).status not in skip]
        slots = make_slots(options.jobs, options.cores_per_run, options.runs_per_gpu, usable_cores(), visible_gpus())
        with Board(folder, runs, sweep.metric) as board:
            judge = verdicts(folder, runs, sweep)
            status = run_local(folder, todo, slots, board.refresh, options.max_restarts, more, judge)
    counts = Counter(folder.state(run.id).status for run in runs)
    print(", ".join(f"{number} {name}" for name, number in counts.items()), flush=True)
    if told := failures(folder, runs):
        print(f"{told}\nrun them again with --retry-failed", flush=True)
    return status or int(bool(told))


def verdicts(folder: SweepFolder, runs: Sequence[Run], sweep: SweepFile) -> Callable[[Run], str]:
    """What says of a run why it is stopped now; empty where it goes on. `runs` may grow."""
    hyperband = sweep.hyperband
    if hyperband is None:
        return lambda run: ""

    def values(run: Run) -> list[float]:
        made = run_folder(folder, run)
        path = None if made is None else made / "metrics.jsonl"
        if path is None or not path.exists():
            return []
        return history([json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]], sweep.metric)

    def verdict(run: Run) -> str:
        mine, others = values(run), [values(other) for other in runs if other.id != run.id]
        if not hyperband.stops(mine, others, sweep.goal == "maximize"):
            return ""
        return f"stopped early by hyperband after {len(mine)} reports, {sweep.metric} {mine[-1]:.4g}"

    return verdict
