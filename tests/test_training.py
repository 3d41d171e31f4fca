"""A run from start to end: what it records, how it resumes, what survives when the disk does not."""

import dataclasses
import errno
import json
import os
import signal
import threading

import numpy as np
import pytest
from PIL import Image

import jaxrl.io.checkpoint_folder
import jaxrl.io.sinks
from jaxrl.agents.replay import ReplayConfig
from jaxrl.cli import main
from jaxrl.config import ConfigError, RecordConfig
from jaxrl.experiment import INIT_KEY, make_actors
from jaxrl.io.checkpoints import CheckpointError, Checkpoints
from jaxrl.io.metric_names import METRICS
from jaxrl.io.rundir import RunDir, RunDirError, write_error
from jaxrl.parsing import write_config
from jaxrl.recording import Diverged, Recorder
from jaxrl.resuming import from_extras, to_extras
from jaxrl.sebulba.runtime import Resumption, Update
from jaxrl.training import run_training
from jaxrl.types import Snapshot, Unroll
from tests.sebulba.parts import CARTPOLE, CATCH, assert_same_bits, experiment_of, small_config, to_host
from tests.sebulba.test_learner import trajectory


@pytest.fixture(autouse=True)
def one_agent_no_thread(monkeypatch):
    """Every run of this file shares its compiled agent; none may leave a thread."""
    monkeypatch.setattr("jaxrl.training.build", experiment_of)
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("actor-")] == []


def make_config(runs_dir, env=CATCH, lag=1):
    config = dataclasses.replace(small_config(env, policy_lag=lag), env_steps=700)
    return dataclasses.replace(
        config, record=RecordConfig(str(runs_dir), report_every=3, checkpoint_every=4, wandb="off")
    )


def interrupt_after(monkeypatch, updates):
    """Ctrl-C, as if typed while the learner counts its `updates`-th update."""
    add = Recorder.add

    def add_and_interrupt(recorder, update, steps=None):
        add(recorder, update, steps)
        if recorder.updates == updates:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Recorder, "add", add_and_interrupt)


def newest(run, config):
    """The newest checkpoint, extras included, on the host."""
    experiment = experiment_of(config)
    template = experiment.agent.init(experiment.key(INIT_KEY))
    actors = make_actors(experiment)
    for actor in actors:
        actor.reset()
    lag = config.runtime.policy_lag
    history = dict.fromkeys(range(lag + 1), experiment.agent.publish(template))
    extras = to_extras(Resumption([actor.snapshot() for actor in actors], history), lag)
    for actor in actors:
        actor.close()
    found = Checkpoints(run).restore(template, extras)
    assert found is not None
    return to_host(found.state), to_host(found.extras), found.counters


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_same_run(run, whole, config):
    """Everything but the wall time."""
    state, extras, counters = newest(run, config)
    whole_state, whole_extras, whole_counters = newest(whole, config)
    assert_same_bits(state, whole_state)
    assert_same_bits(extras, whole_extras)
    for name in ("env_steps", "updates", "episodes"):
        assert counters[name] == whole_counters[name]
    assert run.episodes.read_bytes() == whole.episodes.read_bytes()
    curve = {row["env_steps"]: row for row in rows(run.metrics)}
    assert list(curve) == sorted(curve) and len(curve) == len(rows(run.metrics))
    for row in rows(whole.metrics):
        for name in ("episode/return", "episode/length", "episode/count", "progress/updates"):
            assert curve[row["env_steps"]].get(name) == row.get(name)


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
    state, extras, _ = newest(run, config)
    assert state.replay.observation.shape == (3, 6, 8, 10, 5) and state.replay.observation.any((1, 2, 3, 4)).all()
    assert all(acting.memory.cell.any() for snapshot in extras["snapshots"] for acting in snapshot.actor_state)
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
    assert "max_minutes 1e-09 are over" in capsys.readouterr().out
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
    make_env = jaxrl.experiment.make_env

    def remember(*args, stream, **options):
        streams.append(stream)
        return make_env(*args, stream=stream, **options)

    monkeypatch.setattr("jaxrl.experiment.make_env", remember)
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


