"""A population through `train`, checkpoints, `--resume` and `evaluate`: every member has its curve and its score."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from jaxrl.cli.commands import main
from jaxrl.config.sections import PBTConfig, PopulationConfig, RecordConfig
from jaxrl.record.checkpoints import Checkpoints
from jaxrl.record.metrics import documented
from jaxrl.run.experiment import INIT_KEY, build
from jaxrl.run.train import run_training
from tests.support.parts import assert_same_bits, small_config, to_host

SIZE = 2


def config_in(folder, env_steps=1200):
    pbt = PBTConfig(every=3, fraction=0.5, perturb=("learning_rate", "temperature"))
    return dataclasses.replace(
        small_config(num_actors=1, pools_per_actor=2, envs_per_pool=4),
        env_steps=env_steps,
        population=PopulationConfig(SIZE, {"temperature": [0.05, 0.5]}, pbt=pbt),
        record=RecordConfig(str(folder), report_every=2, checkpoint_every=1000, wandb="off"),
    )


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def final_state(run, config):
    experiment = build(config)
    found = Checkpoints(run).open()
    assert found is not None
    return to_host(found.state(experiment.agent.init(experiment.key(INIT_KEY)))), found.counters


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    config = config_in(tmp_path_factory.mktemp("whole"))
    status, run = run_training(config)
    assert status == 0
    return run, config


def test_every_member_has_its_own_numbers(whole):
    run, _ = whole
    lines = rows(run.metrics)
    assert all(documented(name) for line in lines for name in line.keys() - {"env_steps"})
    for line in lines[1:]:
        for name in ("loss/total", "policy/entropy", "hypers/temperature", "population/replaced"):
            members = [line[f"member_{i}/{name}"] for i in range(SIZE)]
            assert line[name] == pytest.approx(np.mean(members), rel=1e-5)
    assert [lines[0][f"member_{i}/hypers/temperature"] for i in range(SIZE)] == pytest.approx([0.05, 0.5])
    assert sum(line["population/replaced"] for line in lines) > 0
    episodes = rows(run.episodes)
    assert all(row["member"] == row["env"] % SIZE for row in episodes)
    for i in range(SIZE):
        own = [row["episode_return"] for row in episodes if row["member"] == i]
        assert lines[-1][f"member_{i}/episode/count"] == len(own)
        assert lines[-1][f"member_{i}/episode/return"] == pytest.approx(np.mean(own[-100:]))


def test_a_resumed_population_is_the_uninterrupted_one(whole, tmp_path):
    """Selection, perturbed hyper-parameters and members' counts included, bit for bit."""
    run, config = whole
    status, part = run_training(config_in(tmp_path, env_steps=500))
    assert status == 0
    status, part = run_training(dataclasses.replace(config_in(tmp_path), env_steps=config.env_steps), part)
    assert status == 0
    state, counters = final_state(part, config)
    expected, expected_counters = final_state(run, config)
    assert_same_bits(state, expected)
    members = [f"member_{i}/episodes" for i in range(SIZE)]
    assert [counters[name] for name in members] == [expected_counters[name] for name in members]
    assert rows(part.episodes) == rows(run.episodes)


def test_members_are_scored_alone_and_together(whole, tmp_path, capsys):
    run, _ = whole
    results = []
    for extra in (["--member", "0"], ["--member", "1"], []):
        out = tmp_path / "result.json"
        assert main(["evaluate", str(run), "--episodes", "20", "--json", str(out), *extra]) == 0
        results.append(json.loads(out.read_text()))
    assert [result.get("member") for result in results] == [0, 1, None]
    assert len(results[2]["member_returns"]) == SIZE and results[2]["episodes"] == 20
    assert results[2]["mean_return"] == pytest.approx(np.mean(results[2]["member_returns"]))
    assert main(["evaluate", str(run), "--member", "2"]) == 2
    assert "members 0 to 1" in capsys.readouterr().err
