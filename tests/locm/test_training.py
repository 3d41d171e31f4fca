"""Both versions of the card game train by the configs in configs/locm, with either agent."""

import dataclasses
import json

import numpy as np
import pytest

from jaxrl.config.parsing import read_config
from jaxrl.config.plan import make_plan
from jaxrl.errors import ConfigError
from jaxrl.record.checkpoints import Checkpoints
from jaxrl.run.experiment import build
from jaxrl.run.train import run_training

SMALL = (
    *("--runtime.envs_per_pool=20", "--runtime.unroll_length=16", "--agent.num_minibatches=1", "--env_steps=600"),
    *("--network.embedding=4", "--network.width=8", "--selfplay.evaluate_every=2", "--selfplay.evaluate_games=4"),
    *("--selfplay.num_slots=1", "--selfplay.evaluate=[greedy]", "--record.report_every=1"),
)


def write_cards(path):
    """A list of 160 cards in the form of the competition's: creatures, and every tenth a red item."""
    lines = []
    for number in range(160):
        item = number % 10 == 9
        kind, attack, defense = ("itemRed", 0, -2) if item else ("creature", 1 + number % 7, 1 + number % 5)
        fields = (number + 1, f"Card {number}", kind, number % 8, attack, defense, "------", 0, 0, 0, "")
        lines.append(" ; ".join(map(str, fields)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(1200)  # most of it is compiling
@pytest.mark.parametrize(("version", "agent"), [("1.5", "casa"), ("1.2", "impala")])
def test_a_few_updates(tmp_path, version, agent):
    words = [*SMALL, f"--record.runs_dir={tmp_path / 'runs'}"]
    if version == "1.2":
        write_cards(tmp_path / "cards.txt")
        words.append(f"--env.card_list={tmp_path / 'cards.txt'}")
    config = read_config(f"configs/locm/osfp{'12' if version == '1.2' else ''}.yaml", words)
    if agent == "casa":
        from jaxrl.agents import casa

        hypers = casa.Hypers(learning_rate=5e-4, discount_factor=1.0)
        config = dataclasses.replace(config, agent=casa.Config(hypers=hypers, reward_transform="identity"))
    status, run = run_training(config)
    assert status == 0 and Checkpoints(run).steps()
    rows = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    last = rows[-1]
    assert all(np.isfinite(value) for value in last.values() if isinstance(value, float))
    assert 0 <= last["selfplay/against_greedy"] <= 1 and last["selfplay/lost"] < 0.1
    assert last["selfplay/entropy_deck"] == pytest.approx(np.log(3 if version == "1.2" else 120), abs=0.1)


def test_version_12_names_what_it_lacks(tmp_path):
    config = read_config("configs/locm/osfp12.yaml", ["--env.card_list="])
    with pytest.raises(ConfigError, match=r"^env\.version 1\.2 needs a list of cards: set env\.card_list"):
        build(config)
    (tmp_path / "few.txt").write_text("1 ; A ; creature ; 1 ; 1 ; 1 ; ------ ; 0 ; 0 ; 0 ; text\n")
    for name, words in (("none.txt", "cannot be read"), ("few.txt", "holds 1 cards, and a draft needs 60")):
        with pytest.raises(ConfigError, match=rf"^env\.card_list .*{name} {words}"):
            build(read_config("configs/locm/osfp12.yaml", [f"--env.card_list={tmp_path / name}"]))
    mlp = read_config("configs/locm/osfp.yaml", [])
    catch = read_config("configs/catch.yaml", [])
    with pytest.raises(ConfigError, match=r"^network\.name cards sees the card game only, and env\.name shows"):
        build(dataclasses.replace(catch, network=mlp.network))


@pytest.mark.parametrize("setting", ["embedding", "width", "layers", "core_size"])
def test_a_network_of_no_size_is_refused(setting):
    with pytest.raises(ConfigError, match=rf"^network\.{setting} must be at least [01], got -1"):
        make_plan(read_config("configs/locm/osfp.yaml", [f"--network.{setting}", "-1"]))


def test_burn_in_wants_a_memory():
    with pytest.raises(ConfigError, match=r"^agent\.burn_in must be 0 .* set network\.core_size 64, or"):
        make_plan(read_config("configs/locm/osfp.yaml", ["--agent.burn_in", "2"]))
