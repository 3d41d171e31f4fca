"""`launch/sweep.py`: from the words of the command line to runs, done here or by SLURM."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxrl.errors import ConfigError
from jaxrl.sweeps.board import Board, failures, listing
from jaxrl.sweeps.expand import MAX_RUNS, Run, expand
from jaxrl.sweeps.local import run_local
from jaxrl.sweeps.packing import begun, pack
from jaxrl.sweeps.slots import make_slots, usable_cores, visible_gpus
from jaxrl.sweeps.slurm import run_slurm
from jaxrl.sweeps.sweep_file import read_sweep
from jaxrl.sweeps.sweep_folder import SweepFolder, count

DESCRIPTION = "Run a sweep; run it again to go on where it stopped."


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 if every run finished, 1 if one failed, 128 + signal number if interrupted."""
    options = make_parser().parse_args(arguments)
    sweeps = [read_sweep(path) for path in options.files]
    runs = expand(sweeps, options.count, options.draw_seed)
    folder = SweepFolder(options.out or Path("sweeps") / sweeps[0].name)
    if options.population:
        packing = pack(runs, options.population, begun(folder, options.population))
        runs = packing.runs
        print(packing.describe(), flush=True)
    if options.list:
        print(listing(folder, runs, sweeps[0].metric))
        return 0
    with folder.locked():
        return run_sweep(folder, runs, options, metric=sweeps[0].metric)


def run_sweep(folder: SweepFolder, runs: Sequence[Run], options: argparse.Namespace, metric: str) -> int:
    """Run what is not finished; call with the folder locked."""
    folder.write_plan(runs)
    skip = ("finished",) if options.retry_failed else ("finished", "failed")
    todo = [run for run in runs if folder.state(run.id).status not in skip]
    print(f"{len(runs)} runs in {folder.path}: {len(todo)} to do, {len(runs) - len(todo)} done before", flush=True)
    if options.on == "local":
        slots = make_slots(
            options.jobs, options.cores_per_run, options.runs_per_gpu, usable_cores(), visible_gpus()
        )  # fmt: skip
        with Board(folder, runs, metric) as board:
            status = run_local(folder, todo, slots, board.refresh, options.max_restarts)
    else:
        parameters = slurm_parameters(options)
        with Board(folder, runs, metric) as board:
            status = run_slurm(folder, todo, parameters, board.refresh, not options.detach)
    counts = count(folder.state(run.id) for run in runs)
    print(", ".join(f"{number} {name}" for name, number in counts.items()), flush=True)
    told = failures(folder, runs)
    if told:
        print(f"{told}\nrun them again with --retry-failed", flush=True)
    return status or int(bool(told))


def slurm_parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Of submitit's executor."""
    parameters: dict[str, Any] = {
        "name": "jaxrl",
        "timeout_min": options.time,
        "cpus_per_task": options.cpus,
        "slurm_signal_delay_s": options.signal_before,
        "slurm_array_parallelism": options.jobs or 256,
    }
    if options.gpus:
        parameters["gpus_per_node"] = options.gpus
    if options.partition:
        parameters["slurm_partition"] = options.partition
    for word in options.sbatch:
        name, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--sbatch {word}: write NAME=VALUE, such as --sbatch account=lab")
        parameters[f"slurm_{name.replace('-', '_')}"] = value
    return parameters


def make_parser() -> argparse.ArgumentParser:
    """The command line; `launch/reproduce.py` adds to it."""
    parser = argparse.ArgumentParser(prog="launch/sweep.py", description=DESCRIPTION, allow_abbrev=False)
    add = parser.add_argument
    add("files", metavar="FILE", nargs="+", type=Path, help="sweep files, such as those in configs/sweeps/")
    add("--out", type=Path, metavar="FOLDER", help="the sweep's folder; default: sweeps/<name of the first file>")
    add("--count", type=int, metavar="N", help="at most N runs of each file; `method: random` needs it or run_cap")
    add("--draw-seed", type=int, default=0, metavar="N", help="of random draws; default: 0")
    add(
        "--population",
        type=_members,
        nargs="?",
        const=MAX_RUNS,
        metavar="N",
        help="train runs that differ in seed and agent.hypers only together, at most N in a process; default: all",
    )
    add("--list", action="store_true", help="check everything, list the runs with what they reached, start nothing")
    add_execution(parser)
    return parser


def _members(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(
            f"write how many members a run may have, 2 or more, not {text!r}; files go before it"
        )
    return int(text)


def add_execution(parser: argparse.ArgumentParser) -> None:
    """Where and how runs are run: shared with reproduction."""
    add = parser.add_argument
    add("--on", choices=["local", "slurm"], default="local", help="this machine, or a SLURM job array")
    add("--jobs", type=int, metavar="N", help="at most N runs at a time; default: as many as fit, 256 under SLURM")
    add("--retry-failed", action="store_true", help="also run again what failed before")
    here = parser.add_argument_group("--on local")
    here.add_argument("--cores-per-run", type=int, default=2, metavar="N", help="without a GPU; default: %(default)s")
    here.add_argument("--runs-per-gpu", type=int, default=1, metavar="N", help="that share its memory; default: 1")
    here.add_argument("--max-restarts", type=int, default=20, metavar="N", help="of a run that was killed; default: 20")
    there = parser.add_argument_group("--on slurm")
    there.add_argument("--time", type=int, default=240, metavar="MINUTES", help="limit of a job; it is requeued at it")
    there.add_argument("--cpus", type=int, default=4, metavar="N", help="cores of a job; default: 4")
    there.add_argument("--gpus", type=int, default=0, metavar="N", help="GPUs of a job; default: 0")
    there.add_argument("--partition", metavar="NAME", help="default: the cluster's")
    there.add_argument("--signal-before", type=int, default=120, metavar="SECONDS", help="to save before the limit")
    there.add_argument("--sbatch", action="append", default=[], metavar="NAME=VALUE", help="anything else for sbatch")
    there.add_argument("--detach", action="store_true", help="submit and return; run again to watch")
