"""Run folders as arrays, curves, bands and figures."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from jaxrl.analysis.curves import (
    Curve,
    RunDataError,
    aggregate,
    frame_skip,
    learning_curve,
    metric_curve,
    read_episodes,
    read_metrics,
)
from jaxrl.analysis.figures.groups import metrics_figure, plot_comparison
from jaxrl.analysis.figures.learning import PANELS, plot_run
from jaxrl.analysis.figures.return_axes import reference_lines
from jaxrl.analysis.figures.wording import NAMES, metric_name
from jaxrl.analysis.runs import one_protocol, read_record
from jaxrl.record.meters import Entry, entries
from jaxrl.record.metrics import METRICS
from jaxrl.record.rundir import RunDir, RunDirError
from jaxrl.record.sinks import EpisodeLog, JsonlSink
from jaxrl.types import Episode


def make_run(folder: Path, returns: list[float], name: str = "pong", seed: int = 0, reports: int = 20) -> RunDir:
    """A run whose episodes last 100 env steps each."""
    run = RunDir.create(folder, name, seed, f"seed: {seed}\n", {"python": "3"}, now=datetime(2026, 1, 1))
    log, sink = EpisodeLog(run.episodes), JsonlSink(run.metrics)
    for index, episode_return in enumerate(returns, start=1):
        log.add(100 * index, Entry.of([Episode(0, 0, episode_return, 100)]))
    for report in range(1, reports + 1):
        steps = report * 100 * max(1, len(returns)) // reports
        values = dict.fromkeys(METRICS, float(report))
        del values["advantage/std"]
        values |= {"progress/frames": 4.0 * steps, "loss/q": float("nan") if report == 1 else 0.5}
        if report == 3:
            values["extra/late"] = 7.0
        sink.write(steps, values)
    log.close()
    sink.close()
    return run


def test_read_metrics(tmp_path: Path) -> None:
    run = make_run(tmp_path, [1.0] * 20)
    metrics = read_metrics(run)
    assert set(metrics) == {*METRICS, "env_steps", "extra/late"} - {"advantage/std"}
    assert all(values.shape == (20,) and values.dtype == np.float64 for values in metrics.values())
    np.testing.assert_array_equal(metrics["env_steps"], np.arange(1, 21) * 100)
    assert np.isnan(metrics["loss/q"][0]) and metrics["loss/q"][1] == 0.5
    assert np.flatnonzero(np.isfinite(metrics["extra/late"])).tolist() == [2]
    assert frame_skip(metrics) == 4.0
    assert read_metrics(run.metrics).keys() == metrics.keys()
    assert read_record(run.path, "versions.json") == {"python": "3"}
    late = metric_curve(run, "extra/late")
    assert (late.env_steps.tolist(), late.value.tolist()) == ([300.0], [7.0])
    with pytest.raises(RunDataError, match=r"has no metric 'loss/nothing'; it has .*loss/q"):
        metric_curve(run, "loss/nothing")


def test_a_run_that_is_being_written(tmp_path: Path) -> None:
    run = make_run(tmp_path, [1.0, 2.0])
    with run.episodes.open("a") as file:
        file.write('{"env_steps": 300, "epi')
    assert read_episodes(run)["episode_return"].tolist() == [1.0, 2.0]
    run.episodes.write_text('{"env_ste\n' + json.dumps({"env_steps": 1}) + "\n")
    with pytest.raises(RunDataError, match=r"episodes\.jsonl, line 1, is not JSON"):
        read_episodes(run)
    run.episodes.unlink()
    with pytest.raises(RunDataError, match=r"cannot read .*episodes\.jsonl: No such file"):
        read_episodes(run)


def test_an_empty_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, [], reports=0)
    assert read_metrics(run)["env_steps"].shape == (0,)
    assert {name: values.size for name, values in read_episodes(run).items()} == dict.fromkeys(
        ("env_steps", "episode_return", "episode_length", "actor", "env", "episodes"), 0
    )
    assert learning_curve(run).value.size == 0
    assert plot_run(run).stat().st_size > 1000


def test_learning_curve_is_a_moving_mean(tmp_path: Path) -> None:
    returns = np.random.default_rng(0).normal(size=250)
    curve = learning_curve(make_run(tmp_path, returns.tolist()), window=100)
    expected = [returns[max(0, end - 100) : end].mean() for end in range(10, 251)]
    np.testing.assert_allclose(curve.value, expected, atol=1e-12)
    np.testing.assert_array_equal(curve.env_steps, np.arange(10, 251) * 100)


def test_learning_curve_of_few_episodes(tmp_path: Path) -> None:
    run = make_run(tmp_path, [1.0, 3.0])
    assert learning_curve(run).value.tolist() == [1.0, 2.0]
    assert learning_curve(run, window=1).value.tolist() == [1.0, 3.0]


def test_an_entry_of_many_is_as_all_of_them(tmp_path: Path) -> None:
    """Where many ended together the file has their mean: the curve is that of a line each."""
    rng = np.random.default_rng(1)
    updates = [[Episode(0, 0, value, 100) for value in rng.normal(size=n)] for n in (1, 12, 150, 30, 30, 30, 30)]
    for name, noted in (("single", lambda ended: [Entry.of([episode]) for episode in ended]), ("many", entries)):
        log = EpisodeLog(tmp_path / name)
        for number, ended in enumerate(updates):
            for entry in noted(ended):
                log.add(100 * number, entry)
        log.close()
    single, many = learning_curve(tmp_path / "single"), learning_curve(tmp_path / "many")
    assert read_episodes(tmp_path / "many")["episodes"].sum() == read_episodes(tmp_path / "single")["episodes"].sum()
    np.testing.assert_array_equal(many.env_steps, single.env_steps)
    whole = np.array([True, True, False, False, False, True])  # windows that do not end within the many
    np.testing.assert_allclose(many.value[whole], single.value[whole], atol=1e-12)
    cut = updates[2]
    within = (sum(e.episode_return for e in updates[3]) + 70 * np.mean([e.episode_return for e in cut])) / 100
    assert many.value[2] == pytest.approx(within), "of those the mean stands for each"


def test_a_return_that_is_no_number_is_in_no_mean(tmp_path: Path) -> None:
    run = make_run(tmp_path, [1.0] * 300)
    file = Path(run, "episodes.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[19]["episode_return"] = None
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert (learning_curve(run).value == 1).all()


def test_games_that_end_together_are_one_point(tmp_path: Path) -> None:
    """As of a thousand games side by side: of any hundred of them the mean would jump up and down at one place."""
    run = make_run(tmp_path, [0.0] * 100 + [1.0] * 300)
    file = Path(run, "episodes.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines[100:]:
        line["env_steps"] = 1_000_000
    for line in lines[100:150]:
        line["episode_return"] = -1.0
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    curve = learning_curve(run)
    assert curve.env_steps[-1] == 1_000_000 and np.all(np.diff(curve.env_steps) > 0)
    assert curve.value[-1] == pytest.approx((250 - 50) / 300)


def test_aggregate() -> None:
    steps = np.arange(0.0, 11.0)
    band = aggregate([Curve(steps, steps), Curve(steps + 1, 3 * (steps + 1)), Curve(steps - 1, 2 * (steps - 1))], 9)
    np.testing.assert_allclose(band.env_steps, np.linspace(1, 9, 9))
    np.testing.assert_allclose(band.mean, 2 * band.env_steps)
    np.testing.assert_allclose(band.low, band.env_steps)
    np.testing.assert_allclose(band.high, 3 * band.env_steps)


def test_aggregate_takes_the_last_of_equal_steps() -> None:
    band = aggregate([Curve(np.array([0.0, 10.0, 10.0, 20.0]), np.array([0.0, 5.0, 1.0, 1.0]))], 3)
    assert band.mean.tolist() == [0.0, 1.0, 1.0]


def test_aggregate_refuses_what_means_nothing() -> None:
    empty, early, late = (Curve(np.array(steps), np.array(steps)) for steps in ([], [0.0, 1.0], [5.0, 6.0]))
    for curves, reason in (
        ([], "cannot average 0 runs"),
        ([empty], "must have an episode"),
        ([early, late], "overlap"),
    ):
        with pytest.raises(RunDataError, match=reason):
            aggregate(curves)


@pytest.mark.parametrize("line", ["3", "[1, 2]", '{"env_steps": "many"}', '{"env_steps": 1, "\xff": [1]}'])
def test_a_line_that_is_no_object_of_numbers(tmp_path: Path, line: str) -> None:
    run = make_run(tmp_path, [1.0] * 20)
    run.metrics.write_bytes(run.metrics.read_bytes() + line.encode("latin-1") + b"\n")
    with pytest.raises(RunDataError, match=r"line 21, is no object of numbers; remove that line"):
        read_metrics(run)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    run = make_run(tmp_path, [1.0] * 20)
    run.metrics.write_bytes(b"\xff\xfe\n" + run.metrics.read_bytes())
    with pytest.raises(RunDataError, match="line 1, is not JSON"):
        read_metrics(run)
    for damage in (b"", b"[1, 2]", b"\xff"):
        run.versions.write_bytes(damage)
        assert read_record(run.path, "versions.json") is None


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000


def test_an_even_speed_is_drawn_even(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recorded is a mean that grows with the run; drawn is the speed from report to report."""
    drawn = []
    monkeypatch.setattr("jaxrl.analysis.figures.learning.save", lambda figure, path: drawn.append(figure) or path)
    plot_run(make_run(tmp_path, list(range(50))))  # 250 env steps and 1 s a report, recorded as 1, 2, ... a second
    plot_run(make_run(tmp_path, list(range(50)), "short", reports=2))
    (speed,) = drawn[0].axes[-1].get_lines()
    np.testing.assert_allclose(speed.get_data(), [np.arange(2, 21) * 250, np.full(19, 250)])
    (point,) = drawn[1].axes[-1].get_lines()
    assert point.get_marker() == "o", "a line of one point would not be seen"


