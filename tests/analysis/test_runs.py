"""Which runs are found, in which order and under which labels; what is read of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jaxrl.analysis.curves import RunDataError
from jaxrl.analysis.figures.groups import metrics_figure, plot_comparison
from jaxrl.analysis.figures.learning import plot_run
from jaxrl.analysis.runs import (
    VARIABLE,
    chosen_runs,
    evaluation_return,
    final_return,
    find_runs,
    group_by_experiment,
    group_by_setting,
    one_policy,
    one_protocol,
    raw_scores,
    read_settings,
    run_table,
    setting,
)
from jaxrl.record.sinks import JsonlSink

SPREAD = ("num_actors", "pools_per_actor", "envs_per_pool")


def record(folder: Path, name: str, returns: list[float], evaluated: dict | None = None, **settings) -> Path:
    """A run folder with these returns at its reports."""
    run = folder / name
    run.mkdir(parents=True)
    tree = {"seed": 0, "agent": {"name": "casa"}, "env": {"id": "Pong-v5"}, "env_steps": 300} | settings
    (run / "config.yaml").write_text(json.dumps(tree), encoding="utf-8")  # JSON is YAML
    sink = JsonlSink(run / "metrics.jsonl")
    for report, value in enumerate(returns, start=1):
        sink.write(100 * report, {"episode/return": value, "progress/wall": 60.0 * report})
    sink.close()
    if evaluated is not None:
        (run / "evaluation.json").write_text(json.dumps(evaluated), encoding="utf-8")
    return run


@pytest.fixture
def project(tmp_path):
    """Three runs, of which the second by name is the newest, and a folder that is none."""
    folder = tmp_path / "runs"
    played = {"mean_return": 3.0, "standard_error": 0.5, "policy": "greedy", "protocol": "cpu"}
    record(folder, "b-20260101-000000-s0", [1.0, 2.0], played)
    record(folder, "a-20260103-000000-s0", [1.0, 4.0], played, agent={"name": "impala"}, evaluation={"greedy": True})
    record(folder, "c-20260102-000000-s1", [1.0, 6.0], env_steps=5_000, seed=1)
    (folder / "d-20260104-000000-s0").mkdir()
    return tmp_path


def names(runs):
    return [Path(run).resolve().name[0] for run in runs]


def test_runs_are_found_newest_last(project, monkeypatch):
    assert names(find_runs(str(project / "runs" / "*"))) == ["b", "c", "a"]
    assert names(find_runs(str(project / "runs" / "[ab]-*"))) == ["b", "a"]
    assert names(find_runs(f"{project}/runs/a-*:{project}/runs/c-*:{project}/runs/a-*")) == ["c", "a"], "each once"
    with pytest.raises(RunDataError, match=f"no run folder fits.*{VARIABLE}"):
        find_runs(str(project / "runs" / "d-*"))


@pytest.mark.parametrize("here", [".", "notebooks"])
def test_a_relative_pattern_means_the_project(project, monkeypatch, here):
    (project / "notebooks").mkdir()
    monkeypatch.chdir(project / here)
    assert names(find_runs("runs/*")) == ["b", "c", "a"]
    assert not any(run.is_absolute() for run in find_runs("runs/*"))


def test_the_environment_variable_comes_first(project, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert names(chosen_runs(str(project / "runs" / "c-*"))) == ["c"]
    monkeypatch.setenv(VARIABLE, str(project / "runs" / "a-*"))
    assert names(chosen_runs(str(project / "runs" / "c-*"))) == ["a"]


def test_groups_and_their_labels(project):
    runs = find_runs(str(project / "runs" / "*"))
    groups = group_by_setting(runs, "agent.name", "env_steps")
    assert {label: names(group) for label, group in groups.items()} == {
        "casa, env_steps 300": ["b"],
        "casa, env_steps 5,000": ["c"],
        "impala, env_steps 300": ["a"],
    }
    assert list(group_by_setting(runs, "evaluation.greedy")) == ["greedy None", "greedy"], "not known to every run"
    assert setting(read_settings(runs[0]), "agent.name.x") is None


def test_scores(project):
    b, c, a = find_runs(str(project / "runs" / "*"))
    assert raw_scores([b, a]) == {"Pong-v5": [2.0, 4.0]} and final_return(c) == 6.0
    assert raw_scores([b, a], evaluation_return) == {"Pong-v5": [3.0, 3.0]}
    with pytest.raises(RunDataError, match=r"no evaluation.json.*jaxrl evaluate"):
        evaluation_return(c)
    assert one_protocol([a, b, c]) == "cpu" and one_protocol([c]) is None


def test_the_table_of_runs(project):
    table = run_table(find_runs(str(project / "runs" / "*")))
    rows = {row["run"][0]: row for row in table.rows}
    assert rows["b"] | {"run": ""} == {
        "run": "", "agent": "casa", "environment": "Pong-v5", "protocol": "cpu", "seed": 0, "env steps": 200,
        "minutes": 2.0, "end of training": 2.0, "evaluation": 3.0, "standard error": 0.5, "evaluated policy": "greedy",
    }  # fmt: skip
    assert rows["c"]["evaluation"] is None and rows["c"]["protocol"] is None
    assert len(table.texts()) == 3


def test_a_damaged_config_is_one_sentence(project):
    (run,) = find_runs(str(project / "runs" / "a-*"))
    for damaged in (b"a: [", b"\xff\xfe", b"a: !!int []", b"[" * 2000):
        (run / "config.yaml").write_bytes(damaged)
        with pytest.raises(RunDataError, match=r"config\.yaml"):
            read_settings(run)


def test_games_that_share_a_name_are_told_apart(tmp_path):
    pong = [record(tmp_path, f"casa-20260101-000000-s{seed}", [1.0], seed=seed) for seed in (0, 1)]
    assert group_by_experiment(pong) == {"casa": pong}
    breakout = record(tmp_path, "casa-20260101-000000-s2", [9.0], env={"id": "Breakout-v5"})
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxrl.analysis.figures.groups.save", lambda figure, path: drawn.append(figure))
        plot_comparison([*pong, breakout], tmp_path / "both.png")
    (figure,) = drawn
    assert [axes.get_title("left") for axes in figure.axes] == ["Pong-v5", "Breakout-v5"], "a panel a game"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["casa"]
    for draw in (metrics_figure, lambda groups: plot_comparison(groups, tmp_path / "mixed.png")):
        with pytest.raises(RunDataError, match=r"its runs played Breakout-v5 and Pong-v5"):
            draw({"casa": [*pong, breakout]})
    assert not (tmp_path / "mixed.png").exists()


def test_points_of_a_sweep_are_no_seeds(tmp_path, monkeypatch):
    """All have the sweep's name; what was swept tells them apart, and where they ran does not."""
    points = [
        record(
            tmp_path, f"s-20260101-00000{number}-s{seed}", [1.0, 2.0], seed=seed, record={"runs_dir": str(number)},
            agent={"name": "casa", "hypers": {"temperature": temperature, "q_cost": 1.0}},
        )
        for number, (temperature, seed) in enumerate([(0.1, 0), (0.2, 0), (0.1, 1), (0.2, 0)])
    ]  # fmt: skip
    groups = group_by_experiment(points)
    assert groups == {"s, temperature 0.1": points[::2], "s, temperature 0.2": points[1::2]}
    figure = metrics_figure(groups)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["s, temperature 0.1 (2 seeds)", "s, temperature 0.2 (2 runs of 1 seed)"]
    older = record(tmp_path, "s-20260101-000009-s2", [1.0], seed=2, agent={"name": "casa", "hypers": {"q_cost": 1.0}})
    assert group_by_experiment([points[0], older]) == {"s": [points[0], older]}, "it did not record the temperature"
    swept = [record(tmp_path, f"p-20260101-000000-s{i}", [1.0], population={"vary": {"lr": [i]}}) for i in (0, 1)]
    assert len(group_by_experiment(swept)) == 2
    spread = [
        record(tmp_path, f"e-20260101-000000-s{i}", [1.0], runtime=dict(zip(SPREAD, (1, pools, envs), strict=True)))
        for i, (pools, envs) in enumerate([(2, 16), (1, 32), (1, 16)])
    ]
    assert list(map(len, group_by_experiment(spread).values())) == [2, 1]


