"""`jaxrl sweep`: from the options of the command line to runs, done here or by SLURM."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from jaxrl.errors import ConfigError
from jaxrl.run.backend import check_platform
from jaxrl.sweeps.board import Board, failures, listing
from jaxrl.sweeps.expand import expand
from jaxrl.sweeps.local import Supply, run_local
from jaxrl.sweeps.packing import begun, pack
from jaxrl.sweeps.search.run_search import Search
from jaxrl.sweeps.slots import make_slots
from jaxrl.sweeps.slurm import run_slurm
from jaxrl.sweeps.sweep_file import read_sweep
from jaxrl.sweeps.sweep_folder import SweepFolder


def sweep(options: argparse.Namespace) -> int:
    """Returns the exit status: 0 if every run finished, 1 if one failed, 128 + signal number if interrupted."""
    sweeps = [read_sweep(path) for path in options.files]
    folder = SweepFolder(options.out or Path("sweeps") / sweeps[0].name)
    if any(each.method == "bayes" or each.hyperband is not None for each in sweeps):
        supply = Search(folder, sweeps, options)
    else:
        supply = Supply(expand(sweeps, options.count, options.draw_seed))
    if options.population:
        packing = pack(supply.runs, options.population, begun(folder, options.population))
        supply = Supply(packing.runs)
        if described := packing.describe():  # nothing where all have finished alone
            print(described, flush=True)
    if options.list:
        print(listing(folder, supply.runs, sweeps[0].metric))
        return 0
    with folder.locked():
        return run_sweep(folder, supply, options, sweeps[0].metric)


def run_sweep(folder: SweepFolder, supply: Supply, options: argparse.Namespace, metric: str) -> int:
    """Run what is not finished; call with the folder locked."""
    runs = supply.runs
    if options.on == "local":
        check_platform()
    folder.write_plan(runs)
    skip = ("finished",) if options.retry_failed else ("finished", "failed")
    todo = [run for run in runs if folder.state(run.id).status not in skip]
    print(f"{len(runs)} runs in {folder.path}: {len(todo)} to do, {len(runs) - len(todo)} done before", flush=True)
    if options.on == "local":
        slots = make_slots(options.jobs, options.cores_per_run, options.runs_per_gpu)
        with Board(folder, runs, metric) as board:
            status = run_local(folder, todo, slots, board.refresh, options.max_restarts, supply)
    else:
        parameters = slurm_parameters(options)
        with Board(folder, runs, metric) as board:
            status = run_slurm(folder, todo, parameters, board.refresh, not options.detach)
    counts = Counter(folder.state(run.id).status for run in runs)
    print(", ".join(f"{number} {name}" for name, number in counts.items()), flush=True)
    told = failures(folder, runs)
    if told:
        print(f"{told}\nrun them again with --retry-failed", flush=True)
    return status or int(bool(told))


def slurm_parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Parameters of submitit's executor, from the options of a command."""
    parameters: dict[str, Any] = {
        "name": "jaxrl",
        "timeout_min": options.time,
        "cpus_per_task": options.cpus,
        "slurm_signal_delay_s": options.signal_before,
        "slurm_array_parallelism": options.jobs or 256,
    }
    chosen = {"gpus_per_node": options.gpus, "slurm_partition": options.partition}
    parameters |= {name: value for name, value in chosen.items() if value}
    for word in options.sbatch:
        name, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--sbatch {word}: write NAME=VALUE, such as --sbatch account=lab")
        parameters[f"slurm_{name.replace('-', '_')}"] = value
    return parameters
