"""The agents that come with the package: listed, with whole cards, and as good as these say."""

import pytest

from jaxrl.cli.commands import main
from jaxrl.run.evaluate import evaluate
from jaxrl.run.zoo.card import read_card, zoo

FIELDS = ("name", "game", "agent", "network", "parameters", "env_steps", "score", "low", "high", "episodes", "games")
FIELDS += ("policy", "command", "commit", "made_on", "licence", "seed")


def test_every_agent_has_a_whole_card():
    assert {"breakout", "cartpole", "catch", "crazy_climber", "locm", "pong"} <= set(zoo())
    for name, path in zoo().items():
        card = read_card(path)
        assert card["name"] == name and all(card[field] not in (None, "") for field in FIELDS)
        assert card["dirty"] is False and card["random"] < card["low"] <= card["score"] <= card["high"]
        assert card["episodes"] >= 40 and "/" not in card["command"].replace("configs/", "").replace(
            "atari/", ""
        ).replace("locm/", "")
    assert sum(path.stat().st_size for path in zoo().values()) < 8e6


def test_the_list_and_a_card(capsys):
    assert main(["zoo"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in zoo()) and "score [95 %]" in shown and "Apache-2.0" in shown
    heads, *lines = shown.splitlines()[: 1 + len(zoo())]
    measures = {line.split()[0]: line[heads.index("mean of") : heads.index("random")].strip() for line in lines}
    assert measures == {name: "result against script scored" if name == "locm" else "return" for name in zoo()}
    assert main(["zoo", "catch"]) == 0
    assert "# catch: catch" in capsys.readouterr().out


def test_one_of_them_plays_as_its_card_says(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = evaluate("zoo:catch", episodes=40, overrides=["--seed", "5"])
    card = read_card(zoo()["catch"])
    assert result["run"] == "zoo:catch" and result["mean_return"] >= card["low"] - 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(zoo()))
def test_all_of_them_play_as_their_cards_say(name):
    """On other seeds, within four of the card's standard errors."""
    card = read_card(zoo()[name])
    result = evaluate(f"zoo:{name}", episodes=20, overrides=["--seed", "7"])
    error = (card["high"] - card["low"]) / (2 * 1.96)
    assert abs(result["mean_return"] - card["score"]) <= 4 * (
        error * (card["episodes"] / 20) ** 0.5 + 1e-9
    ) + 0.01 * abs(card["score"])
