"""launch/slurm_multi_node.sh: goes on after a time limit, and does not come back for ever."""

import os
import shlex
import subprocess
import sys

import pytest

from tests.slurm.commands import run_now, shown, slurm, wait_for
from tests.support.host_runs import ROOT, SETTINGS, newest

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]

# A training that saves, notes what it was started with, and ends as it is told.
STAND_IN = """#!/bin/sh
mkdir -p "$RUNS/catch-s0/checkpoints/000001-1"
echo "$*" >> attempts
exit $STATUS
"""
TRAINING = f"""#!/bin/sh
exec {shlex.quote(sys.executable)} -u -m jaxrl "$@"
"""


def submit(folder, program, words, num_tasks, **variables):
    """Number of a job of the script, in a project whose `jaxrl` is `program`."""
    script = folder / ".venv" / "bin" / "jaxrl"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(program)
    script.chmod(0o755)
    options = ["--parsable", "--nodes=1", f"--ntasks-per-node={num_tasks}", "--cpus-per-task=1", "--gpus-per-node=0"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "RUNS": str(folder / "runs"),
        **variables,
    }
    words = ["sbatch", *options, "--output=log", str(ROOT / "launch" / "slurm_multi_node.sh"), *words]
    return subprocess.run(
        words, cwd=folder, env=environment, text=True, check=True, capture_output=True, timeout=60
    ).stdout.strip()


def follow(job, restarts):
    """The final state of a job that is to come back so often."""
    for restart in range(1, restarts + 1):
        run_now(job, restart)
    running = ("PENDING", "RUNNING", "COMPLETING")
    return wait_for(lambda: (state := shown(job, "JobState")) not in running and state, f"the end of {job}")


def test_a_job_that_fails_for_ever_comes_back_so_often_and_no_more(tmp_path, cluster):
    job = submit(tmp_path, STAND_IN, ["a.yaml"], 1, STATUS="75", MAX_RESTARTS="2")
    assert follow(job, restarts=2) == "FAILED"
    first, *later = (tmp_path / "attempts").read_text().splitlines()
    words = f"train a.yaml --hosts.coordinator auto --record.runs_dir {tmp_path}/runs"
    assert first == words and later == [f"{words} --resume latest"] * 2
    assert "status 75 after 2 restarts, so the job does not come back" in (tmp_path / "log").read_text()


def test_a_mistake_does_not_come_back(tmp_path, cluster):
    job = submit(tmp_path, STAND_IN, ["a.yaml"], 1, STATUS="1")
    assert follow(job, restarts=0) == "FAILED"
    assert len((tmp_path / "attempts").read_text().splitlines()) == 1


def test_a_training_of_two_tasks_goes_on_after_the_signal_of_the_time_limit(tmp_path, cluster):
    words = [str(ROOT / "configs" / "catch.yaml"), *SETTINGS, "--env_steps", "4000"]
    job = submit(tmp_path, TRAINING, [*words, "--record.checkpoint_every", "1"], 2)
    log = tmp_path / "log"
    wait_for(lambda: log.exists() and "env steps (" in log.read_text(), "the training")
    slurm("scancel", "--signal=USR1", job)  # to the tasks, and not to the script, as --signal of sbatch
    assert follow(job, restarts=1) == "COMPLETED", log.read_text()
    assert "stopped by SIGUSR1" in log.read_text()
    counters, _ = newest(tmp_path / "runs")  # of the only run: gone on with, not begun anew
    assert counters["restarts"] == 1 and counters["env_steps"] >= 4000
