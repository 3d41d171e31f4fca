"""What a user calls a player: scripts, run folders, exported files, and what is none."""

import subprocess
import sys

import numpy as np
import pytest

from jaxrl.cli import exploitation, game
from jaxrl.cli.contenders import make_chooser, make_player, read_periods, read_weights
from jaxrl.errors import ConfigError, UserError
from jaxrl.locm.players import PLAYERS
from jaxrl.locm.rulebook import rules_of
from jaxrl.record.checkpoints import Checkpoints
from jaxrl.run.zoo.exported import write_exported
from tests.support.card_policy import random_run, random_state

TEXTS = ["name", "game", "agent", "network", "policy", "command", "commit", "made_on", "licence", "note", "protocol"]
NUMBERS = ["parameters", "score", "low", "high", "episodes", "games", "resumptions", "random", "dirty"]
CARD = {**dict.fromkeys(TEXTS, ""), **dict.fromkeys(NUMBERS, 0), "env_steps": 7}
SMALL = {"embedding": 4, "width": 8, "core_size": 4}


def test_help_names_every_script():
    assert tuple(PLAYERS) == game.SCRIPTS


def test_a_bot_of_an_exported_file_starts_without_what_trains():
    code = (
        "import sys; from jaxrl.cli.contenders import make_chooser; from jaxrl.locm.rulebook import rules_of; "
        "make_chooser('champion', rules_of('1.5')); "
        "assert not {'flax', 'optax', 'jaxrl.config.sections'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_run_and_its_exported_file_are_the_same_policy(tmp_path):
    run = random_run(tmp_path / "run", **SMALL)
    of_run = read_weights(str(run))
    file = tmp_path / "agent.npz"
    write_exported(file, run.config.read_text(), CARD, random_state(**SMALL))
    exported = read_weights(str(file))
    assert of_run.env_steps == exported.env_steps == 7 and of_run.settings == exported.settings
    assert of_run.params["core"]["kernel"].shape == (8, 16)
    np.testing.assert_array_equal(of_run.params["core"]["kernel"], exported.params["core"]["kernel"])
    assert (
        make_player(str(run), rules_of("1.5")).mind is not None and make_player("greedy", rules_of("1.5")).mind is None
    )


@pytest.mark.parametrize(("word", "said"), [("nobody", "no run folder nobody"), ("zoo:catch", "no policy of the card")])
def test_what_is_no_player_is_one_sentence(word, said):
    with pytest.raises(UserError, match=said):
        make_chooser(word, rules_of("1.5"))


def test_the_policies_of_a_pool_come_with_the_rules_of_their_games(tmp_path):
    run, cards = random_run(tmp_path / "run", **SMALL), tmp_path / "cards.txt"
    cards.write_text("".join(f"{i} ; A ; creature ; 1 ; 1 ; 1 ; ------ ; 0 ; 0 ; 0 ; text\n" for i in range(60)))
    Checkpoints(run).save(4, random_state(**SMALL), {"pool": {"ledger": {"size": np.int32(0)}}}, counters={})
    run.config.write_text(f"{run.config.read_text()}env: {{name: locm, version: '1.2', card_list: {cards}}}\n")
    policies, rules = read_periods(run)
    assert [policy.name for policy in policies] == ["last"] and rules.version.runes
    assert rules.cards is not None and len(rules.cards.cost) == 60
    cards.unlink()
    with pytest.raises(ConfigError, match=r"^env\.card_list .* cannot be read"):
        read_periods(run)


def test_where_a_figure_goes_is_tried_before_anything_is_measured(tmp_path):
    (tmp_path / "file").touch()
    for name, words in (("a.doc", "name must end in"), ("file/a.png", "cannot write")):
        with pytest.raises(UserError, match=words):
            exploitation.exploit(["zoo:locm", "--out", str(tmp_path / name)])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_plays_and_is_shown(tmp_path, capsys):
    """A run with a memory against another, and in words."""
    first, second = (str(random_run(tmp_path / name, seed, **SMALL)) for seed, name in enumerate("ab"))
    assert game.play(["locm", first, second, "--games", "8", "--sampled"]) == 0
    assert "8 games in mirrored pairs" in capsys.readouterr().out
    assert game.view(["locm", first, "random"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.lstrip().startswith("value ") and "%" in line for line in lines)
    assert "wins in turn" in lines[-1] or "Not decided" in lines[-1]
