"""Preempted or killed at any moment, a run ends as if nothing had happened; at most one checkpoint interval is lost."""

import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

import jaxrl.record.store
from jaxrl.record.checkpoints import Checkpoints
from jaxrl.record.recorder import Recorder
from jaxrl.record.rundir import RunDir
from jaxrl.run.signals import STOP_SIGNALS
from jaxrl.run.train import run_training
from jaxrl.sweeps.attempt import Attempt
from jaxrl.sweeps.expand import expand
from jaxrl.sweeps.sweep_file import read_sweep
from jaxrl.sweeps.sweep_folder import SweepFolder
from tests.support.parts import experiment_of
from tests.support.small_runs import assert_same_run, make_config, newest, rows

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shared_agent(monkeypatch):
    monkeypatch.setattr("jaxrl.run.train.build", experiment_of)


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ([signal.SIGUSR2], 140),
        ([signal.SIGHUP], 129),  # a terminal that was closed
        ([signal.SIGTERM, signal.SIGTERM], 143),  # a launcher and its scheduler both send it
        ([signal.SIGUSR1, signal.SIGTERM], 138),  # the time limit draws near, then it is there
    ],
)
@pytest.mark.usefixtures("hang_ups", "shared_agent")
def test_signals_of_preemption_save_and_have_their_status(tmp_path, monkeypatch, capsys, numbers, status):
    config, add = make_config(tmp_path), Recorder.add

    def add_and_signal(recorder, update, steps=None):
        add(recorder, update, steps)
        if recorder.updates == 6:
            for number in numbers:
                signal.raise_signal(number)

    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "add", add_and_signal)
        ended, run = run_training(config)
    assert ended == status and newest(run, config)[2]["updates"] == 6
    assert f"stopped by {signal.Signals(numbers[0]).name}" in capsys.readouterr().out
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before
    assert run_training(config, run)[0] == 0


def test_what_a_kill_leaves_on_disk_goes_on_to_the_same_run(tmp_path, monkeypatch, shared_agent):
    """`kill -9` leaves the files of that moment: so copy the folder at some, half-written checkpoints among them."""
    config, images = make_config(tmp_path / "runs"), []
    add, write = Recorder.add, jaxrl.record.store.write_manifest
    moments = set(random.Random(0).sample(range(5, 17), 2))

    def photograph(updates):
        run = RunDir.latest(tmp_path / "runs")
        image = tmp_path / "images" / str(len(images)) / run.path.name
        shutil.copytree(run.path, image)
        images.append((RunDir(image), updates))

    def add_and_photograph(recorder, update, steps=None):
        add(recorder, update, steps)
        if recorder.updates in moments:
            photograph(recorder.updates)

    def write_and_photograph(folder, step, leaves, counters):
        if step == 8:  # the arrays are there, the checksums are not, and nothing was renamed
            photograph(step)
        write(folder, step, leaves, counters)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "add", add_and_photograph)
        patch.setattr(jaxrl.record.store, "write_manifest", write_and_photograph)
        status, whole = run_training(config)
    assert status == 0 and len(images) == 3
    for image, updates in images:
        with image.metrics.open("a") as file:
            file.write('{"env_steps": 9')  # the kernel had taken half a line
        kept = Checkpoints(image).steps()[-1]
        assert updates - config.record.checkpoint_every <= kept <= updates
        assert run_training(config, image)[0] == 0
        assert_same_run(image, whole, config)


SWEEP = """
program: jaxrl
command: [python, -m, jaxrl, train, configs/catch.yaml, --runtime.num_actors=2, --runtime.envs_per_pool=2,
          --runtime.unroll_length=8, "--network.hidden_sizes=[8]", --record.wandb=off, --record.report_every=10,
          --record.checkpoint_every=20, --evaluation.episodes=0, "--env_steps=STEPS", "${args}"]
name: killed
method: grid
parameters: {seed: {values: [0]}}
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_random_kills_in_a_row(tmp_path, monkeypatch):
    """Real processes and SIGKILL, from the first import to the last update; pure JAX, so the bits must be equal."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    (tmp_path / "sweep.yaml").write_text(SWEEP.replace("STEPS", "128_000"))
    (run,) = expand([read_sweep(tmp_path / "sweep.yaml")])
    whole, killed = SweepFolder(tmp_path / "whole"), SweepFolder(tmp_path / "killed")
    assert Attempt(whole, run).wait().status == "finished"

    chance, kills, lost = random.Random(1), 0, []
    while kills < 20:
        start = updates_reported(killed, run)
        attempt = Attempt(killed, run)
        limit = time.monotonic() + 120
        if kills % 4:  # while it trains
            target = start + chance.randrange(1, 120)
            while updates_reported(killed, run) < target and attempt.poll() is None and time.monotonic() < limit:
                time.sleep(0.02)
        else:  # while it starts
            time.sleep(chance.uniform(0.0, 6.0))
        assert attempt.poll() is None, f"it ended by itself after {kills} kills; make it longer"
        attempt.kill()
        assert attempt.wait().status == "interrupted"
        kills += 1
        lost.append(updates_reported(killed, run) - saved(killed, run))
    assert Attempt(killed, run).wait().status == "finished"
    print(f"updates after the last checkpoint that each kill cost: {lost}")
    assert max(lost) <= 20 and max(lost) > 0

    one, other = (RunDir.latest(folder.of(run.id)) for folder in (whole, killed))
    assert other.episodes.read_bytes() == one.episodes.read_bytes()
    reports = [row["progress/updates"] for row in rows(other.metrics)]
    assert reports == [row["progress/updates"] for row in rows(one.metrics)], "no report twice, none left out"
    assert json.loads((other.checkpoints / sorted(other.checkpoints.iterdir())[-1] / "manifest.json").read_text())[
        "counters"
    ]["env_steps"] == rows(one.metrics)[-1]["env_steps"]  # fmt: skip


def updates_reported(folder, run):
    """By the newest whole line of metrics.jsonl."""
    for path in folder.of(run.id).glob("*/metrics.jsonl"):
        lines = path.read_bytes().split(b"\n")[:-1]
        return int(json.loads(lines[-1])["progress/updates"]) if lines else 0
    return 0


def saved(folder, run):
    steps = [int(path.name.partition("-")[2]) for path in folder.of(run.id).glob("*/checkpoints/[0-9]*-*")]
    return max(steps, default=updates_reported(folder, run))  # before the first there is nothing to lose but the start
