"""From finished runs to a report whose every picture opens; what is missing is said, not invented."""

import base64
import io
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from jaxrl.analysis.scores import human_normalised, reference
from jaxrl.cli.commands import main
from jaxrl.sweeps import study as study_command
from jaxrl.sweeps.costs import Speed, describe, estimate, measured
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.report import by_env_and_agent, collect, scores_of, write_report
from jaxrl.sweeps.sweep_folder import State, SweepFolder

GAMES = {"Pong-v5": 10.0, "Breakout-v5": 100.0}


def make_run(agent, env, seed):
    return Run(
        f"{agent}-{env}-{seed}",
        agent,
        "configs/atari/pong_cpu.yaml",
        (f"--env.id={env}", f"--seed={seed}"),
        {"seed": seed},
        env,
        seed,
        1000,
    )


def leave(sweep, run, random, score):
    """What jaxrl leaves of a finished run."""
    made = sweep.of(run.id) / f"{run.sweep}-20260101-000000-s{run.seed}"
    made.mkdir(parents=True)
    (made / "config.yaml").touch()
    rows = [
        {"env_steps": 50 * i, "episode_return": float(random.normal()), "episode_length": 9, "actor": 0, "env": 0}
        for i in range(1, 21)
    ]
    (made / "episodes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    metrics = {"progress/frames": 4000, "behaviour/entropy": 1.5, "behaviour/inverse_temperature": 10.0}
    (made / "metrics.jsonl").write_text(
        "".join(json.dumps({"env_steps": steps} | metrics) + "\n" for steps in (500, 1000))
    )
    (made / "versions.json").write_text(json.dumps({"python": "3.12", "cores": 2, "git": {"commit": "abc"}}))
    result = {"mean_return": score, "standard_error": 0.5, "policy": "greedy", "protocol": "cpu"}
    (made / "evaluation.json").write_text(json.dumps(result))
    sweep.set_state(run.id, State("finished", 1, 0, 60.0))


@pytest.fixture
def study(tmp_path):
    """2 agents x 2 games x 2 seeds as jaxrl would leave them; one run is still waiting, one has failed."""
    sweep, random = SweepFolder(tmp_path / "study"), np.random.default_rng(0)
    runs = [make_run(agent, env, seed) for agent in ("casa", "impala") for env in GAMES for seed in (0, 1)]
    for run in runs[:-2]:
        leave(sweep, run, random, GAMES[run.env] + run.seed)
    sweep.set_state(runs[-1].id, State("failed", 1, 1, 3.0, None, ("error: <no> luck",)))
    return sweep, runs


def test_a_damaged_run_does_not_cost_the_report(study, tmp_path):
    sweep, runs = study
    for run, name, content in [
        (runs[0], "versions.json", ""),
        (runs[1], "evaluation.json", "{}"),
        (runs[2], "episodes.jsonl", "3\n"),
    ]:
        (made,) = sweep.of(run.id).glob("*-s?")
        (made / name).write_text(content)
    results = collect(sweep, runs)
    assert sum(result.finished for result in results) == 5, "an evaluation without a score is none"
    page = write_report(tmp_path / "report.html", "smoke", "command", results).read_text()
    assert "Left out: " in page and "is no object of numbers" in page


def test_results_by_agent_and_game(study):
    sweep, runs = study
    scores = scores_of(by_env_and_agent(collect(sweep, runs)))
    assert scores["casa"] == {"Pong-v5": [10.0, 11.0], "Breakout-v5": [100.0, 101.0]}
    assert scores["impala"] == {"Pong-v5": [10.0, 11.0]}, "what has not finished has no score"


def test_the_report_holds_everything_and_its_pictures_open(study, tmp_path):
    sweep, runs = study
    path = write_report(tmp_path / "report.html", "smoke", "launch/reproduce.sh --scale smoke", collect(sweep, runs))
    text = path.read_text()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(pictures) == 7, "a curve and the exploration of each game, and three of the aggregates"
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {
        "learning_curves_on_pong_v5.png",
        "learning_curves_on_breakout_v5.png",
        "exploration_on_pong_v5.png",
        "exploration_on_breakout_v5.png",
        "aggregates_with_intervals.png",
        "performance_profiles.png",
        "probability_of_improvement.png",
    }
    for picture in pictures:
        pixels = imread(io.BytesIO(base64.b64decode(picture)))
        assert min(pixels.shape[:2]) > 100 and np.ptp(pixels[..., :3]) > 0.5
    assert "6 of 8 runs are finished" in text and "6 finished, 1 waiting, 1 failed" in text
    assert "error: &lt;no&gt; luck" in text and "<no>" not in text
    assert "GDI-H3 (published)" in text and "different games; 1 of 2 are common to all of them" in text
    commands = re.findall(r"^.*jaxrl train (.*?)(?:</pre>)?$", text, re.MULTILINE)
    example = "configs/atari/pong_cpu.yaml --env.id={} --seed=0"
    assert commands == [example.format(env) for _ in ("casa", "impala") for env in GAMES], "one a sweep file"
    assert "launch/reproduce.sh --scale smoke" in text and "abc" in text and "3.12" in text
    assert "http" not in re.sub(r"base64,[^\"]+", "", text), "nothing is fetched from elsewhere"


def section(page, heading):
    """The rows of the tables below a heading of `tables.md`, each a list of cells; headers and rules are left out."""
    (text,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [[row.strip("| ").split(" | ") for row in table.splitlines()[2:]] for table in tables]


def test_a_whole_study_has_both_baselines_profiles_and_improvement(tmp_path):
    """IMPALA is at random play and CASA at the human, by the usual baselines, on games where these differ."""
    sweep, random = SweepFolder(tmp_path / "study"), np.random.default_rng(0)
    runs = [
        make_run(agent, env, seed)
        for agent in ("casa", "impala")
        for env in ("Pong-v5", "CrazyClimber-v5")
        for seed in (0, 1)
    ]
    for run in runs:
        leave(sweep, run, random, reference(run.env).human if run.sweep == "casa" else reference(run.env).random)
    write_report(tmp_path / "report.html", "cpu", "c", collect(sweep, runs))
    names = {file.stem for file in (tmp_path / "figures").iterdir()}
    assert {"aggregates_with_intervals", "performance_profiles", "probability_of_improvement"} < names
    text = (tmp_path / "tables.md").read_text()
    usual, authors = section(text, "Aggregate scores")
    of_casa = [next(row for row in table if row[0] == "casa") for table in (usual, authors)]
    assert of_casa[0] == ["casa", "cpu", "2", "2", *["1.00 [1.00, 1.00]"] * 3, "0.00 [0.00, 0.00]"]
    assert usual[0] == ["impala", "cpu", "2", "2", *["0.00 [0.00, 0.00]"] * 3, "1.00 [1.00, 1.00]"]
    mean = np.mean([human_normalised(reference(env).human, env, "authors") for env in ("Pong", "CrazyClimber")])
    assert of_casa[1][6] == f"{mean:.2f} [{mean:.2f}, {mean:.2f}]" and f"{mean:.2f}" != "1.00"
    assert text.index("with the usual baselines") < text.index("with the authors' baselines")
    (games,) = section(text, "Games")
    assert [row[:2] for row in games] == [
        ["Pong", "casa"], ["Pong", "impala"], ["CrazyClimber", "casa"], ["CrazyClimber", "impala"],
    ]  # fmt: skip
    assert [row[5] for row in games] == ["1.00", "0.00"] * 2 and len(section(text, "Runs")[0]) == 8


def test_a_report_before_anything_has_finished(tmp_path):
    sweep = SweepFolder(tmp_path)
    text = write_report(tmp_path / "r.html", "cpu", "c", collect(sweep, [make_run("casa", "Pong-v5", 0)])).read_text()
    assert "0 of 1 runs are finished" in text and "1 waiting" in text


def test_costs_are_arithmetic():
    runs = [Run(str(seed), "a", "configs/catch.yaml", (), {}, "catch", seed, 200_000) for seed in range(3)]
    costs = estimate(runs)
    assert (costs.runs, costs.frames) == (3, 600_000.0)
    assert 1e-4 < costs.gigabytes < 0.1
    text = describe(costs, "smoke", "GPU", 2, Speed(1000.0, "measured"))
    assert "3 runs to do, 0.6M frames" in text and "0.2 GPU-hours at 1,000 frames/s a run (measured)" in text
    assert "0.00 days with 2 at a time" in text and "jobs   3" in text
    unknown = describe(costs, "smoke", "GPU", 2, None)
    assert "time   not known: nothing was measured here" in unknown and "hours" not in unknown


def test_the_hours_of_a_study_are_those_of_its_own_runs(study):
    sweep, runs = study
    assert measured(sweep, runs[-2:]) is None
    for run, wall in zip(runs[:3], (10.0, 20.0, 80.0), strict=True):
        (made,) = sweep.of(run.id).glob("*-s?")
        with (made / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"env_steps": 1000, "progress/frames": 4000, "progress/wall": wall}) + "\n")
    assert measured(sweep, runs) == Speed(200.0, "the median of 3 runs so far")


