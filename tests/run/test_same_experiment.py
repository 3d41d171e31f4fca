"""A resumption is the same experiment: what it may change is recorded, and all else is refused."""

import dataclasses
import json

import pytest

from jaxrl.cli.commands import main
from jaxrl.config.parsing import read_config, write_config
from jaxrl.config.sections import PopulationConfig
from jaxrl.errors import ConfigError
from jaxrl.record.rundir import RunDir
from jaxrl.run.resuming.same_experiment import by, other_settings, with_typed
from jaxrl.run.train import run_training
from tests.support.small_runs import interrupt_after, make_config, rows

pytestmark = pytest.mark.usefixtures("one_agent_no_thread")

CONFIG = """
name: c
env_steps: 700
env: {id: catch, backend: jax}
network: {torso: mlp, hidden_sizes: [8]}
agent: {name: casa, hypers: {temperature: 0.1}}
record: {wandb: "off"}
"""


@pytest.fixture
def recorded(tmp_path):
    """A run folder of a config, whose agent was named on the command line, and that config."""
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    config = read_config(path, ["--agent.num_epochs=2"])
    return RunDir.create(tmp_path / "runs", "c", 0, write_config(config), {}), path


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--env.id", "breakout"], r"^env\.name .* is catch in .* and not breakout;"),
        (["--env.max_episode_steps=3"], r"^env\.max_episode_steps .* is None in .* and not 3;"),
        (["--agent.name=impala"], r"^agent\.name .* is casa in .* and not impala;"),
        (["--agent.reward_transform=identity"], r"^agent\.reward_transform .* is clip in .* and not identity;"),
        (["--agent.optimiser.schedule=linear"], r"^agent\.optimiser\.schedule .* is constant in .* and not linear;"),
        (["--agent.hypers.temperature=0.2"], r"^agent\.hypers\.temperature .* is 0\.1 in .* and not 0\.2;"),
        (["--runtime.unroll_length=8"], r"^runtime\.unroll_length .* is 16 in .* and not 8;"),
        (["--network.hidden_sizes=[9]"], r"^network\.hidden_sizes .* is \(8,\) in .* and not \(9,\);"),
        (["--seed=3"], r"^seed .* is 0 in .* and not 3;"),
        (["--population.size=2"], r"^population\.size .* is 1 in .* and not 2;"),
    ],
)
def test_another_experiment_is_refused_with_both_values(recorded, words, sentence):
    with pytest.raises(ConfigError, match=sentence):
        with_typed(recorded[0], recorded[1], words)


def test_only_what_is_typed_goes_on_top_of_the_runs_own_config(recorded):
    run, path = recorded
    path.write_text(CONFIG.replace("700", "800").replace("0.1", "0.9"))
    words = ["--env_steps=900", "--record.report_every=7", "--runtime.timeout_s=9", "--env.id=catch", "--max_minutes=1"]
    resumed = with_typed(run, path, words)
    config = resumed.config
    assert (config.env_steps, config.record.report_every, config.agent.hypers.temperature) == (900, 7, 0.1)
    assert (config.agent.num_epochs, config.runtime.timeout_s, config.max_minutes) == (2, 9, 1)
    told = other_settings(path, words, resumed)
    assert told.endswith("agent.hypers.temperature 0.9 (the run: 0.1), agent.num_epochs 1 (the run: 2)"), told
    assert not other_settings(run.config, (), resumed)


