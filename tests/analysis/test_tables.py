"""Tables and figures: what stands in them, that protocol and baseline are named, and that figures can be drawn."""

import io

import matplotlib
import numpy as np
import pytest

from jaxrl.analysis.figures.intervals import improvement_figure, interval_figure, profile_figure
from jaxrl.analysis.scores import ScoreError, published, score_matrix
from jaxrl.analysis.statistics import Interval, performance_profile, probability_of_improvement, summarise
from jaxrl.analysis.tables import (
    PUBLISHED_PROTOCOL,
    Table,
    aggregate_table,
    games_table,
    published_table,
)


@pytest.fixture
def summaries():
    generator = np.random.default_rng(0)
    ours = {"CASA": generator.normal(1.0, 0.2, (5, 3)), "IMPALA": generator.normal(0.5, 0.2, (4, 3))}
    return {name: summarise(scores, resamples=200) for name, scores in ours.items()}


def test_per_game():
    table = games_table({"CASA": {"Pong-v5": [20, 21], "breakout": 400}}, protocol="machado", against=["LASER"])
    own = ("score", "standard error", "runs", "human-normalised")
    assert table.columns == ("game", "agent", *own, "random", "human", "LASER (published)"), "own scores come first"
    pong, breakout = table.rows
    assert all(tuple(row) == table.columns for row in table.rows)
    assert (pong["game"], pong["random"], pong["human"]) == ("Pong", -20.7, 14.6)
    assert (pong["score"], pong["standard error"], pong["runs"]) == (20.5, pytest.approx(0.5), 2)
    assert pong["human-normalised"] == pytest.approx(41.2 / 35.3)
    assert breakout["standard error"] is None and breakout["LASER (published)"] == published("LASER")["Breakout"]
    assert "machado" in table.caption and "usual" in table.caption and pong["agent"] == "CASA"


def test_per_game_as_markdown():
    table = games_table({"a|b": {"Alien": 5000.0}}, protocol="cpu", against=["SimPLe", "MuZero"])
    caption, _, head, rule, row = table.markdown().splitlines()
    assert caption == table.caption
    assert head.split(" | ")[2] == "score" and rule.startswith("| --- | --- | ---: |")
    assert row == "| Alien | a\\|b | 5,000.0 |  | 1 | 0.69 | 227.8 | 7,127.7 | 616.9 | 741,812.6 |"
    gap = games_table({"a": {"Defender": 1.0}}, protocol="cpu", against=["DreamerV2", "SimPLe"])
    assert gap.rows[0]["SimPLe (published)"] is None and "|  |" in gap.markdown()


def test_nothing_is_minus_zero():
    rows = ({"a": -0.001, "b": Interval(-0.004, -0.006, 0.0)},)
    assert Table("", rows, {"a": 2, "b": 2}).texts() == [["0.00", "0.00 [-0.01, 0.00]"]]


def test_as_html():
    table = games_table({"a&b": {"Alien": 5000.0}}, protocol="<cpu>", against=["MuZero"])
    html = table._repr_html_()
    assert html.startswith("<p>") and "&lt;cpu&gt;" in html and "<cpu>" not in html and "a&amp;b" in html
    assert html.count("<tr>") == 2 and '<td align="right" style="text-align: right">5,000.0</td>' in html
    assert '<td align="left" style="text-align: left">Alien</td>' in html


def test_several_agents_in_one_table():
    scores = {"CASA": {"Pong-v5": [20, 21], "Breakout": 400}, "IMPALA": {"Breakout": 300}}
    table = games_table(scores, protocol="cpu", against=["LASER"])
    assert [(row["game"], row["agent"], row["score"]) for row in table.rows] == [
        ("Pong", "CASA", 20.5), ("Breakout", "CASA", 400), ("Breakout", "IMPALA", 300),
    ]  # fmt: skip
    assert all(set(row) == set(table.columns) for row in table.rows) and "cpu" in table.caption


