"""A sweep on a real SLURM: jobs that are preempted come back and finish, one that fails is reported.

Needs root and Debian's packages, or a cluster that is there already: `make test-slurm`.
"""

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from jaxrl.sweeps.sweep_folder import SweepFolder
from tests.slurm.commands import run_now, slurm, wait_for

ROOT = Path(__file__).parents[2]
LIMIT_S = 540.0
STEPS = 163_840  # long enough that the second run still trains when the first has been queued again

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_spec("submitit") is None, reason="submitit is not installed: pip install -e '.[slurm]'"),
]

SWEEP = """
program: jaxrl
command: [python, -m, jaxrl, train, configs/catch.yaml, --env_steps=STEPS, "--network.hidden_sizes=[8]",
          --record.wandb=off, --record.report_every=5, --record.checkpoint_every=10, --evaluation.episodes=20,
          "${args}"]
name: NAME
method: grid
parameters: PARAMETERS
"""


def launcher(tmp_path):
    """launch/sweep.py over three good trainings and one whose device does not exist."""
    files = []
    for name, parameters in [
        ("good", "{seed: {values: [0, 1, 2]}}"),
        ("bad", "{runtime.learner_devices: {value: [0, 31]}}"),
    ]:
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(SWEEP.replace("NAME", name).replace("STEPS", str(STEPS)).replace("PARAMETERS", parameters))
    words = [*map(str, files), "--out", str(tmp_path / "sweep"), "--on", "slurm", "--cpus", "1", "--time", "20"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, "launch/sweep.py", *words],
        cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_preempted_jobs_come_back_and_finish(tmp_path, cluster):
    start = time.monotonic()
    sweep = SweepFolder(tmp_path / "sweep")
    process = launcher(tmp_path)
    try:
        jobs = wait_for(lambda: read_jobs(sweep) or process.poll(), "the submission", 120.0)
        assert isinstance(jobs, dict), process.communicate()[0]
        preempted = [run for run in sweep.plan() if run.sweep == "good"][:2]
        # One is taken away by the scheduler; the other is told that its time is nearly up.
        for run, command in zip(preempted, (["scontrol", "requeue"], ["scancel", "--signal=USR2"]), strict=True):
            wait_for(lambda run=run: list(sweep.of(run.id).glob("*/checkpoints/0*")), f"a checkpoint of {run.label}")
            assert sweep.state(run.id).status == "running"
            slurm(*command, jobs[run.id])
            run_now(jobs[run.id])
        output, _ = process.communicate(timeout=max(1.0, LIMIT_S - (time.monotonic() - start)))
    finally:
        process.kill()
    states = {(run.sweep, run.seed): sweep.state(run.id) for run in sweep.plan()}
    assert process.returncode == 1, output
    assert "3 finished" in output and "1 failed" in output
    assert "names device 31" in output, "the failed run is listed with its last lines"
    assert [states["good", seed].status for seed in (0, 1, 2)] == ["finished"] * 3
    assert [states["good", seed].attempts for seed in (0, 1)] == [2, 2] and states["bad", 0].attempts == 1
    for run in sweep.plan()[:3]:
        (folder,) = (path for path in sweep.of(run.id).iterdir() if path.is_dir())  # gone on with, not begun anew
        steps = [json.loads(line)["env_steps"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert steps == sorted(set(steps)) and steps[-1] >= STEPS
        assert (folder / "evaluation.json").exists()
    for run in preempted:
        assert "--resume=" in sweep.log(run.id).read_text() and "stopped by SIG" in sweep.log(run.id).read_text()
    assert time.monotonic() - start < LIMIT_S


def read_jobs(sweep):
    try:
        return json.loads((sweep.path / "slurm" / "jobs.json").read_text())
    except OSError:
        return None
