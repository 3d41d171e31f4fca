"""The recorder: what it counts, what it writes and when, and what it refuses."""

import dataclasses

import numpy as np
import pytest

from jaxrl.analysis.curves import learning_curve
from jaxrl.config.parsing import write_config
from jaxrl.config.sections import PopulationConfig, RecordConfig
from jaxrl.record.console import ConsoleSink
from jaxrl.record.meters import Rate
from jaxrl.record.recorder import Diverged, Recorder
from jaxrl.record.rundir import RunDir, RunDirError
from jaxrl.record.sinks import JsonlSink
from jaxrl.types import Episode, Update
from tests.support.small_runs import make_config, rows


def make_update(env_steps=15, metrics=None, episodes=(), lag=0.0):
    """One update of a runtime that takes half a second for its environments and an eighth to wait."""
    seconds = {"env": 0.5, "queue_wait": 0.125}
    return Update(metrics or {"loss/total": np.float32(2.0)}, env_steps, episodes, lag, seconds)


@pytest.fixture
def recorded(tmp_path):
    config = dataclasses.replace(make_config(tmp_path), record=RecordConfig(str(tmp_path), report_every=2, wandb="off"))
    return RunDir.create(tmp_path, "recorded", 0, write_config(config), {}), config


def test_the_recorder_counts(recorded):
    run, config = recorded
    recorder = Recorder(run, config, 4, {})
    recorder.add(make_update(14, episodes=[Episode(actor=1, env=1, episode_return=7.0, episode_length=11)]))
    assert (recorder.env_steps, recorder.updates, recorder.episodes) == (14, 1, 1)
    assert rows(run.metrics) == []
    recorder.add(make_update(metrics={"loss/total": np.float32(4.0)}, lag=1.0))
    (row,) = rows(run.metrics)
    assert row["env_steps"] == 29 and row["progress/frames"] == 4 * 29 and row["progress/updates"] == 2
    assert row["loss/total"] == 3.0 and row["lag/versions"] == 0.5  # the mean over the updates
    assert row["episode/return"] == 7.0 and row["episode/length"] == 11 and row["episode/count"] == 1
    assert row["time/env"] / row["time/queue_wait"] == pytest.approx(4.0)
    assert rows(run.episodes) == [{"env_steps": 14, "episode_return": 7.0, "episode_length": 11, "actor": 1, "env": 1}]
    recorder.close()
    assert len(rows(run.metrics)) == 1, "nothing was left to report"
    again = Recorder(run, config, 4, recorder.counters())
    again.add(make_update())
    assert (again.env_steps, again.updates, again.episodes) == (44, 3, 1)
    assert again.wall >= recorder.wall - 1.0
    again.close()
    assert rows(run.metrics)[-1]["episode/return"] == 7.0, "the window is filled again from the file"


def test_thousands_of_games_are_a_line_an_update(recorded):
    """A card's self-play finished 4,000 a second: 11 MB a minute, a line each."""
    run, config = recorded
    recorder = Recorder(run, config, 4, {})
    for value in (1.0, 3.0):
        recorder.add(make_update(15, episodes=[Episode(0, i, value * (i % 2), 5 + i % 3) for i in range(3000)]))
    recorder.close()
    first, second = rows(run.episodes)
    assert first["episodes"] == second["episodes"] == recorder.episodes / 2 == 3000
    assert second == {"env_steps": 30, "episodes": 3000, "episode_return": 1.5, "episode_length": 6.0,
                      "return_min": 0.0, "return_max": 3.0}  # fmt: skip
    assert learning_curve(run.path).value.tolist() == [0.5, 1.5], "of each update all are averaged"
    again = Recorder(run, config, 4, recorder.counters())
    again.add(make_update())
    again.close()
    before, after = (rows(run.metrics)[i] for i in (-2, -1))
    assert {name: before[name] for name in before if name.startswith("episode/")} == {
        name: after[name] for name in after if name.startswith("episode/")
    }, "the window is filled again as it was"
    assert after["episode/return"] == 1.5 and after["episode/count"] == 6000


def test_every_sink_is_closed_after_one_has_failed(recorded, monkeypatch):
    run, config = recorded
    recorder, closed = Recorder(run, config, 4, {}), []

    def fail(sink):
        closed.append("metrics")
        raise RunDirError("the disk is full")

    monkeypatch.setattr(JsonlSink, "close", fail)
    monkeypatch.setattr(ConsoleSink, "close", lambda sink: closed.append("console"))
    with pytest.raises(RunDirError, match="the disk is full"):
        recorder.close()
    assert closed == ["metrics", "console"]


def test_rates_leave_out_what_was_compiled(recorded, monkeypatch, capsys):
    """With lag 1 the second unroll is made while the first update is compiled; the first report must not be of that."""
    run, config = recorded
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr("jaxrl.record.recorder.Rate", lambda: Rate(clock=lambda: now))
    recorder = Recorder(run, config, 4, {})
    for seconds in (60, 2, 3, 3):
        now += seconds
        recorder.add(make_update(15))
    recorder.close()
    cold, warm = rows(run.metrics)
    assert "rate/env_steps" not in cold and "rate/updates" not in cold
    assert (warm["rate/env_steps"], warm["rate/frames"], warm["rate/updates"]) == (5.0, 20.0, pytest.approx(1 / 3))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "compilation and the first updates took 1 min 02 s; rates and time left count from here"
    assert lines[-1].endswith("left 2 min 08 s")  # of 640 env steps


def test_episodes_that_a_checkpoint_counts_are_on_disk(recorded):
    """A process killed after a checkpoint and before the next report must not lose them."""
    run, config = recorded
    recorder = Recorder(run, config, 1, {})
    recorder.add(make_update(episodes=[Episode(0, 0, 1.0, 1)]))
    recorder.before_checkpoint({"w": np.zeros(2)})
    assert len(rows(run.episodes)) == recorder.counters()["episodes"] == 1
    recorder.close()


def test_a_loss_that_is_not_finite_ends_the_run_and_is_not_saved(recorded):
    run, config = recorded
    recorder = Recorder(run, config, 1, {})
    lost = {"loss/total": np.float32(np.nan)}
    recorder.add(make_update())
    recorder.add(make_update())
    recorder.add(make_update(metrics=lost))
    with pytest.raises(Diverged, match="parameters of update 3 are not finite"):
        recorder.before_checkpoint({"w": np.zeros(2), "b": np.array([np.inf, 0.0])})
    with pytest.raises(Diverged, match="loss or the parameters of update 4"):
        recorder.add(make_update(metrics=lost))
    assert [row["loss/total"] for row in rows(run.metrics)] == [2.0, None]
    one_member_of_two = {"loss/total": np.array([np.nan, 1.0], np.float32)}
    recorder.add(make_update(metrics=one_member_of_two))
    recorder.close()


def test_of_a_population_one_member_may_be_lost(recorded):
    run, config = recorded
    config = dataclasses.replace(config, population=PopulationConfig(size=2))
    recorder = Recorder(run, config, 1, {})
    recorder.before_checkpoint({"w": np.array([[np.nan, 1.0], [1.0, 1.0]]), "b": np.zeros(2)})
    with pytest.raises(Diverged):
        recorder.before_checkpoint({"w": np.array([[np.nan, 1.0], [1.0, 1.0]]), "b": np.array([0.0, np.nan])})
    recorder.close()