def test_pictures_say_which_game_was_played(tmp_path, monkeypatch):
    """Also where a preset of one game was trained on another, and the folder has the preset's name."""
    drawn = []
    for file in ("learning", "groups"):
        monkeypatch.setattr(f"jaxrl.analysis.figures.{file}.save", lambda figure, path: drawn.append(figure) or path)
    runs = [
        record(tmp_path, f"pong-20260101-000000-s{seed}", [1.0, 2.0], seed=seed, env={"id": "Breakout-v5"})
        for seed in (0, 1)
    ]
    plot_run(runs[0])
    plot_comparison(runs, tmp_path / "a.png")
    plot_comparison({"x": [record(tmp_path, "pong-20260101-000001-s0", [1.0, 2.0])]}, tmp_path / "a.png", "Pong, tuned")
    one, several, named = drawn
    assert one.get_suptitle() == "pong-20260101-000000-s0: Breakout-v5"
    assert several.axes[0].get_title("left") == "Breakout-v5" and named.axes[0].get_title("left") == "Pong, tuned"


def test_a_run_without_an_episode_or_with_a_damaged_evaluation(tmp_path):
    run = record(tmp_path, "a-20260101-000000-s0", [float("nan")])
    with pytest.raises(RunDataError, match="no episode finished"):
        final_return(run)
    for damage in ("[1, 2]", "{}", '{"mean_return": "much"}', ""):
        (run / "evaluation.json").write_text(damage)
        assert run_table([run]).rows[0]["evaluation"] is None
        with pytest.raises(RunDataError, match=r"no evaluation.json"):
            evaluation_return(run)


def test_an_evaluation_says_what_it_played(tmp_path):
    played = {"mean_return": 3.0, "standard_error": 0.5, "policy": "greedy", "protocol": "paper"}
    run = record(tmp_path, "a-20260101-000000-s0", [1.0], played)
    (run / "versions.json").write_text('{"protocol": {"label": "cpu"}}')
    assert run_table([run]).rows[0]["protocol"] == "cpu"
    assert run_table([run]).rows[0]["evaluated policy"] == "greedy, paper protocol"
    assert one_policy([run]) == "greedy"
