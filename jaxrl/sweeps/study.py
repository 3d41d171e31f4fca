"""`jaxrl reproduce`: plan, run what is not finished, report. Run again, it goes on where it stopped."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxrl.analysis.archives import SUFFIX, is_archive, unpacked
from jaxrl.config.shipped import shipped
from jaxrl.errors import ConfigError
from jaxrl.sweeps.board import listing
from jaxrl.sweeps.costs import Speed, describe, estimate, measured
from jaxrl.sweeps.expand import Run, expand
from jaxrl.sweeps.launcher import run_sweep
from jaxrl.sweeps.local import Supply
from jaxrl.sweeps.report import collect, write_report
from jaxrl.sweeps.slots import make_slots, visible_gpus
from jaxrl.sweeps.sweep_file import read_sweep
from jaxrl.sweeps.sweep_folder import SweepFolder

ASKS = ("full",)
METRIC = "episode/return"


def reproduce(options: argparse.Namespace, command: str) -> int:
    """Returns the exit status of a sweep; the report, which says `command`, is written in any case."""
    if options.recorded and not options.report_only:
        raise ConfigError("--from names runs that are recorded, and trains none; say --report-only too")
    name = options.recorded.name.removesuffix(SUFFIX) if options.recorded else options.scale
    folder = SweepFolder(options.out or Path("reproduce") / name)
    if options.recorded:
        source = SweepFolder(unpacked(options.recorded) if is_archive(options.recorded) else options.recorded)
        runs = source.plan()
    else:
        files = sorted((shipped("configs") / "reproduce" / options.scale).glob("*.yaml"))
        source, runs = folder, expand([read_sweep(path) for path in files])
    if options.list:
        if left := [run for run in runs if folder.state(run.id).status != "finished"]:
            print(_plan(folder, runs, left, options))
        print(listing(folder, runs, METRIC))
        return 0
    report = folder.path / "report.html"
    with folder.locked():
        todo = [] if options.report_only else [run for run in runs if folder.state(run.id).status != "finished"]
        if todo:
            print(_plan(folder, runs, todo, options), flush=True)
        if todo and not _agreed_to(options):
            return 2
        try:
            status = 0 if options.report_only else run_sweep(folder, Supply(runs), options, METRIC)
        finally:
            print(f"report: {write_report(report, options.scale, command, collect(source, runs))}", flush=True)
    return status


def _plan(folder: SweepFolder, runs: Sequence[Run], todo: Sequence[Run], options: argparse.Namespace) -> str:
    told = options.frames_per_second
    speed = Speed(told, "as --frames-per-second says") if told else measured(folder, runs)
    device = "GPU" if options.gpus or options.scale == "full" or visible_gpus() else "CPU-slot"
    return describe(estimate(todo), options.scale, device, _at_a_time(options), speed)


def _agreed_to(options: argparse.Namespace) -> bool:
    """Ask before a large study."""
    if options.scale not in ASKS:
        return True
    if options.on == "local" and not visible_gpus():
        print("  warning  no GPU is visible here; `jaxrl doctor --require gpu` says what to do", flush=True)
    if options.yes:
        return True
    if not sys.stdin.isatty():
        print("this is large, and there is nobody to ask; say --yes to go on, or --list to plan", file=sys.stderr)
        return False
    return input("go on? [y/N] ").strip().lower() in ("y", "yes")


def _at_a_time(options: argparse.Namespace) -> int:
    if options.on == "slurm":
        return options.jobs or 256
    return len(make_slots(options.jobs, options.cores_per_run, options.runs_per_gpu))