def test_what_changes_is_recorded_with_its_update_and_stays(tmp_path, monkeypatch, capsys):
    """Interrupted, made longer, interrupted again: the last resumption needs no word of the length."""
    config = make_config(tmp_path / "runs")
    _, whole = run_training(make_config(tmp_path / "whole"))
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)
        _, run = run_training(dataclasses.replace(config, env_steps=600))
    steps = rows(run.metrics)[-1]["env_steps"]
    with monkeypatch.context() as patch:
        interrupt_after(patch, 6)
        assert main(["train", str(run.config), "--resume", str(run), "--env_steps", "700"]) == 130
    assert f"resuming {run} at update 3, {steps:,} env steps of 700\n" in capsys.readouterr().out
    assert main(["train", str(run.config), "--resume", str(run), "--record.keep_checkpoints=3"]) == 0
    first, second = rows(run.resumptions)
    assert (first["update"], first["env_steps"], first["changes"]) == (3, steps, {"env_steps": [600, 700]})
    assert second["update"] == 6 and list(second["changes"]) == ["record.keep_checkpoints"] and "git" in second
    assert read_config(run.config).env_steps == 700
    last = [json.loads(path.read_text().splitlines()[-1])["env_steps"] for path in (run.metrics, whole.metrics)]
    assert last[0] == last[1]


def test_every_seed_goes_on_in_its_own_folder(tmp_path, capsys):
    path = tmp_path / "c.yaml"
    words = ["--record.runs_dir", str(tmp_path), "--evaluation.episodes=0"]
    path.write_text(write_config(dataclasses.replace(make_config(tmp_path), name="c")))
    for seed in (0, 1):
        assert main(["train", str(path), f"--seed={seed}", "--env_steps=100", *words]) == 0
    capsys.readouterr()
    for seed in (0, 1):
        assert main(["train", str(path), f"--seed={seed}", "--env_steps=200", *words, "--resume"]) == 0
        assert capsys.readouterr().out.partition(" at update")[0].endswith(f"-s{seed}")
    assert main(["train", str(path), "--seed=2", *words, "--resume"]) == 1
    assert "there is no run called c with seed 2 in" in capsys.readouterr().err


def other(config, **hypers):
    """`config` with other hyper-parameters."""
    agent = dataclasses.replace(config.agent, hypers=dataclasses.replace(config.agent.hypers, **hypers))
    return dataclasses.replace(config, agent=agent)


def run_of(tmp_path, config):
    return RunDir.create(tmp_path, "small", 0, write_config(config), {})


def test_other_hyper_parameters_are_refused(tmp_path):
    """Through `run_training`, which would otherwise go on with those of the checkpoint, and not say so."""
    config = make_config(tmp_path)
    run = run_of(tmp_path, config)
    words = r"^agent.hypers.learning_rate cannot change on --resume.* is 0.001 in .* and not 1e-05; leave it out"
    with pytest.raises(ConfigError, match=words):
        run_training(other(config, learning_rate=1e-5), run)
    by(run, dataclasses.replace(other(config, learning_rate=1e-3 * (1 + 1e-9)), env_steps=10**6))


def test_other_hyper_parameters_of_members_are_refused(tmp_path):
    def populated(hypers=None, **population):
        config = other(make_config(tmp_path), **(hypers or {}))
        return dataclasses.replace(config, population=PopulationConfig(2, **population))

    config = populated(vary={"learning_rate": [1e-3, 1e-2]}, members={"seed": [7, 4294967295]})
    run = run_of(tmp_path, config)
    seed, rates = {"seed": [7, 4294967295]}, {"learning_rate": [1e-3, 1e-2]}
    for same in (
        config,
        populated(vary={"learning_rate": {"low": 1e-3, "high": 1e-2, "count": 2}}, members=seed),
        populated(members={**seed, "learning_rate": [0.001, 0.01]}),
        populated({"learning_rate": 0.5}, vary=rates, members=seed),  # the members' own count
    ):
        by(run, same)
    for wrong, words in (
        (
            populated(vary={"learning_rate": [1e-3, 2]}, members=seed),
            "learning_rate of member 1 .* is 0.01 in .* and not 2.0;",
        ),
        (populated(members=seed), "learning_rate of member 1 .* is 0.01 in .* and not 0.001;"),
        (populated({"q_cost": 3.0}, vary=rates, members=seed), "q_cost of member 0 .* not 3.0;"),
        (
            populated(vary=rates, members={"seed": [7, 4294967294]}),
            "seed of member 1 .* not 4294967294;",
        ),
    ):
        with pytest.raises(ConfigError, match=words):
            by(run, wrong)
