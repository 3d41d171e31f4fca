"""A run that is stopped and resumed is the same run, also where its newest checkpoint is damaged."""

import dataclasses
import os

import pytest

import jaxrl.run.experiment
from jaxrl.agents.replay_buffer import ReplayConfig
from jaxrl.cli.commands import main
from jaxrl.config.parsing import write_config
from jaxrl.record.checkpoints import CheckpointError, Checkpoints
from jaxrl.record.console import typed
from jaxrl.record.rundir import RunDir
from jaxrl.run.train import run_training
from tests.support.parts import CARTPOLE
from tests.support.small_runs import assert_same_run, interrupt_after, make_config, newest, rows

pytestmark = pytest.mark.usefixtures("one_agent_no_thread")


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("stop_after", [2, 9])
def test_a_resumed_run_is_the_same_run(tmp_path, monkeypatch, lag, stop_after):
    config = make_config(tmp_path, lag=lag)
    status, whole = run_training(config)
    assert status == 0
    with monkeypatch.context() as patch:
        interrupt_after(patch, stop_after)
        status, run = run_training(config)
    assert status == 130 and newest(run, config)[2]["updates"] == stop_after
    status, again = run_training(config, run)
    assert (status, again) == (0, run)
    assert newest(run, config)[2]["restarts"] == 1
    assert_same_run(run, whole, config)


def test_memory_and_replay_resume_as_well(tmp_path, monkeypatch):
    """Stopped while the ring is full and, with episodes of 10 rows and unrolls of 5, in the middle of episodes."""
    config = make_config(tmp_path)
    agent = dataclasses.replace(config.agent, burn_in=2, replay=ReplayConfig(capacity=3, per_fresh=2))
    network = dataclasses.replace(config.network, core="lstm", core_size=4)
    config = dataclasses.replace(config, agent=agent, network=network)
    _, whole = run_training(config)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 5)
        _, run = run_training(config)
    state, standing, _ = newest(run, config)
    assert state.replay.observation.shape == (3, 6, 8, 10, 5) and state.replay.observation.any((1, 2, 3, 4)).all()
    assert all(acting.memory.cell.any() for snapshot in standing.snapshots for acting in snapshot.actor_state)
    run_training(config, run)
    assert_same_run(run, whole, config)


def damage(folder):
    """Cut the largest file of a checkpoint to half its length."""
    largest = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)


def test_a_run_with_a_time_limit_ends_saved_and_goes_on_later(tmp_path, capsys):
    """Out of time after the first update: exit status 0, everything saved; a run without the limit finishes it."""
    config = make_config(tmp_path)
    status, run = run_training(dataclasses.replace(config, max_minutes=1e-9))
    assert status == 0 and Checkpoints(run).steps() == [1]
    told = capsys.readouterr().out
    share = rows(run.metrics)[-1]["env_steps"] / config.env_steps
    assert (
        f"max_minutes 1e-09 are over: training ends here, after {share * 700:.0f} of 700 env steps, {share:.1%} "
        in told
    )
    assert told.splitlines()[-1] == f"resume with: {typed('train', run.config, '--resume', run)}"
    status, _ = run_training(config, run)
    assert status == 0
    _, whole = run_training(make_config(tmp_path / "whole"))
    assert_same_run(run, whole, config)


def test_a_damaged_checkpoint_falls_back(tmp_path, monkeypatch, caplog):
    config = make_config(tmp_path)
    _, whole = run_training(config)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 10)
        _, run = run_training(config)
    damage(sorted(run.checkpoints.iterdir())[-1])
    status, _ = run_training(config, run)
    assert status == 0 and "is damaged" in caplog.text and "trying the one before" in caplog.text
    assert_same_run(run, whole, config)  # the lines of the lost updates were removed, and written again


def test_a_score_is_not_that_of_later_checkpoints(tmp_path):
    config = make_config(tmp_path)
    _, run = run_training(config)
    (run.path / "evaluation.json").write_text('{"updates": 7}')
    longer = dataclasses.replace(config, env_steps=2 * config.env_steps)
    assert run_training(longer, run)[0] == 0
    assert not (run.path / "evaluation.json").exists()
    assert (run.path / "evaluation-7.json").exists(), "it says of which update it is"


def test_another_number_of_hosts_would_be_another_batch(tmp_path, monkeypatch, capsys):
    _, run = run_training(make_config(tmp_path))
    found = Checkpoints(run).open()
    assert found is not None and found.counters["hosts"] == 1
    other = found._replace(counters={**found.counters, "hosts": 2})
    monkeypatch.setattr(Checkpoints, "open", lambda _: other)
    assert main(["train", str(run.config), "--resume", str(run), "--env_steps=600"]) == 2
    assert "was trained with hosts.num_processes 2, and with 1 its batch" in capsys.readouterr().err


def test_all_checkpoints_damaged(tmp_path, monkeypatch, capsys):
    config = make_config(tmp_path)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 10)
        _, run = run_training(config)
    for folder in run.checkpoints.iterdir():
        damage(folder)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(["train", str(run.config), "--resume", str(run)]) == 1
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert err.startswith("jaxrl: error: every checkpoint in ") and "none deleted" in err
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_envpool_resumes_on_fresh_seeds(tmp_path, monkeypatch):
    config = make_config(tmp_path, CARTPOLE)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 5)
        assert run_training(config)[0] == 130
    run = RunDir.latest(tmp_path)
    first = newest(run, config)
    streams = []
    make_env = jaxrl.run.experiment.make_env

    def remember(*args, stream, **options):
        streams.append(stream)
        return make_env(*args, stream=stream, **options)

    monkeypatch.setattr("jaxrl.run.experiment.make_env", remember)
    for restart in (1, 2):
        streams.clear()
        with monkeypatch.context() as patch:
            interrupt_after(patch, 5 + 5 * restart)
            assert run_training(config, run)[0] == 130
        assert streams == [(0, actor, pool, restart) for actor in range(2) for pool in range(2)]
        counters = newest(run, config)[2]
        assert (counters["restarts"], counters["updates"]) == (restart, 5 + 5 * restart)
    assert int(newest(run, config)[0].updates) == int(first[0].updates) + 10


def test_nothing_to_resume(tmp_path):
    config = make_config(tmp_path)
    run = RunDir.create(tmp_path, "small", 0, write_config(config), {})
    with pytest.raises(CheckpointError, match=r"has no checkpoint yet, so there is nothing to resume; start it anew$"):
        run_training(config, run)
