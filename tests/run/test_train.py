"""A run from start to end: what it leaves behind, also where it diverges or the disk is full."""

import dataclasses
import errno
import os

import numpy as np
import pytest
from PIL import Image

import jaxrl.record.sinks
import jaxrl.record.store
from jaxrl.errors import ConfigError
from jaxrl.record.checkpoints import CheckpointError, Checkpoints
from jaxrl.record.metrics import METRICS
from jaxrl.record.recorder import Diverged
from jaxrl.record.rundir import RunDir, RunDirError, write_error
from jaxrl.run.train import run_training
from tests.support.small_runs import make_config, newest, rows

pytestmark = pytest.mark.usefixtures("one_agent_no_thread")


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
    from jaxrl.run.evaluate import evaluate

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
    assert evaluate(run, overrides=["--evaluation.episodes", "0"])["episodes"] == 100, "0 is for training's end"
    with pytest.raises(ConfigError, match=r"set env\.frame_size"):
        evaluate(run, overrides=["--env.name", "cartpole"])


def test_an_impossible_device_leaves_no_folder(tmp_path):
    config = make_config(tmp_path / "runs")
    config = dataclasses.replace(config, runtime=dataclasses.replace(config.runtime, learner_devices=(0, 31)))
    with pytest.raises(ValueError, match="names device 31"):
        run_training(config)
    assert not (tmp_path / "runs").exists()


def test_a_run_that_diverges_ends_and_saves_nothing(tmp_path):
    config = make_config(tmp_path)
    agent = dataclasses.replace(config.agent, hypers=dataclasses.replace(config.agent.hypers, learning_rate=1e30))
    with pytest.raises(Diverged, match=r"smaller agent\.hypers\.learning_rate"):
        run_training(dataclasses.replace(config, agent=agent, env_steps=10**6))
    (run,) = map(RunDir, tmp_path.glob("*-s*"))
    assert not Checkpoints(run).steps()


def test_a_full_disk_while_saving(tmp_path, monkeypatch):
    config = make_config(tmp_path)
    write = jaxrl.record.store.write_manifest

    def no_space(folder, step, *rest):
        if step > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(folder, step, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(jaxrl.record.store, "write_manifest", no_space)
        with pytest.raises(CheckpointError, match=r"^cannot save a checkpoint in [^\n]+: No space left on device; "):
            run_training(config)
    run = RunDir.latest(tmp_path)
    assert newest(run, config)[2]["updates"] == 4
    assert run_training(config, run)[0] == 0


def test_a_full_disk_while_reporting(tmp_path, monkeypatch):
    config = make_config(tmp_path)
    append = jaxrl.record.sinks._Lines.append

    def no_space(lines, rows):
        if rows[-1]["env_steps"] > 300:
            raise write_error(lines._path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        append(lines, rows)

    with monkeypatch.context() as patch:
        patch.setattr(jaxrl.record.sinks._Lines, "append", no_space)
        with pytest.raises(RunDirError, match=r"^cannot write [^\n]+jsonl: No space left on device; free space"):
            run_training(config)
    run = RunDir.latest(tmp_path)
    assert rows(run.metrics)[-1]["env_steps"] <= 300
    assert newest(run, config)[2]["updates"] >= 4
    assert run_training(config, run)[0] == 0
