"""`runtime.kind: selfplay` is a run like any other: counted, recorded, saved at any update, and resumed bit for bit."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from jaxrl.config.parsing import read_config
from jaxrl.config.plan import make_plan
from jaxrl.errors import ConfigError
from jaxrl.record.checkpoints import Checkpoints
from jaxrl.record.metrics import documented
from jaxrl.record.rundir import RunDir
from jaxrl.run.evaluate import finish
from jaxrl.run.train import run_training
from tests.support.parts import CATCH
from tests.support.small_runs import assert_same_run, interrupt_after, make_config, newest, rows

CONFIG = """
name: kuhn
env_steps: 6000
env: {name: kuhn}
network: {name: mlp, hidden_sizes: [8]}
agent: {name: impala, upgo: 1.0, reward_transform: identity}
runtime: {kind: selfplay, envs_per_pool: 32, unroll_length: 8}
selfplay:
  period: 4
  num_slots: 2
  scripts: {calling: 0.25}
  evaluate_every: 5
  evaluate: [calling]
  evaluate_games: 20
  opponents: {threshold: -2, capacity: 3}
record: {wandb: "off", report_every: 6, checkpoint_every: 3, keep_checkpoints: 3}
evaluation: {episodes: 0}
"""


def config_in(folder, *words):
    path = folder / "kuhn.yaml"
    path.write_text(CONFIG)
    return read_config(path, ["--record.runs_dir", str(folder / "runs"), *words])


def test_it_is_stopped_and_resumed_bit_for_bit(tmp_path, monkeypatch, capsys):
    config = config_in(tmp_path)
    _, whole = run_training(config)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 13)
        status, run = run_training(config)
    assert status == 130 and newest(run, config)[2]["updates"] == 13
    assert run_training(config, run)[0] == 0
    assert_same_run(run, whole, config)
    curve = rows(whole.metrics)
    assert {name for row in curve for name in row if not documented(name)} <= {"env_steps", "time"}
    for one, other in zip(curve, rows(run.metrics), strict=False):
        names = [name for name in one if name.startswith(("selfplay/", "loss/"))]
        assert "selfplay/against_calling" in names and "selfplay/meets_pool" in names
        if one["progress/updates"] == other["progress/updates"] != 18:  # which the interruption cut in two
            assert [one[name] for name in names] == [other[name] for name in names]
    assert curve[-1]["selfplay/pool_size"] == 3 and curve[-1]["rate/games"] > 0
    line = capsys.readouterr().out
    assert "games/s" in line and "pool" in line
    finish(config, whole)
    assert f"evaluate {whole}\n" in capsys.readouterr().out  # without a film, which two players have none of


def test_a_kill_loses_at_most_what_came_after_the_checkpoint(tmp_path):
    config_in(tmp_path)
    words = [sys.executable, "-m", "jaxrl", "train", str(tmp_path / "kuhn.yaml"), "--env_steps", "100000000"]
    words += ["--record.report_every", "1"]  # also while there is no rate yet
    process = subprocess.Popen([*words, "--record.runs_dir", str(tmp_path / "runs")], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300
        while not list((tmp_path / "runs").glob("*/checkpoints/[0-9]*")):  # and not one that is being written
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    run = RunDir.latest(tmp_path / "runs")
    saved = Checkpoints(run).steps()[-1]
    counted = rows(run.metrics)
    assert not counted or counted[-1]["progress/updates"] <= saved + 6
    config = read_config(run.config, recorded=True)
    found = newest(run, config)[2]
    assert found["updates"] == saved
    longer = dataclasses.replace(config, env_steps=int(found["env_steps"]) + 2000)
    status, _ = run_training(longer, run)
    assert status == 0 and Checkpoints(run).steps()[-1] > saved
    assert os.path.exists(run.episodes)


def test_what_it_cannot_do_is_one_sentence(tmp_path):
    for words, message in (
        (
            ["--agent.normalise_rewards", "true"],
            r"^runtime\.kind selfplay cannot use agent\.normalise_rewards .* must be false",
        ),
        (["--evaluation.episodes", "5"], r"^runtime\.kind selfplay cannot use evaluation\.episodes .* must be 0"),
        (["--population.size", "2"], r"population\.size .* must be one"),
        (["--agent.replay.capacity", "2"], r"agent\.replay\.capacity .* must be 0"),
        (["--agent.num_minibatches", "7"], "learning seats .* do not divide into 7 minibatches"),
        (["--agent.burn_in", "6"], r"burn_in must be below the rows of a seat \(selfplay\.unroll_rows\) 5"),
        (["--selfplay.unroll_rows", "10"], r"unroll_rows must be at most runtime\.unroll_length and one, 9, got 10"),
        (["--selfplay.evaluate_every", "1", "--selfplay.evaluate", "[]"], r"needs players in selfplay\.evaluate"),
        *((["--selfplay." + name, "9e9"], f"{name} must be at least") for name in ("period", "seat_every")),
        (["--selfplay.opponents.patience", "9e9"], "patience must be at least 0 and at most"),
        (["--selfplay.scripts", "[calling]"], r"selfplay\.scripts must be a mapping"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_plan(config_in(tmp_path, *words))
    with pytest.raises(ConfigError, match=r"^selfplay\.scripts names raising, and kuhn has calling"):
        run_training(config_in(tmp_path, "--selfplay.scripts", "{raising: 0.25}"))
    with pytest.raises(ConfigError, match=r"runtime\.policy_lag is not read where runtime\.kind is selfplay"):
        config_in(tmp_path, "--runtime.policy_lag", "1")
    other = make_config(tmp_path, CATCH)
    alone = config_in(tmp_path)
    with pytest.raises(ConfigError, match="is for games of two players, and catch is none"):
        run_training(dataclasses.replace(alone, env=other.env))
