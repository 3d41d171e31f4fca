"""Commands about many runs: sweeps and studies."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxrl.cli.output import lasting_output
from jaxrl.cli.parser import Parser, count, positive_float, positive_int, seed


def sweep(arguments: Sequence[str]) -> int:
    """`jaxrl sweep`: 0 if every run finished, 1 if one failed, 128 + signal number if interrupted."""
    parser = Parser("sweep", "Run a sweep; run it again to go on where it stopped.")
    add = parser.add_argument
    add("files", metavar="FILE", nargs="+", type=Path, help="sweep files, or names of `jaxrl list sweeps`")
    add("--out", type=Path, metavar="FOLDER", help="the sweep's folder; default: sweeps/<name of the first file>")
    add(
        "--count",
        type=positive_int,
        metavar="N",
        help="at most N runs of each file; `method: random` needs it or run_cap",
    )
    add("--draw-seed", type=seed, default=0, metavar="N", help="of random draws; default: 0")
    add(
        "--population",
        type=_members,
        nargs="?",
        const=sys.maxsize,
        metavar="N",
        help="train runs that differ in seed and agent.hypers only together, at most N in a process; default: all",
    )
    add("--list", action="store_true", help="check everything, list the runs with what they reached, start nothing")
    _add_execution(parser)
    options = parser.parse_args(arguments)
    from jaxrl.sweeps import launcher

    with lasting_output():
        return launcher.sweep(options)


def reproduce(arguments: Sequence[str]) -> int:
    """`jaxrl reproduce`: the status is that of `jaxrl sweep`, and the report is written in any case."""
    parser = Parser("reproduce", "Run a study, agents x games x seeds, and write a report.")
    add = parser.add_argument
    add(
        "--scale",
        choices=["smoke", "cpu", "full"],
        required=True,
        help="smoke: minutes; cpu: the exploration study; full: Atari-57",
    )
    add("--out", type=Path, metavar="FOLDER", help="default: reproduce/<scale>")
    add(
        "--from",
        dest="recorded",
        type=Path,
        metavar="ARCHIVE",
        help="with --report-only: read a finished study from this archive or folder; default of --out: its name",
    )
    add("--yes", action="store_true", help="do not ask before a large study")
    add("--list", action="store_true", help="list the runs with what they reached, start nothing")
    add("--report-only", action="store_true", help="write the report of what has finished, and run nothing")
    add("--frames-per-second", type=positive_float, metavar="F", help="of one run, for the plan")
    _add_execution(parser)
    parser.set_defaults(cores_per_run=1)  # these recipes use a second core badly, and a study has runs enough
    options = parser.parse_args(arguments)
    from jaxrl.sweeps import study

    with lasting_output():
        return study.reproduce(options, f"jaxrl reproduce {shlex.join(arguments)}")


def _members(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(
            f"write how many members a run may have, 2 or more, not {text!r}; files go before it"
        )
    return int(text)


def _add_execution(parser: Parser) -> None:
    """Where and how runs are run."""
    add = parser.add_argument
    add("--on", choices=["local", "slurm"], default="local", help="this machine, or a SLURM job array")
    add(
        "--jobs",
        type=positive_int,
        metavar="N",
        help="at most N runs at a time; default: as many as fit, 256 under SLURM",
    )
    add("--retry-failed", action="store_true", help="also run again what failed before")
    here = parser.add_argument_group("--on local")
    here.add_argument(
        "--cores-per-run", type=positive_int, default=2, metavar="N", help="without a GPU; default: %(default)s"
    )
    here.add_argument(
        "--runs-per-gpu", type=positive_int, default=1, metavar="N", help="that share its memory; default: 1"
    )
    here.add_argument(
        "--max-restarts", type=count, default=20, metavar="N", help="of a run that was killed; default: 20"
    )
    there = parser.add_argument_group("--on slurm")
    there.add_argument(
        "--time", type=count, default=240, metavar="MINUTES", help="limit of a job; it is requeued at it"
    )
    there.add_argument("--cpus", type=positive_int, default=4, metavar="N", help="cores of a job; default: 4")
    there.add_argument("--gpus", type=count, default=0, metavar="N", help="GPUs of a job; default: 0")
    there.add_argument("--partition", metavar="NAME", help="default: the cluster's")
    there.add_argument("--signal-before", type=count, default=120, metavar="SECONDS", help="to save before the limit")
    there.add_argument("--sbatch", action="append", default=[], metavar="NAME=VALUE", help="anything else for sbatch")
    there.add_argument("--detach", action="store_true", help="submit and return; run again to watch")
