"""Runs that follow from others: proposals go where it is better, also after a restart; hyperband stops the worse."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from argparse import Namespace

import pytest

from jaxrl.cli.commands import main
from jaxrl.errors import ConfigError
from jaxrl.sweeps.local import run_local
from jaxrl.sweeps.search import proposals
from jaxrl.sweeps.search.hyperband import Hyperband, read_hyperband
from jaxrl.sweeps.search.proposals import Proposals
from jaxrl.sweeps.search.run_search import Search
from jaxrl.sweeps.slots import Slot
from jaxrl.sweeps.sweep_file import read_sweep
from jaxrl.sweeps.sweep_folder import State, SweepFolder

HEAD = """command: [python, -m, jaxrl, train, configs/catch.yaml, "${args}"]
metric: {name: episode/return, goal: maximize}
"""
RATE = "agent.hypers.learning_rate: {distribution: log_uniform_values, min: 1.0e-5, max: 1.0e-1}"
BAYES = f"{HEAD}method: bayes\nrun_cap: 24\nparameters:\n  {RATE}\n  network.hidden_sizes: {{values: [[8], [16]]}}\n"


def sweep_of(tmp_path, text):
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    return read_sweep(path)


def finish(folder, run, values):
    """As if it had trained, with one report a value."""
    made = folder.of(run.id) / "catch-20260101-120000-s0"
    made.mkdir(parents=True)
    (made / "config.yaml").touch()
    rows = [{"env_steps": 100 * (i + 1), "episode/return": value} for i, value in enumerate(values)]
    (made / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder.set_state(run.id, State("finished"))


def test_without_optuna_one_sentence_names_the_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(proposals, "find_spec", lambda name: None)
    sweep_of(tmp_path, BAYES)
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "sweep.yaml"]) == 2
    assert "method bayes needs Optuna: pip install 'jaxrl[search]'" in capsys.readouterr().err
    assert not (tmp_path / "sweeps").exists()


def test_proposals_go_where_it_is_better_and_go_on_after_a_restart(tmp_path):
    pytest.importorskip("optuna", reason="make test-extras installs it")
    sweep, folder = sweep_of(tmp_path, BAYES), SweepFolder(tmp_path / "out")
    source, distances = Proposals(sweep, folder, 24, seed=1), []
    while (run := source.next()) is not None:
        away = abs(math.log10(run.settings["agent.hypers.learning_rate"]) + 3)  # best at 1e-3, with 16 units
        distances.append(away)
        finish(folder, run, [-away - (run.settings["network.hidden_sizes"] == [8])])
        if len(distances) == 12:
            source = Proposals(sweep, folder, 24, seed=1)  # the launcher was killed, and started again
            assert len(source.runs) == 12
    assert len(distances) == 24 == len(folder.plan()) and len({run.id for run in folder.plan()}) == 24
    assert sum(distances[-8:]) < 0.6 * sum(distances[:8]), "no better than at random"


def test_bounds_that_past_runs_lie_outside_of_are_one_sentence(tmp_path):
    pytest.importorskip("optuna", reason="make test-extras installs it")
    folder = SweepFolder(tmp_path / "out")
    source = Proposals(sweep_of(tmp_path, BAYES), folder, 24, seed=1)
    for _ in range(2):
        run = source.next()
        assert run is not None
        finish(folder, run, [0.0])
    narrower = sweep_of(tmp_path, BAYES.replace("min: 1.0e-5, max: 1.0e-1", "min: 1.0e-7, max: 1.0e-6"))
    with pytest.raises(ConfigError, match="sweeps other settings than"):
        Proposals(narrower, folder, 24, seed=1).next()


def test_few_values_end_the_search_when_all_were_tried(tmp_path):
    pytest.importorskip("optuna", reason="make test-extras installs it")
    text = f"{HEAD}method: bayes\nparameters: {{seed: {{values: [0, 1]}}}}\n"
    folder = SweepFolder(tmp_path / "out")
    source, given = Proposals(sweep_of(tmp_path, text), folder, 9, seed=0), []
    while (run := source.next()) is not None:
        given.append(run.seed)
        finish(folder, run, [0.0])
    assert sorted(given) == [0, 1]


@pytest.mark.parametrize(
    ("entry", "looks"),
    [
        ({"type": "hyperband", "min_iter": 20, "eta": 3}, (20, 60, 180)),
        ({"type": "hyperband", "max_iter": 270, "s": 3, "eta": 3}, (10, 30, 90)),
    ],
)
def test_when_runs_are_compared(entry, looks):
    assert read_hyperband("x.yaml", entry).looks[:3] == looks


def test_only_the_best_third_goes_on():
    hyperband, others = Hyperband((2, 6), 3), [[0, value] for value in (1, 2, 3, 4, 5)]
    assert not hyperband.stops([9], others, True), "it is not there yet"
    assert not hyperband.stops([0, 4.5], others, True) and hyperband.stops([0, 2.5], others, True)
    assert hyperband.stops([0, 4.5], others, False) and not hyperband.stops([0, 0.5], others, False)
    assert not hyperband.stops([0, 0.5], others[-1:], True), "of two nobody knows who is among the best third"
    assert not hyperband.stops([0, 2.5, 9, 9, 9, 9], others, True), "nobody else has come to the second look"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("early_terminate: {type: median}", "must be a mapping with `type: hyperband`"),
        ("early_terminate: {type: hyperband}", "needs min_iter, or max_iter and s"),
        ("early_terminate: {type: hyperband, min_iter: 3, eta: 1}", "early_terminate.eta must be a number above 1"),
        ("early_terminate: {type: hyperband, min_iters: 3}", "has no field min_iters"),
    ],
)
def test_what_a_file_says_wrongly(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        sweep_of(tmp_path, f"{HEAD}method: grid\n{text}\nparameters: {{seed: {{values: [0, 1]}}}}\n")


@pytest.mark.parametrize("line", ["method: bayes", "method: grid\nearly_terminate: {type: hyperband, min_iter: 3}"])
def test_a_metric_is_needed_and_one_machine(tmp_path, line, capsys):
    rest = f"{line}\nrun_cap: 2\nparameters: {{seed: {{values: [0, 1]}}}}\n"
    with pytest.raises(ConfigError, match="needs a metric"):
        sweep_of(tmp_path, HEAD.partition("metric")[0] + rest)
    sweep_of(tmp_path, HEAD + rest)
    assert main(["sweep", str(tmp_path / "sweep.yaml"), "--on", "slurm", "--out", str(tmp_path / "out")]) == 2
    assert "runs on this machine, one process a run" in capsys.readouterr().err


def test_a_run_that_is_stopped_early_saves_and_is_finished(tmp_path, monkeypatch):
    """Three runs in one slot, by processes that report and wait for the signal; the last is worse than the first."""
    text = f"{HEAD}method: grid\nearly_terminate: {{type: hyperband, min_iter: 2, eta: 2}}\n"
    sweep = sweep_of(tmp_path, f"{text}parameters: {{seed: {{values: [0, 1]}}}}\n")
    from jaxrl.sweeps import attempt, local
    from jaxrl.sweeps.expand import expand

    folder, runs = SweepFolder(tmp_path / "out"), expand([sweep])
    good, bad = runs
    finish(folder, good, [0.0, 1.0, 1.0])
    finish(folder, bad, [0.0, 0.5])
    folder.set_state(bad.id, State("interrupted"))
    options = Namespace(on="local", population=None, count=None, draw_seed=0)
    monkeypatch.setattr(local, "JUDGE_S", 0.1)
    monkeypatch.setattr(attempt, "command", lambda folder, run: ["sleep", "60"])
    assert run_local(folder, [bad], [Slot((0,))], supply=Search(folder, [sweep], options)) == 0
    state = folder.state(bad.id)
    assert state.status == "finished" and state.last_lines[0].startswith("stopped early by hyperband after 2 reports")


def test_a_run_that_is_evaluated_already_is_not_stopped(tmp_path):
    text = f"{HEAD}method: grid\nearly_terminate: {{type: hyperband, min_iter: 2, eta: 2}}\n"
    sweep = sweep_of(tmp_path, f"{text}parameters: {{seed: {{values: [0, 1]}}}}\n")
    folder = SweepFolder(tmp_path / "out")
    search = Search(folder, [sweep], Namespace(on="local", population=None, count=None, draw_seed=0))
    good, bad = (dataclasses.replace(run, env_steps=300) for run in search.runs)
    finish(folder, good, [0.0, 1.0, 1.0])
    for reports, stopped in (([0.0, 0.5], True), ([0.0, 0.5, 0.5], False)):
        shutil.rmtree(folder.of(bad.id), ignore_errors=True)
        finish(folder, bad, reports)
        folder.set_state(bad.id, State("running"))
        assert bool(search.verdict(bad)) == stopped
