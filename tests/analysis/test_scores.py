"""Baselines and published scores: printed aggregates follow from them, and mistakes name the nearest game."""

import math

import numpy as np
import pytest

from jaxrl.analysis.scores import (
    ScoreError,
    agents,
    game_name,
    games,
    human_normalised,
    is_atari,
    published,
    published_aggregates,
    reference,
    score_matrix,
)


def test_every_game_can_be_normalised():
    assert len(games()) == len(set(games())) == 57 and list(games()) == sorted(games())
    for game in games():
        for baseline in ("usual", "authors"):
            random, human = reference(game, baseline)
            assert math.isfinite(random) and random < human


def test_hand_computed():
    assert reference("Pong") == (-20.7, 14.6) and reference("Breakout") == (1.7, 30.5)
    assert human_normalised(-20.7, "Pong") == 0 and human_normalised(14.6, "Pong") == 1
    assert human_normalised(21.0, "Pong") == pytest.approx(41.7 / 35.3)
    np.testing.assert_allclose(
        human_normalised([[14.6, 1.7], [-20.7, 59.3]], ["Pong-v5", "Breakout"]), [[1, 0], [0, 2]], atol=1e-12
    )


def test_the_baselines_differ_where_they_should():
    differ = {game for game in games() if reference(game) != reference(game, "authors")}
    assert {"BattleZone", "VideoPinball", "CrazyClimber"} < differ and len(differ) == 8
    assert reference("BattleZone").random == 10 * reference("BattleZone", "authors").random
    assert reference("VideoPinball", "authors").random == 0
    with pytest.raises(ScoreError, match="usual, authors"):
        reference("Pong", "mine")  # type: ignore


@pytest.mark.parametrize("agent", ["GDI-H3", "GDI-I3", "Muesli", "LASER", "IMPALA", "Rainbow"])
def test_printed_aggregates_follow_from_the_scores_per_game(agent):
    """Mean and median as printed, to their rounding, with the authors' baselines; the mean not with the usual ones."""
    scores, names = score_matrix(published(agent))
    normalised, printed = human_normalised(scores, names, "authors"), published_aggregates()[agent]
    assert normalised.shape == (1, 57)
    assert normalised.mean() == pytest.approx(printed.mean, rel=5e-5)
    assert np.median(normalised) == pytest.approx(printed.median, abs=1e-4)
    assert human_normalised(scores, names, "usual").mean() > 1.1 * printed.mean


def test_which_environments_are_atari():
    assert is_atari("Pong-v5") and is_atari("ALE/Breakout-v5") and not is_atari("catch")


def test_published_scores():
    assert len(agents()) == 13 and set(agents()) >= {"R2D2", "NGU", "Agent57", "MuZero", "GoExplore"}
    assert {agent: 57 - len(published(agent)) for agent in agents() if len(published(agent)) < 57} == {
        "DreamerV2": 2, "SimPLe": 21, "GoExplore": 2,
    }  # fmt: skip
    assert published("gdi-h3") == published("GDI-H3") and published("Agent57")["Pong"] == 20.67
    with pytest.raises(ScoreError, match="'Ranbow' per game; the nearest is Rainbow"):
        published("Ranbow")
    with pytest.raises(ScoreError, match="only the mean and median"):
        published("CASA")


@pytest.mark.parametrize(
    "name",
    ["MsPacman", "MsPacman-v5", "ALE/MsPacman-v5", "MsPacmanNoFrameskip-v4", "ms_pacman", "MSPACMAN", "Ms. Pacman"],
)
def test_names(name):
    assert game_name(name) == "MsPacman"


def test_an_unknown_game_names_the_nearest():
    with pytest.raises(ScoreError, match=r"'Breakot-v5'; the nearest is Breakout"):
        human_normalised(3.0, "Breakot-v5")
    with pytest.raises(ScoreError, match="nearest"):
        game_name("AirRaid-v5")  # an Atari game, but none of the 57


def test_score_matrix():
    scores, names = score_matrix({"pong": [1, 2, 3], "Breakout-v5": [4, 5, 6]})
    assert names == ("Pong", "Breakout")
    np.testing.assert_array_equal(scores, [[1, 4], [2, 5], [3, 6]])
    assert score_matrix({"Pong": 3.0}).scores.shape == (1, 1)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"Pong": [1, 2], "Breakout": [1]}, "same number of runs.*'Breakout': 1"),
        ({}, "same number of runs"),
        ({"Pong": []}, "at least one"),
        ({"Pong": [1], "pong-v5": [2]}, "twice"),
        ({"Pong": [1.0], "Breakout": [math.nan]}, "Breakout is not finite"),
    ],
)
def test_score_matrix_refuses(scores, message):
    with pytest.raises(ScoreError, match=message):
        score_matrix(scores)


def test_games_must_fit_the_last_axis():
    with pytest.raises(ScoreError, match=r"\(2, 3\) do not fit 2 games"):
        human_normalised(np.zeros((2, 3)), ["Pong", "Breakout"])
