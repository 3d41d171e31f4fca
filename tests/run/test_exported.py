"""An exported agent acts as its run does, is read by NumPy alone, and what is wrong with a file is one sentence."""

from __future__ import annotations

import dataclasses
import json
import zipfile

import jax
import numpy as np
import pytest

from jaxrl.cli.commands import main
from jaxrl.config.parsing import read_config, write_config
from jaxrl.config.sections import HostsConfig, PopulationConfig, RecordConfig
from jaxrl.envs.gymnasium import Gymnasium
from jaxrl.errors import ConfigError
from jaxrl.record.checkpoints import Checkpoints
from jaxrl.record.rundir import RunDir
from jaxrl.run import export as exporting
from jaxrl.run.experiment import INIT_KEY, build
from jaxrl.run.export import export
from jaxrl.run.trained import member_states, restore
from jaxrl.run.zoo.card import ExportError, read_card
from tests.support.parts import assert_same_bits, small_config, to_host

SCORE = {"mean_return": 0.5, "standard_error": 0.1, "min_return": -1.0, "max_return": 1.0, "episodes": 100, "games": 90}
SCORE |= {"policy": "sampled", "protocol": None, "random_return": -0.6}
VERSIONS = {
    "command": "python -m jaxrl train '/my secret/catch.yaml' --seed 3 --record.runs_dir '/my secret/runs' "
    "--record.wandb=off --hosts.coordinator=secret:1 '--env.file=/my secret/cards.txt'",
    "git": {"commit": "abc123", "dirty": False},
    "cores": 2,
}


def untrained(folder, config):
    run = RunDir.create(folder, config.name, config.seed, write_config(config), VERSIONS)
    experiment = build(config)
    state = experiment.agent.init(experiment.key(INIT_KEY))
    Checkpoints(run).save(1, state, counters={"env_steps": 700})
    (run.path / "evaluation.json").write_text(json.dumps({**SCORE, "updates": int(state.updates)}))
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("my secret")
    config = small_config()
    record = dataclasses.replace(config.record, runs_dir=str(folder), wandb="auto", wandb_project="secret")
    return untrained(folder, dataclasses.replace(config, record=record, hosts=HostsConfig("secret:1", 2)))


