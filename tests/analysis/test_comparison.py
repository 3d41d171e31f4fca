"""Groups of runs compared: what a score is, what is refused, and that figures and tables take what comes out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jaxrl.analysis.comparison import (
    Comparison,
    aggregates,
    compare,
    compare_published,
    compare_scores,
    finished_by_all,
    improvements,
    profiles,
    score_table,
    summaries,
    thresholds,
)
from jaxrl.analysis.curves import RunDataError
from jaxrl.analysis.figures.intervals import improvement_figure, interval_figure, profile_figure
from jaxrl.analysis.runs import evaluation_return
from jaxrl.analysis.scores import ScoreError, human_normalised, published, published_aggregates
from tests.analysis.test_runs import record


def runs_of(folder, name, returns, env="Pong-v5", evaluated=None):
    """A run for each final return; evaluated at another one, where that is given."""
    runs = []
    for seed, value in enumerate(returns):
        evaluation = None if evaluated is None else {"mean_return": evaluated[seed], "protocol": "cpu"}
        runs.append(record(folder, f"{name}-20260101-000000-s{seed}", [0.0, value], evaluation, env={"id": env}))
    return runs


@pytest.fixture
def groups(tmp_path):
    return {
        "good": runs_of(tmp_path, "good", [14.6, 18.0, 20.0], evaluated=[14.6, 14.6, -20.7]),
        "bad": runs_of(tmp_path, "bad", [-20.7, -10.0], evaluated=[0.0, 1.0]),
        "alone": runs_of(tmp_path, "alone", [5.0], evaluated=[2.0]),
    }


def test_atari_scores_are_normalised(groups):
    scores = compare(groups)
    assert scores.envs == ("Pong-v5",) and scores.unit == "human-normalised score" and scores.protocol == "cpu"
    assert scores.scores["good"].shape == (3, 1) and scores.scores["good"][0, 0] == pytest.approx(1.0)
    assert scores.scores["bad"][0, 0] == pytest.approx(0.0)
    played = compare(groups, evaluation_return)
    np.testing.assert_allclose(played.scores["good"][:, 0], [1, 1, 0], atol=1e-12)
    assert played.raw["good"] == {"Pong-v5": [14.6, 14.6, -20.7]}


def test_other_environments_keep_their_returns(tmp_path):
    groups = {name: runs_of(tmp_path, name, [0.5, 1.0], env="catch") for name in ("a", "b")}
    scores = compare(groups)
    assert scores.unit == "return" and scores.baseline is None and scores.protocol is None
    np.testing.assert_array_equal(scores.scores["a"], [[0.5], [1.0]])
    assert "Human" not in aggregates(scores).caption
    with pytest.raises(ScoreError, match="catch"):
        score_table(scores)


def test_what_cannot_be_compared_is_refused(groups, tmp_path):
    other = runs_of(tmp_path, "other", [1.0], env="Breakout-v5")
    with pytest.raises(RunDataError, match=r"other played Breakout-v5, not Pong-v5"):
        compare(groups | {"other": other})
    with pytest.raises(ScoreError, match="same number of runs"):
        compare({"mixed": groups["good"] + other})
    catch = runs_of(tmp_path, "catch", [1.0, 1.0], env="catch")
    with pytest.raises(ScoreError, match="same number of runs"):
        compare({"mixed": [groups["good"][0], *catch]})
    with pytest.raises(RunDataError, match="nothing to compare"):
        compare({})


def test_evaluations_count_under_the_rules_and_the_policy_that_they_played(groups):
    def play(run, **changes):
        path = run / "evaluation.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    for run in (run for runs in groups.values() for run in runs):
        (run / "versions.json").write_text('{"protocol": {"label": "cpu"}}')
        play(run, protocol="paper", policy="sampled")
    assert compare(groups).protocol == "cpu" and compare(groups, evaluation_return).protocol == "paper"
    play(groups["alone"][0], policy="greedy")
    compare(groups, evaluation_return)
    play(groups["good"][1], policy="greedy")
    with pytest.raises(RunDataError, match="greedily"):
        compare(groups, evaluation_return)
    play(groups["good"][1], policy="sampled", protocol="cpu")
    with pytest.raises(RunDataError, match="different protocols, cpu and paper"):
        compare(groups, evaluation_return)


def test_a_single_run_says_nothing_of_improvement(groups):
    scores = compare(groups)
    pairs = improvements(scores)
    assert list(pairs) == [("good", "bad")] and pairs["good", "bad"].estimate == 1.0
    with pytest.raises(RunDataError, match="two groups"):
        improvements(compare({name: groups[name] for name in ("good", "alone")}))


def test_scores_that_were_read_already():
    """Human-normalised by either baseline; the eight games in which these differ have other numbers."""
    games = {"Pong-v5": [10.0, 11.0], "Breakout-v5": [100.0, 101.0]}
    scores = compare_scores({"casa": games, "impala": dict(reversed(games.items()))}, "cpu")
    expected = [[human_normalised(10.0 + s, "Pong"), human_normalised(100.0 + s, "Breakout")] for s in (0, 1)]
    for label in ("casa", "impala"):
        np.testing.assert_allclose(scores.scores[label], expected, err_msg="columns in one order")
    for baseline in ("usual", "authors"):
        climber = compare_scores({"a": {"CrazyClimber-v5": [20_000.0]}}, None, baseline)
        assert climber.scores["a"] == [[human_normalised(20_000.0, "CrazyClimber", baseline)]]


def test_of_a_study_under_way_only_what_all_have_finished_is_compared():
    casa, impala = {"a": [1.0, 2.0], "b": [3.0], "c": [4.0]}, {"b": [5.0, 6.0], "a": [7.0, 8.0, 9.0]}
    shared = finished_by_all({"casa": casa, "impala": impala})
    assert shared == {"casa": {"a": [1.0], "b": [3.0]}, "impala": {"a": [7.0, 8.0], "b": [5.0, 6.0]}}
    assert compare_scores(shared, None).envs == ("a", "b")
    assert finished_by_all({"casa": {"a": [1.0]}, "impala": {"b": [1.0]}}) == {} == finished_by_all({})


def test_profiles_reach_from_random_play_to_the_best_score():
    def levels(*scores):
        return thresholds(Comparison({}, dict(enumerate(map(np.array, scores))), (), "", None, None))

    low = levels([[0.2, 0.4]], [[0.1], [0.3]])
    assert (low[0], low[-1]) == (0.0, 0.4) and (np.diff(low) > 0).all()
    assert levels([[-0.1, 0.4]])[0] == -0.1 and levels([[-0.1, -0.1]])[-1] > -0.1
    far = levels([[0.5, 30.0]])
    assert far[0] == pytest.approx(0.01) and far[-1] == pytest.approx(30.0)
    np.testing.assert_allclose(far[1:] / far[:-1], far[1] / far[0])


def test_tables(groups):
    scores = compare(groups)
    table = score_table(scores, against=["IMPALA"])
    assert [row["agent"] for row in table.rows] == ["good", "bad", "alone"]
    assert table.columns[-3:] == ("random", "human", "IMPALA (published)")
    assert table.rows[0]["score"] == pytest.approx(17.5333333) and table.rows[0]["runs"] == 3
    assert "cpu" in table.caption
    both = aggregates(scores, against=["IMPALA"])
    assert {row["agent"]: row["protocol"] for row in both.rows} == {
        "good": "cpu", "bad": "cpu", "alone": "cpu", "IMPALA (published)": "as published",
    }  # fmt: skip
    assert len(aggregates(scores).rows) == 3
    text = both.markdown()
    assert "nan" not in text and text.count("as published") == 1


def test_published_agents():
    scores = compare_published(["Rainbow", "GDI-H3"])
    for agent, summary in summaries(scores).items():
        assert summary.games == 57
        assert summary.mean.estimate == pytest.approx(published_aggregates()[agent].mean, rel=1e-4)
        assert summary.median.estimate == pytest.approx(published_aggregates()[agent].median, abs=1e-4)
    names = ["Pong-v5", "Breakout", "Qbert"]
    theirs = summaries(compare_published(["Muesli", "GDI-H3"], "authors", names))
    three = [[published("Muesli")[game] for game in ("Pong", "Breakout", "Qbert")]]
    assert theirs["Muesli"].games == 3
    assert theirs["Muesli"].mean.estimate == pytest.approx(human_normalised(three, names, "authors").mean())
    with pytest.raises(ScoreError, match=r"SimPLe has no published score on .*Defender"):
        compare_published(["SimPLe"])
    profile = profiles(scores)["Rainbow"]
    assert (np.diff(profile.estimate) <= 0).all() and np.isnan(profile.low).all(), "one run, no interval"


def test_figures(groups):
    scores, agents = compare(groups), compare_published(["Rainbow", "GDI-H3"])
    for figure in (
        interval_figure(summaries(scores), protocol=scores.protocol, score=scores.unit),
        improvement_figure(improvements(scores), protocol=scores.protocol),
        profile_figure(profiles(agents), protocol=agents.protocol),
    ):
        figure.canvas.draw()
    assert figure.axes[0].get_xscale() == "log", "scores far beyond the human"