def test_a_large_study_is_not_started_unasked(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "reproduce" / "full"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text(
        'command: [python, -m, jaxrl, train, configs/catch.yaml, "${args}"]\n'
        "method: grid\nparameters: {seed: {value: 0}}\n"
    )
    monkeypatch.setattr(study_command, "shipped", lambda folder: tmp_path)
    started = []
    monkeypatch.setattr(study_command, "run_sweep", lambda *_, **__: started.append(True) or 0)
    words = ["reproduce", "--scale", "full", "--out", str(tmp_path / "out")]
    assert main(words) == 2 and not started
    shown = capsys.readouterr()
    assert "1 runs to do" in shown.out and "say --yes to go on" in shown.err
    assert "time   not known" in shown.out
    assert main([*words, "--list", "--frames-per-second", "1000"]) == 0, "planned without a terminal"
    assert "GPU-hours at 1,000 frames/s a run (as --frames-per-second says)" in capsys.readouterr().out and not started
    assert main([*words, "--yes"]) == 0 and started
    assert (tmp_path / "out" / "report.html").exists()


def test_a_recorded_study_is_reported_from_its_archive_as_from_its_folder(study, tmp_path, monkeypatch, capsys):
    sweep, runs = study
    sweep.write_plan(runs)
    archive = tmp_path / "recorded.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(sweep.path, ".")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    words = ["reproduce", "--scale", "cpu", "--report-only", "--from"]
    assert main([*words, str(archive)]) == 0
    assert "report: reproduce/recorded/report.html" in capsys.readouterr().out
    assert main([*words, str(sweep.path), "--out", "other"]) == 0
    pages = [re.sub("jaxrl reproduce .*", "", Path(folder, "report.html").read_text())
             for folder in ("reproduce/recorded", "other")]  # fmt: skip
    assert pages[0] == pages[1] and "6 of 8 runs are finished" in pages[0]
    assert list((tmp_path / "cache").rglob("report.html")) == []
    assert main(["reproduce", "--scale", "cpu", "--from", str(archive)]) == 2
    assert "--report-only" in capsys.readouterr().err
    assert main([*words, str(tmp_path)]) == 2
    assert "there is no sweep" in capsys.readouterr().err
