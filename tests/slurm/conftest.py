"""A SLURM for the tests of this folder. Needs root, and Debian's packages or apt-get to install them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "launch" / "slurm_single_node.sh"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A SLURM of this machine alone; 2 CPUs, so that two jobs run at a time."""
    if os.geteuid() != 0:
        pytest.skip("starting a SLURM needs root")
    folder = tmp_path / "cluster"
    started = subprocess.run([SCRIPT, "start", folder, "2"], capture_output=True, text=True, timeout=600)
    if started.returncode == 3:  # the packages are neither here nor to be had
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    monkeypatch.setenv("SLURM_CONF", started.stdout.strip())
    yield folder
    subprocess.run(["scancel", "--user=root"], check=False, timeout=60)
    subprocess.run([SCRIPT, "stop", folder], check=True, timeout=60)
