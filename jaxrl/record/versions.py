"""What a run ran on: enough to say later why two runs differ."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("jax", "jaxlib", "flax", "optax", "chex", "envpool", "numpy", "orbax-checkpoint")
_SOURCE = Path(__file__).resolve().parents[2]  # the folder that holds the package


def package_versions() -> dict[str, str | None]:
    """Installed version of each package that can change a result; None where it is not installed."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def git_state(source: Path = _SOURCE) -> dict[str, Any]:
    """`commit` (None outside a checkout) and `dirty` (whether the package's files differ from it).

    What else lies in a checkout changes no run: films, figures, executed notebooks, and configs, which a run records.
    """

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(source), *arguments], capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    top = git("rev-parse", "--show-toplevel")
    # An installed package may lie inside somebody else's checkout, whose commit says nothing about this code.
    if top is None or Path(top).resolve() != source.resolve():
        return {"commit": None, "dirty": None}
    commit = git("rev-parse", "--verify", "HEAD")
    status = git("status", "--porcelain", "--", "jaxrl")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def usable_cores() -> int:
    """Cores that this process may use, which in a container may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """The processor's name; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def command(argv: Sequence[str]) -> str:
    """What can be typed again: `python -m jaxrl` shows as the path of a file in `argv`."""
    program, *words = argv
    again = ["python", "-m", "jaxrl"] if Path(program).name == "__main__.py" else [program]
    return shlex.join([*again, *words])


def collect(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Everything for versions.json. Asks JAX for its devices, so it starts the backend."""
    import jax  # here, so that `jaxrl --help` does not pay for it

    devices = jax.devices()
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": package_versions(),
        "devices": {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)},
        "processor": processor(),
        "cores": usable_cores(),
        "git": git_state(),
        "command": command(sys.argv if argv is None else argv),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