def test_plot_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, list(range(50)))
    assert plot_run(run) == run.path / "curve.png" and is_png(run.path / "curve.png")
    assert is_png(plot_run(run, tmp_path / "deep" / "other.png"))
    with pytest.raises(RunDirError, match="cannot write"):
        plot_run(run, run.metrics / "below_a_file.png")
    for name in ("curve", "curve.xyz"):
        with pytest.raises(RunDataError, match=r"must end in one of .png, .pdf, .svg"):
            plot_run(run, tmp_path / name)


def test_plot_comparison(tmp_path: Path) -> None:
    casa = [make_run(tmp_path, list(range(50 + seed)), "casa", seed) for seed in range(3)]
    impala = [make_run(tmp_path, list(range(40)), "impala")]
    groups = {"CASA": casa, "IMPALA": impala}
    assert is_png(plot_comparison(groups, tmp_path / "figures" / "pong.png", "Pong"))
    assert is_png(plot_comparison([*casa, *impala], tmp_path / "compare.png"))
    with pytest.raises(RunDataError, match="nothing to compare"):
        plot_comparison({}, tmp_path / "a.png", "")
    with pytest.raises(RunDataError, match="CASA: cannot average 0 runs"):
        plot_comparison({"CASA": []}, tmp_path / "a.png", "")


