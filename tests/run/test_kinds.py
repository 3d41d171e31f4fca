"""`runtime.kind` is how a run is executed and not what it computes: the same bits, files and checkpoints."""

import dataclasses

import pytest

from jaxrl.agents.exploration import ExplorationConfig
from jaxrl.config.plan import make_plan
from jaxrl.config.sections import PBTConfig, PopulationConfig
from jaxrl.errors import ConfigError
from jaxrl.record.checkpoints import Checkpoints
from jaxrl.run.evaluate import evaluate
from jaxrl.run.train import run_training
from tests.support.parts import CARTPOLE
from tests.support.small_runs import assert_same_run, interrupt_after, make_config, newest, rows

pytestmark = pytest.mark.usefixtures("one_agent_no_thread")


def of_kind(kind, config, **runtime):
    return dataclasses.replace(config, runtime=dataclasses.replace(config.runtime, kind=kind, **runtime))


SETTINGS = {
    "one pool, no lag": {"num_actors": 1, "pools_per_actor": 1, "policy_lag": 0},
    "all": {"num_actors": 2, "pools_per_actor": 2, "policy_lag": 1},
}


@pytest.mark.parametrize("runtime", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("size", [1, 2])
def test_both_kinds_have_the_same_bits(tmp_path, runtime, size):
    """Parameters, everything else in the checkpoint, every episode, and the curve."""
    config = make_config(tmp_path / "sebulba")
    agent = dataclasses.replace(config.agent, exploration=ExplorationConfig("bandit"), num_minibatches=1)
    config = dataclasses.replace(config, agent=agent)
    if size > 1:
        population = PopulationConfig(size, {"learning_rate": [1e-3, 1e-2]}, pbt=PBTConfig(every=4))
        config = dataclasses.replace(config, population=population)
    there = dataclasses.replace(config, record=dataclasses.replace(config.record, runs_dir=str(tmp_path / "anakin")))
    _, sebulba = run_training(of_kind("sebulba", config, **runtime))
    _, anakin = run_training(of_kind("anakin", there, **runtime))
    assert len(rows(anakin.episodes)) > 20
    assert_same_run(anakin, sebulba, of_kind("sebulba", config, **runtime))
    for one, other in zip(rows(anakin.metrics), rows(sebulba.metrics), strict=True):
        assert one["loss/total"] == other["loss/total"] and one["lag/versions"] == other["lag/versions"]
    assert evaluate(anakin, episodes=4)["updates"] == evaluate(sebulba, episodes=4)["updates"]


@pytest.mark.parametrize("then", ["anakin", "sebulba"])
def test_it_resumes_with_either_kind(tmp_path, monkeypatch, then):
    config = of_kind("anakin", make_config(tmp_path))
    _, whole = run_training(config)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 9)
        status, run = run_training(config)
    assert status == 130 and newest(run, config)[2]["updates"] == 9
    status, _ = run_training(of_kind(then, config), run)
    assert status == 0
    assert_same_run(run, whole, config)


def test_a_time_limit_ends_it_saved(tmp_path, capsys):
    config = of_kind("anakin", make_config(tmp_path))
    status, run = run_training(dataclasses.replace(config, max_minutes=1e-9))
    assert status == 0 and Checkpoints(run).steps() == [1]
    assert "max_minutes 1e-09 are over" in capsys.readouterr().out


def test_what_it_cannot_do_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"^runtime\.kind anakin steps .* CartPole-v1 cannot; set runtime"):
        run_training(of_kind("anakin", make_config(tmp_path / "none", CARTPOLE)))
    assert not (tmp_path / "none").exists()
    config = make_config(tmp_path)
    for devices in ({"learner_devices": (0, 1)}, {"actor_devices": (1,)}):
        with pytest.raises(ConfigError, match=r"^runtime\.kind anakin uses one device .* must name the same"):
            make_plan(of_kind("anakin", config, **devices))
    with pytest.raises(ConfigError, match=r"on 2 host\(s\)"):
        make_plan(of_kind("anakin", config), num_hosts=2)