@pytest.fixture(scope="module")
def file(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "mine.npz"
    export(run, path, licence="CC0", note="A note.")
    return path


def test_it_acts_as_its_run_does(run, file):
    there, here = restore(run), restore(str(file))
    assert here.run is None and here.counters["env_steps"] == 700
    agent = there.experiment.agent
    for publish in (agent.publish, agent.publish_greedy):
        assert_same_bits(to_host(publish(there.state)), to_host(publish(here.state)))
    everywhere = dataclasses.replace(there.experiment.config, record=RecordConfig(), hosts=HostsConfig())
    assert here.experiment.config == everywhere
    assert restore(str(file), ["--seed", "9"]).experiment.config.seed == 9
    with pytest.raises(ConfigError, match="part of what was trained"):
        restore(str(file), ["--agent.num_epochs", "7"])


def test_numpy_reads_it_and_there_is_no_pickle(run, file):
    weights = jax.tree.leaves(to_host(restore(run).state.params))
    with np.load(file, allow_pickle=False) as arrays:
        names = [name for name in arrays.files if name.startswith("state/params/")]
        assert sum(arrays[name].size for name in names) == sum(leaf.size for leaf in weights)
    with zipfile.ZipFile(file) as content:
        assert {name for name in content.namelist() if not name.endswith(".npy")} == {
            "config.yaml",
            "card.json",
            "CARD.md",
            "leaves.json",
        }
        assert not any("opt_state" in name for name in content.namelist())
        path = file.with_suffix(".yaml")
        path.write_bytes(content.read("config.yaml"))
    assert read_config(path, recorded=True) == restore(str(file)).experiment.config


def test_the_card_says_how_and_how_well(file):
    card = read_card(file)
    assert card["command"] == "python -m jaxrl train catch.yaml --seed 3 --env.file=cards.txt"
    assert card["low"] == pytest.approx(0.5 - 0.196) and card["high"] == pytest.approx(0.5 + 0.196)
    assert (card["commit"], card["licence"], card["note"], card["env_steps"]) == ("abc123", "CC0", "A note.", 700)
    with zipfile.ZipFile(file) as content:
        text = content.read("CARD.md").decode()
    assert "Return **0.5 [0.304, 0.696]**" in text and "90 of them different games" in text


def test_nothing_of_the_machine_is_in_the_file(file):
    """Neither where it was recorded nor a path of its own files: those keep their names, and are looked for here."""
    with zipfile.ZipFile(file) as content:
        assert not [name for name in content.namelist() if b"secret" in content.read(name)]
    env = Gymnasium(id="FrozenLake-v1", options={"map": "/my secret/lake.txt", "size": 4})
    config = exporting.anywhere(dataclasses.replace(small_config(), env=env, seed=7))
    assert (config.env.options, config.env.id, config.seed) == ({"map": "lake.txt", "size": 4}, "FrozenLake-v1", 7)


def test_the_same_agent_gives_the_same_bytes(run, file, tmp_path):
    export(run, tmp_path / "mine.npz", licence="CC0", note="A note.")
    assert (tmp_path / "mine.npz").read_bytes() == file.read_bytes()


def test_a_score_of_an_older_checkpoint_is_played_again(run, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "evaluate", lambda *_, **__: {**SCORE, "mean_return": 0.25})
    other = untrained(tmp_path, small_config())
    (other.path / "evaluation.json").write_text(json.dumps({**SCORE, "updates": 99}))
    assert export(other, tmp_path / "x.npz")["score"] == 0.25
    (other.path / "evaluation.json").unlink()
    assert export(other, tmp_path / "x.npz")["score"] == 0.25


def test_how_many_games_are_played_for_the_card(run, tmp_path, monkeypatch, capsys):
    """None at all where the score can wait; and a record of this checkpoint is a score without playing."""
    played = []
    monkeypatch.setattr(exporting, "evaluate", lambda *_, **how: played.append(how["episodes"]) or SCORE)
    assert export(run, tmp_path / "x.npz", episodes=0)["score"] == 0.5 and played == []
    export(run, tmp_path / "x.npz", episodes=7)
    assert played == [7], "whatever is recorded"
    (other := untrained(tmp_path, small_config())).path.joinpath("evaluation.json").unlink()
    path = tmp_path / "unplayed.npz"
    assert main(["export", str(other), str(path), "--episodes", "0"]) == 0
    assert "**No score was measured**" in capsys.readouterr().out
    assert played == [7] and read_card(path)["score"] is None and restore(str(path)).counters["env_steps"] == 700
    assert main(["zoo", str(path)]) == 0 and "**No score was measured**" in capsys.readouterr().out
    assert main(["export", str(path), str(tmp_path / "x.npz"), "--episodes", "-1"]) == 2
    assert "--episodes: must be a whole number of at least 0, not '-1'" in capsys.readouterr().err


def test_one_member_of_a_population_becomes_a_run_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "evaluate", lambda *_, member, **__: {**SCORE, "mean_return": float(member)})
    config = small_config(num_actors=1, pools_per_actor=1, envs_per_pool=8)
    varied = PopulationConfig(2, members={"temperature": [0.1, 0.7]})
    run = untrained(tmp_path, dataclasses.replace(config, population=varied))
    card = export(run, tmp_path / "one.npz", member=1)
    alone, whole = restore(str(tmp_path / "one.npz")), restore(run)
    assert card["score"] == 1 and alone.experiment.config.population.size == 1
    assert alone.experiment.config.agent.hypers.temperature == pytest.approx(0.7)
    member = member_states(whole.experiment, whole.state, 1)[0]
    ours = alone.experiment.agent.publish(alone.state)
    assert_same_bits(to_host(ours), to_host(whole.experiment.member.publish(member)))


def test_what_is_no_agent_is_one_sentence(file, tmp_path, capsys):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ExportError, match="is no agent that `jaxrl export` wrote, or is damaged"):
        restore(str(broken))
    with zipfile.ZipFile(file) as content, zipfile.ZipFile(broken, "w") as other:
        for name in content.namelist():
            if not name.startswith("state/params"):
                other.writestr(name, content.read(name))
    with pytest.raises(ExportError, match="is damaged"):
        restore(str(broken))
    whole = file.read_bytes()
    for name in ("card.json", "config.yaml", "leaves.json"):
        with zipfile.ZipFile(file) as content:
            start = content.getinfo(name).header_offset + 30 + len(name)
        for place in range(start, start + 60, 7):  # as after a bad transfer
            broken.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
            with pytest.raises(ExportError):
                restore(str(broken))
    assert main(["export", str(file), str(tmp_path / "again.npz")]) == 2
    assert "is exported already; copy it" in capsys.readouterr().err
    assert main(["export", "latest", str(tmp_path / "again.zip")]) == 2
    assert "must end in .npz" in capsys.readouterr().err
    assert main(["evaluate", "zoo:pung"]) == 2
    assert "the zoo has no agent 'pung'; the nearest is zoo:" in capsys.readouterr().err