def test_many_groups_get_a_panel_each_and_every_scale_is_round(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("jaxrl.analysis.figures.groups.save", lambda figure, path: drawn.append(figure) or path)
    run = make_run(tmp_path, [1.0] * 20)
    plot_comparison({name: [run] for name in "abcd"}, tmp_path / "many.png", "Pong")
    (figure,) = drawn
    figure.draw_without_rendering()
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title("left")[0] for axes in shown] == list("abcd")
    assert [len(axes.collections) for axes in shown] == [1] * 4, "one band each"
    assert [len(axes.lines) for axes in shown] == [5] * 4, "all means in grey, and its own"
    assert "grey: the others" in figure.get_supxlabel()
    assert all(tick % 200 == 0 for axes in shown for tick in axes.get_xticks())


def test_a_far_human_score_is_named_and_presses_no_curve_flat():
    figure = Figure()
    near, far = figure.subplots(1, 2)
    near.plot([0, 1], [-20, 10])
    far.plot([0, 1], [10, 11])
    for axes in (near, far):
        reference_lines(axes, "Pong-v5")
    assert [text.get_text() for text in near.texts] == ["random\n-20.7", "human\n14.6"] and len(near.lines) == 3
    assert [text.get_text() for text in far.texts] == ["random\n-20.7 ↓", "human\n14.6 ↑"] and len(far.lines) == 1
    assert far.get_ylim()[0] > 9