def test_no_agent_at_all():
    with pytest.raises(ScoreError, match="no agent"):
        games_table({}, protocol="cpu")


@pytest.mark.parametrize("baseline", ["authors", "usual"])
def test_published_aggregates_are_recomputed(baseline):
    table = published_table(baseline)
    checked = [row for row in table.rows if row["mean, recomputed"] is not None]
    assert {row["agent"] for row in table.rows} - {row["agent"] for row in checked} == {
        "CASA", "CASA with the exploration mechanism",
    }  # fmt: skip
    for row in checked:
        agrees = row["mean, recomputed"] == pytest.approx(row["mean, printed"], rel=1e-4)
        assert agrees == (baseline == "authors")
        assert row["median, recomputed"] == pytest.approx(row["median, printed"], abs=1e-4)


def test_the_baseline_decides_and_is_named():
    rows = {}
    for baseline in ("usual", "authors"):
        table = games_table({"a": {"VideoPinball": 17000.0}}, protocol="paper", baseline=baseline)
        assert baseline in table.caption
        rows[baseline] = table.rows[0]["human-normalised"]
    assert rows["usual"] < 0.6 < 0.9 < rows["authors"]
    with pytest.raises(ScoreError, match="Pong"):
        games_table({"a": {"Pong": [1.0, float("nan")]}}, protocol="paper")


def test_aggregates(summaries):
    table = aggregate_table(summaries, protocol=dict.fromkeys(summaries, "machado"))
    assert [row["agent"] for row in table.rows] == ["IMPALA", "CASA"], "best last"
    best = table.rows[-1]
    assert isinstance(best["IQM"], Interval) and best["IQM"] == summaries["CASA"].iqm
    assert (best["protocol"], best["runs"], best["games"]) == ("machado", 5, 3)
    text = table.markdown()
    iqm = summaries["CASA"].iqm
    assert f"{iqm.estimate:.2f} [{iqm.low:.2f}, {iqm.high:.2f}]" in text and "95 %" in text and "usual" in text
    unnamed = dict.fromkeys(summaries, "")
    assert "Human-normalised" not in aggregate_table(summaries, protocol=unnamed, baseline=None).caption
    with pytest.raises(KeyError):
        aggregate_table(summaries, protocol={"CASA": "machado"})


def test_all_games_against_all_agents():
    scores, names = score_matrix(published("IMPALA"))
    table = games_table({"again": dict(zip(names, scores.T.tolist(), strict=True))}, protocol=PUBLISHED_PROTOCOL)
    assert len(table.rows) == 57
    assert all(row["score"] == row["IMPALA (published)"] for row in table.rows)


def test_figures(summaries):
    backend = matplotlib.get_backend()
    generator = np.random.default_rng(1)
    x, y = generator.normal(1, 0.3, (5, 4)), generator.normal(0.8, 0.3, (3, 4))
    taus = np.linspace(0.1, 2, 20)
    profiles = {f"agent {i}": performance_profile(s, taus, resamples=50) for i, s in enumerate([x, y, x - 0.2] * 3)}
    single = {"published": summarise(x[:1])}
    pairs = {("CASA", "IMPALA"): probability_of_improvement(x, y, resamples=50)}
    for figure in (
        profile_figure(profiles, protocol="machado"),
        interval_figure(summaries | single, protocol="machado"),
        improvement_figure(pairs, protocol="machado"),
    ):
        png = io.BytesIO()
        figure.savefig(png, dpi=40)
        assert png.getvalue().startswith(b"\x89PNG")
        assert any("machado" in text.get_text() for text in figure.texts), "a figure carries its protocol"
    looks = {(line.get_color(), line.get_linestyle()) for line in profile_figure(profiles, protocol=None).axes[0].lines}
    assert len(looks) == len(profiles), "no two agents look alike"
    assert matplotlib.get_backend() == backend
