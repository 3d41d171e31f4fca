"""Runs the checks one after another, each in a process with a time limit, and keeps the report up to date.

This process never starts JAX: the accelerator belongs to the check that runs.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from jaxrl.bench.acceptance.checklist import CHECKS, FULL_MINUTES, GRACE_S, allowance
from jaxrl.bench.acceptance.verdict import Outcome, read_findings, verdict, write_report

SMOKE_MINUTES = 10.0  # limits only: where nothing else runs two cores need a fifth of it
LOOK_EVERY_S = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Check this machine's accelerator; 0 where nothing failed, and a smoke test came to its end."""
    parser = argparse.ArgumentParser(
        prog="launch/accelerator_check.sh",
        description="Whether jaxrl computes, learns and is fast on this accelerator: a report with a verdict.",
    )
    add = parser.add_argument
    add("--minutes", type=float, metavar="M", help=f"for everything; default: {FULL_MINUTES:g}, smoke {SMOKE_MINUTES}")
    add("--smoke", action="store_true", help="tiny sizes, on a CPU too: shows that everything runs, and no speed")
    add("--out", type=Path, metavar="FOLDER", help="default: accelerator_check/DATE")
    add("--only", choices=CHECKS, nargs="+", metavar="CHECK", help=f"some of: {', '.join(CHECKS)}")
    options = parser.parse_args(arguments)
    default = SMOKE_MINUTES if options.smoke else FULL_MINUTES
    minutes = default if options.minutes is None else options.minutes
    if not 0 < minutes < math.inf:
        parser.error(f"--minutes must be a number above 0, not {minutes:g}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that `run` ends its check too
    started = datetime.now().astimezone()
    folder = options.out or Path("accelerator_check") / started.strftime("%Y%m%d-%H%M%S")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out {folder} cannot be made: {error.strerror}; name another")
    outcomes: list[Outcome] = []
    begun = time.monotonic()
    names = [name for name in CHECKS if options.only is None or name in options.only]
    for i, name in enumerate(names):
        seconds = allowance(names[i:], minutes, time.monotonic() - begun)
        print(f"{CHECKS[name].title}: {seconds:.0f} s at most", flush=True)
        outcomes.append(Outcome(name))
        run(outcomes, folder, seconds, options.smoke, started)
        for finding in outcomes[-1].findings:
            print(f"  {finding.status:5} {finding.subject}: {finding.detail}", flush=True)
    found = verdict(outcomes, names)
    print(f"{found.sentence}\nwritten to {write_report(folder, outcomes, started, names)}")
    return int(found.status == "fail" or (options.smoke and any(outcome.cut for outcome in outcomes)))


def run(outcomes: list[Outcome], folder: Path, seconds: float, smoke: bool, started: datetime) -> None:
    """Fill in the newest outcome: run its check, and write the report while it runs and when it ended."""
    outcome, begun = outcomes[-1], time.monotonic()
    words = [outcome.name, "--folder", str(folder), "--seconds", f"{seconds:.1f}", *["--smoke"] * smoke]
    with (folder / f"{outcome.name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jaxrl.bench.acceptance.one_check", *words],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # so that its own children end with it
        )
        try:
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_EVERY_S)
                outcome.seconds = time.monotonic() - begun
                outcome.findings = read_findings(folder / f"{outcome.name}.jsonl")
                if outcome.seconds > seconds + GRACE_S:
                    outcome.cut = True
                    break
                write_report(folder, outcomes, started)
        finally:
            end(process)
    outcome.seconds = time.monotonic() - begun
    outcome.findings = read_findings(folder / f"{outcome.name}.jsonl")
    outcome.status = None if outcome.cut else process.returncode
    write_report(folder, outcomes, started)


def end(process: subprocess.Popen) -> None:
    """End a check and all that it started, gently first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            continue
    with suppress(subprocess.TimeoutExpired):  # it hangs in the driver, and the next check does not wait for it
        process.wait(GRACE_S)


if __name__ == "__main__":
    sys.exit(main())