def test_figures_say_their_protocol_and_mix_none(tmp_path):
    runs = [make_run(tmp_path, list(range(20)), seed=seed) for seed in range(2)]
    for run in runs:
        run.versions.write_text(json.dumps({"protocol": {"label": "cpu", "noop_max": 30}}))
    figure = metrics_figure({"a": runs})
    assert [text.get_text() for text in figure.texts] == ["protocol: cpu"]
    runs[1].versions.write_text("{}")
    assert one_protocol(runs) == "cpu", "an older run says nothing"
    (runs[1].path / "evaluation.json").write_text('{"protocol": "machado"}')
    for draw in (metrics_figure, lambda groups: plot_comparison(groups, tmp_path / "a.png")):
        with pytest.raises(RunDataError, match="different protocols, cpu and machado"):
            draw({"a": runs})


def test_curves_without_episodes_come_from_the_reports(tmp_path):
    run = make_run(tmp_path, [1.0] * 20)
    run.episodes.unlink()
    assert is_png(plot_run(run)) and is_png(plot_comparison({"a": [run]}, tmp_path / "a.png"))


def test_the_plots_draw_documented_metrics() -> None:
    assert {name for _, _, names in PANELS for name in names} | set(NAMES) <= set(METRICS)
    assert metric_name("member_3/loss/total") == "Member 3, loss, total"
    for _, unit, names in PANELS:
        units = {METRICS[name].unit for name in names} - {"-"}
        assert len(units) <= 1, f"one axis, {unit}, has several units"


def test_metrics_of_groups_need_no_episodes(tmp_path):
    """Runs whose episodes.jsonl was not kept are drawn from their reports."""
    runs = [make_run(tmp_path, [1.0] * 20, seed=seed) for seed in range(3)]
    for run in runs:
        run.episodes.unlink()
    groups = {"two": runs[:2], "one": runs[2:]}
    single = metrics_figure(groups, title="returns")
    single.canvas.draw()
    assert [text.get_text() for text in single.legends[0].get_texts()] == ["two (2 seeds)", "one (1 seed)"]
    np.testing.assert_allclose(single.axes[0].lines[0].get_ydata()[[0, -1]], [1, 20])
    several = metrics_figure(groups, ["policy/entropy", "loss/q", "value/mean"])
    several.canvas.draw()
    assert [axes.get_ylabel() for axes in several.axes] == ["nats", "reward²", "reward"]
    titles = ["Entropy of the policy", "Action-value loss", "Mean value"]
    assert [axes.get_title("left") for axes in several.axes] == titles
    with pytest.raises(RunDataError, match="no group has the metric 'advantage/std'"):
        metrics_figure(groups, ["advantage/std"])