def test_a_full_disk_while_saving(tmp_path, monkeypatch):
    config = make_config(tmp_path)
    calls = []

    def no_space(folder, size):
        calls.append(folder)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(jaxrl.io.checkpoint_folder, "_require_space", no_space)
        with pytest.raises(CheckpointError, match=r"^cannot save a checkpoint in [^\n]+: No space left on device; "):
            run_training(config)
    run = RunDir.latest(tmp_path)
    assert newest(run, config)[2]["updates"] == 4
    assert run_training(config, run)[0] == 0


def test_a_full_disk_while_reporting(tmp_path, monkeypatch):
    config = make_config(tmp_path)
    append = jaxrl.io.sinks._Lines.append

    def no_space(lines, rows):
        if rows[-1]["env_steps"] > 300:
            raise write_error(lines._path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        append(lines, rows)

    with monkeypatch.context() as patch:
        patch.setattr(jaxrl.io.sinks._Lines, "append", no_space)
        with pytest.raises(RunDirError, match=r"^cannot write [^\n]+jsonl: No space left on device; free space"):
            run_training(config)
    run = RunDir.latest(tmp_path)
    assert rows(run.metrics)[-1]["env_steps"] <= 300
    assert newest(run, config)[2]["updates"] >= 4
    assert run_training(config, run)[0] == 0


def test_extras_have_one_structure():
    """Early in a run fewer than lag + 1 versions exist; the structure on disk is the same."""
    for updates, history in [(0, {0: "a"}), (1, {0: "a", 1: "b"}), (5, {3: "d", 4: "e", 5: "f"})]:
        extras = to_extras(Resumption([], history), lag=2)
        assert len(extras["history"]) == 3
        assert from_extras(extras, updates, lag=2).history == history


def make_update(actors, version, metrics=None):
    """One update over (actor, num_envs); episodes are to be put into the trajectories by the test."""
    unrolls = [
        Unroll(trajectory(i, n), i, 0, version, Snapshot(None, ()), {"env": 0.5, "inference": 0.25})
        for i, n in enumerate(actors)
    ]
    return Update(metrics or {"loss/total": np.float32(2.0)}, unrolls, 0.125)


@pytest.fixture
def recorded(tmp_path):
    config = dataclasses.replace(make_config(tmp_path), record=RecordConfig(str(tmp_path), report_every=2, wandb="off"))
    return RunDir.create(tmp_path, "recorded", 0, write_config(config), {}), config


def test_the_recorder_counts(recorded):
    run, config = recorded
    recorder = Recorder(run, config, 4, {}, {})
    update = make_update([2, 3], version=0)
    first = update.unrolls[1].trajectory
    first.first[2, 1] = True  # row 1 of this environment was thrown away
    first.last[0, 1] = True
    first.episode_return[0, 1], first.episode_length[0, 1] = 7.0, 11
    recorder.add(update)
    assert (recorder.env_steps, recorder.updates, recorder.episodes) == (3 * 5 - 1, 1, 1)
    assert rows(run.metrics) == []
    recorder.add(make_update([2, 3], version=0, metrics={"loss/total": np.float32(4.0)}))
    (row,) = rows(run.metrics)
    assert row["env_steps"] == 29 and row["progress/frames"] == 4 * 29 and row["progress/updates"] == 2
    assert row["loss/total"] == 3.0 and row["lag/versions"] == 0.5  # versions 0 and 0, seen by the learner's 0 and 1
    assert row["episode/return"] == 7.0 and row["episode/length"] == 11 and row["episode/count"] == 1
    assert row["time/env"] / row["time/queue_wait"] == pytest.approx(4.0)  # one actor's mean, not the sum
    assert rows(run.episodes) == [{"env_steps": 14, "episode_return": 7.0, "episode_length": 11, "actor": 1, "env": 1}]
    recorder.close()
    assert len(rows(run.metrics)) == 1, "nothing was left to report"
    again = Recorder(run, config, 4, {}, recorder.counters())
    again.add(make_update([2, 3], version=2))
    assert (again.env_steps, again.updates, again.episodes) == (44, 3, 1)
    assert again.wall >= recorder.wall - 1.0
    again.close()
    assert rows(run.metrics)[-1]["episode/return"] == 7.0, "the window is filled again from the file"


def test_episodes_that_a_checkpoint_counts_are_on_disk(recorded):
    """A process killed after a checkpoint and before the next report must not lose them."""
    run, config = recorded
    recorder = Recorder(run, config, 1, {}, {})
    update = make_update([2], version=0)
    update.unrolls[0].trajectory.last[0, 0] = True
    recorder.add(update)
    recorder.before_checkpoint()
    assert len(rows(run.episodes)) == recorder.counters()["episodes"] == 1
    recorder.close()


def test_a_loss_that_is_not_finite_ends_the_run_and_is_not_saved(recorded):
    run, config = recorded
    recorder = Recorder(run, config, 1, {}, {})
    lost = {"loss/total": np.float32(np.nan)}
    recorder.add(make_update([2], version=0))
    recorder.add(make_update([2], version=1))
    recorder.add(make_update([2], version=2, metrics=lost))
    with pytest.raises(Diverged, match="loss of update 3 is not finite"):
        recorder.before_checkpoint()
    with pytest.raises(Diverged, match="loss of update 4"):
        recorder.add(make_update([2], version=3, metrics=lost))
    assert [row["loss/total"] for row in rows(run.metrics)] == [2.0, None]
    one_member_of_two = {"loss/total": np.array([np.nan, 1.0], np.float32)}
    recorder.add(make_update([2], version=4, metrics=one_member_of_two))
    recorder.before_checkpoint()
    recorder.close()


def test_a_run_that_diverges_ends_and_saves_nothing(tmp_path):
    config = make_config(tmp_path)
    agent = dataclasses.replace(config.agent, hypers=dataclasses.replace(config.agent.hypers, learning_rate=1e30))
    with pytest.raises(Diverged, match=r"smaller agent\.hypers\.learning_rate"):
        run_training(dataclasses.replace(config, agent=agent, env_steps=10**6))
    (run,) = map(RunDir, tmp_path.glob("*-s*"))
    assert not Checkpoints(run).steps()


def test_a_whole_run_is_documented_and_scored(tmp_path, capsys):
    """Every metric has an entry, the score agrees with the curve, and `evaluate` takes a folder's name."""
    config = make_config(tmp_path)
    status, run = run_training(config)
    assert status == 0
    written = set().union(*rows(run.metrics)) - {"env_steps"}
    assert written <= set(METRICS)
    assert len(written) > 20
    assert len(rows(run.episodes)) == newest(run, config)[2]["episodes"]
    assert {row["episode_length"] for row in rows(run.episodes)} == {9}
    from jaxrl.scoring import evaluate

    result = evaluate(str(run), episodes=60)
    returns = np.asarray([row["episode_return"] for row in rows(run.episodes)])
    error = np.hypot(returns.std() / np.sqrt(len(returns)), result["standard_error"])
    assert abs(result["mean_return"] - returns.mean()) < 5 * error  # it has hardly learnt: the curve is flat
    assert result["env_steps"] == newest(run, config)[2]["env_steps"] and result["policy"] == "sampled"
    assert result["training_return"] == pytest.approx(returns[-100:].mean())
    film = tmp_path / "episode.gif"
    filmed = evaluate(run, episodes=3, greedy=True, video=film)
    assert filmed["policy"] == "greedy" and filmed["video_return"] in (-1, 1)
    with Image.open(film) as gif:
        assert gif.n_frames > 1
    short = evaluate(run, episodes=3, overrides=["--env.max_episode_steps", "4"])
    assert short["mean_length"] == 4
    with pytest.raises(ConfigError, match=r"set env\.frame_size"):
        evaluate(run, overrides=["--env.id", "cartpole"])


def test_an_impossible_device_leaves_no_folder(tmp_path):
    config = make_config(tmp_path / "runs")
    config = dataclasses.replace(config, runtime=dataclasses.replace(config.runtime, learner_devices=(0, 31)))
    with pytest.raises(ValueError, match="names device 31"):
        run_training(config)
    assert not (tmp_path / "runs").exists()
