"""SLURM's commands, and waiting for what they lead to."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str, limit_s: float = 240.0) -> T:
    """The first true value of `condition()`."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.5)
    raise AssertionError(f"waited {limit_s:.0f} s for {what}")


def slurm(*words: str) -> str:
    """Standard output of a command that must succeed."""
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


def shown(job: str, name: str) -> str:
    """What SLURM says of a job: JobState is PENDING, RUNNING, COMPLETED and the like, Restarts a number."""
    return slurm("scontrol", "show", "job", job).split(f" {name}=")[1].split()[0]


def run_now(job: str, restart: int = 1) -> None:
    """SLURM lets a job wait for two minutes that was requeued for the `restart`-th time; not here."""
    wait_for(
        lambda: shown(job, "Restarts") == str(restart) and shown(job, "JobState") == "PENDING",
        f"{job} to be queued again",
    )
    time.sleep(2.0)  # what is being taken down forgets the new time, or is not launched in the second of its end
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
