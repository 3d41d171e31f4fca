"""A tiny study from its sweep file to its report: interrupted half-way, gone on with, and asked for once more."""

import json
import signal
from pathlib import Path

import pytest

from jaxrl.cli.commands import main
from jaxrl.sweeps import study as study_command
from jaxrl.sweeps.board import Board
from jaxrl.sweeps.expand import expand
from jaxrl.sweeps.sweep_file import read_sweep
from jaxrl.sweeps.sweep_folder import SweepFolder

ENV_STEPS = 12_000
CATCH = Path(__file__).parents[2] / "configs" / "catch.yaml"
FILE = f"""\
command:
  - python
  - -m
  - jaxrl
  - train
  - {CATCH}
  - --env_steps={ENV_STEPS}
  - --network.hidden_sizes=[8]
  - --agent.num_epochs=1
  - --record.wandb=off
  - --record.checkpoint_every=2
  - --evaluation.episodes=10
  - --evaluation.against_random=false
  - ${{args}}
name: casa
method: grid
parameters: {{seed: {{values: [0, 1]}}}}
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The arguments of a scale of two trainings, its folder and its runs."""
    monkeypatch.setattr(study_command, "shipped", lambda folder: tmp_path / folder)
    file = tmp_path / "configs" / "reproduce" / "smoke" / "casa.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(FILE)
    folder = SweepFolder(tmp_path / "study")
    return (
        ["reproduce", "--scale", "smoke", "--out", str(folder.path), "--jobs", "1"],
        folder,
        expand([read_sweep(file)]),
    )


def interrupt_when(monkeypatch, due):
    """Ctrl-C, once, as soon as the launcher looks at its runs and `due()` holds."""
    refresh, asked = Board.refresh, []

    def refresh_and_interrupt(board, **options):
        refresh(board, **options)
        if not asked and due():
            asked.append(True)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Board, "refresh", refresh_and_interrupt)


def has_a_checkpoint(folder, run):
    made = folder.made(run.id)
    return made is not None and any((made / "checkpoints").glob("[0-9]*-*"))


def results(folder, runs):
    """Of each run: how often it was started, and what its evaluation says."""
    evaluations = [folder.made(run.id) / "evaluation.json" for run in runs]
    read = [json.loads(path.read_text()) if path.exists() else None for path in evaluations]
    return [folder.state(run.id).attempts for run in runs], read


def page(folder):
    return (folder.path / "report.html").read_text(), (folder.path / "tables.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(900)  # where other work shares the machine; a minute is usual
def test_only_what_is_not_finished_is_run(study, monkeypatch, capsys):
    words, folder, runs = study
    with monkeypatch.context() as patch:
        interrupt_when(patch, lambda: has_a_checkpoint(folder, runs[1]))
        assert main(words) == 128 + signal.SIGINT
    assert [folder.state(run.id).status for run in runs] == ["finished", "interrupted"]
    assert "2 runs to do" in capsys.readouterr().out
    attempts, (first, unfinished) = results(folder, runs)
    assert attempts == [1, 1] and first["env_steps"] >= ENV_STEPS and unfinished is None
    assert "1 of 2 runs are finished" in page(folder)[0]

    assert main(words) == 0
    assert "1 runs to do" in capsys.readouterr().out
    attempts, (again, second) = results(folder, runs)
    assert attempts == [1, 2] and again == first and second["env_steps"] >= ENV_STEPS
    assert "--resume=" in folder.log(runs[1].id).read_text(), "from its checkpoint, not from the start"
    html, tables = page(folder)
    assert "2 of 2 runs are finished" in html and "| catch | casa |" in tables
    assert (folder.path / "figures" / "learning_curves_on_catch.png").read_bytes().startswith(b"\x89PNG")

    written = {path: path.stat().st_mtime_ns for path in (folder.path / "runs").rglob("*") if path.is_file()}
    assert main(words) == 0
    output = capsys.readouterr().out
    assert "runs to do" not in output and "0 to do, 2 done before" in output
    assert written == {path: path.stat().st_mtime_ns for path in (folder.path / "runs").rglob("*") if path.is_file()}
    assert page(folder)[1] == tables
