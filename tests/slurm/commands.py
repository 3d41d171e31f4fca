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


def state(job: str) -> str:
    """Such as PENDING, RUNNING, COMPLETED."""
    return slurm("scontrol", "show", "job", job).split("JobState=")[1].split()[0]


def run_now(job: str) -> None:
    """SLURM lets a requeued job wait for two minutes; not here."""
    wait_for(lambda: state(job) == "PENDING", f"{job} to be queued again")
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
