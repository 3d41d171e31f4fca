"""A hundred kills, hang-ups and restarts of launchers, trainings and evaluations: nothing is lost or done twice."""

import json
import random

import pytest

from jaxrl.record.rundir import RunDir
from jaxrl.sweeps.expand import expand
from jaxrl.sweeps.sweep_file import read_sweep
from tests.support.small_runs import rows
from tests.support.storm import ENDS_S, ROOT, Storm

EVENTS = 100
STEPS = 30_000
SWEEP = f"""
program: jaxrl
command: [python, -m, jaxrl, train, configs/catch.yaml, --runtime.num_actors=2, --runtime.envs_per_pool=2,
          --runtime.unroll_length=8, "--network.hidden_sizes=[8]", --record.wandb=off, --record.report_every=10,
          --record.checkpoint_every=20, --evaluation.episodes=10, "--env_steps={STEPS}", "${{args}}"]
name: storm
method: grid
parameters: {{seed: {{values: [0, 1]}}}}
"""


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_hundred_kills_hang_ups_and_restarts(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    (tmp_path / "storm.yaml").write_text(SWEEP)
    runs, events = expand([read_sweep(tmp_path / "storm.yaml")]), 0
    calm = undisturbed(tmp_path / "calm", tmp_path / "storm.yaml")
    for number in range(EVENTS):  # sweeps, of which each sees some of the events
        folder = tmp_path / f"storm-{number}"
        folder.mkdir()
        storm = Storm(folder, tmp_path / "storm.yaml", random.Random(number))
        try:
            events += storm.rage(EVENTS - events)
            storm.clear()
        finally:
            storm.stop()
        print(f"storm {number}: {events} events, {dict(storm.happened)}; statuses {storm.statuses}", flush=True)
        check(storm, runs, calm)
        if events >= EVENTS:
            break


def undisturbed(folder, sweep):
    """The same sweep in calm weather: its episodes, byte for byte, of each run."""
    folder.mkdir()
    storm = Storm(folder, sweep, random.Random(0))
    try:
        storm._watch(ENDS_S, lambda: storm._launcher.poll() is not None)
        assert storm._launcher.returncode == 0, (folder / "output.log").read_text()
    finally:
        storm.stop()
    return {run.parent.name: (run / "episodes.jsonl").read_bytes() for run in storm._run_folders()}


def check(storm, runs, calm):
    """0 runs lost, 0 folders with two writers, 0 steps logged twice, 0 tracebacks."""
    assert not storm.two_writers and not storm.went_back
    for log in [storm._folder / "output.log", *storm.sweep.path.glob("runs/*/output.log")]:
        text = log.read_text(errors="replace") if log.exists() else ""
        where = text.find("Traceback")
        assert where < 0, text[max(0, where - 500) :][:3000]
    for run in runs:
        assert storm.sweep.state(run.id).status == "finished"
        (folder,) = [path for path in storm.sweep.of(run.id).iterdir() if path.is_dir()]
        made = RunDir.open(folder)
        steps = [row["env_steps"] for row in rows(made.metrics)]
        assert steps == sorted(set(steps)) and steps[-1] >= STEPS
        assert made.episodes.read_bytes() == calm[run.id], "the run is another one than in calm weather"
        assert json.loads((folder / "evaluation.json").read_text())["episodes"] == 10
