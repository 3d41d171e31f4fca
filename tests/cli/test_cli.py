"""The commands: what reaches the parts below, exit statuses, and that help loads nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jaxrl.cli.commands import main, split_overrides
from jaxrl.config import registry
from jaxrl.errors import ConfigError, UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "catch.yaml"
    path.write_text("name: catch\nenv: {id: catch, backend: jax}\nagent: {name: casa, num_epochs: 2}\n")
    return path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the commands ask of the modules below them, which are replaced."""
    made: list[tuple[Any, ...]] = []
    names = ("training", "scoring", "bench", "plot")
    training, scoring, bench, plot = (ModuleType(f"jaxrl.{name}") for name in names)

    def train(config: Any, *, resume: str | None = None) -> int:
        made.append(("train", config, resume))
        return 0

    def evaluate(run: str, **options: Any) -> dict[str, Any]:
        made.append(("evaluate", run, options))
        return {"mean": 18.25, "episodes": 100, "returns": [18.0, 18.5]}

    def measure(config: Any, json_path: Path, seconds: float) -> None:
        made.append(("bench", config, json_path, seconds))

    def plot_run(run: Path, out: Path | None) -> Path:
        made.append(("plot_run", run, out))
        return out or run / "curve.png"

    def plot_comparison(runs: list[Path], out: Path) -> Path:
        made.append(("plot_comparison", runs, out))
        return out

    setattr(training, "train", train)  # noqa: B010  (a module object has no such attribute to type checkers)
    setattr(scoring, "evaluate", evaluate)  # noqa: B010
    for name, value in {"plot_run": plot_run, "plot_comparison": plot_comparison}.items():
        setattr(plot, name, value)
    setattr(bench, "main", measure)  # noqa: B010
    for module in (training, scoring, bench, plot):
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(sys.modules["jaxrl"], module.__name__.partition(".")[2], module, raising=False)
    return made


def jaxrl(*arguments: str, cwd: Path = ROOT, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["-m", "jaxrl"] if code is None else ["-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, *command, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


def make_run(runs_dir: Path, name: str) -> Path:
    (runs_dir / name).mkdir(parents=True)
    (runs_dir / name / "config.yaml").write_text("seed: 0\n")
    return runs_dir / name


# Commands


def test_train_reads_the_config_and_the_overrides(config: Path, calls: list[Any]) -> None:
    assert main(["train", str(config), "--seed", "-3", "--agent.hypers.learning_rate=3e-4"]) == 0
    [(_, read, resume)] = calls
    assert (read.name, read.seed, read.agent.hypers.learning_rate, resume) == ("catch", -3, 3e-4, None)


@pytest.mark.parametrize(
    ("words", "resume"),
    [
        (["CONFIG", "--resume"], "latest"),
        (["--resume", "CONFIG"], "latest"),
        (["CONFIG", "--resume", "runs/a"], "runs/a"),
        (["--resume", "runs/a", "CONFIG"], "runs/a"),
        (["CONFIG", "--resume=runs/a", "--seed", "3"], "runs/a"),
        (["--seed", "3", "CONFIG", "--resume", "--name", "x"], "latest"),
    ],
)
def test_resume_with_and_without_a_run(config: Path, calls: list[Any], words: list[str], resume: str) -> None:
    assert main(["train", *(str(config) if word == "CONFIG" else word for word in words)]) == 0
    assert calls[0][2] == resume


def test_the_status_of_training_is_the_status_of_the_command(
    config: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["jaxrl.run.train"], "train", lambda config, resume: 3)
    assert main(["train", str(config)]) == 3


def test_evaluate_prints_scalars_and_writes_everything(
    calls: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new" / "scores.json"
    assert main(["evaluate", "latest", "--episodes", "7", "--greedy", "--json", str(file)]) == 0
    assert (
        main(["evaluate", "runs/a", "--no-greedy", "--member", "3", "--env.protocol", "paper", "--video", "a.gif"]) == 0
    )
    assert calls == [
        ("evaluate", "latest", {"episodes": 7, "greedy": True, "member": None, "video": None, "overrides": []}),
        (
            "evaluate",
            "runs/a",
            {
                "episodes": None,
                "greedy": False,
                "member": 3,
                "video": Path("a.gif"),
                "overrides": ["--env.protocol", "paper"],
            },
        ),
    ]
    assert json.loads(file.read_text()) == {"mean": 18.25, "episodes": 100, "returns": [18.0, 18.5]}
    assert capsys.readouterr().out.splitlines()[:2] == ["mean      18.25", "episodes  100"]


def test_a_result_that_cannot_be_written_is_a_failure(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "latest", "--json", "/dev/null/scores.json"]) == 1
    assert capsys.readouterr().err.startswith("jaxrl: error: cannot write /dev/null/scores.json: ")


def test_bench_takes_overrides_too(config: Path, calls: list[Any]) -> None:
    assert main(["bench", str(config), "--json", "out.json", "--seconds", "2.5", "--runtime.num_actors", "2"]) == 0
    [(_, read, path, seconds)] = calls
    assert (read.runtime.num_actors, path, seconds) == (2, Path("out.json"), 2.5)


def test_plot_draws_one_run_or_compares_several(
    calls: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    old = make_run(Path("runs"), "pong-20260101-000000-s0")
    new = make_run(Path("runs"), "pong-20260102-000000-s0")
    assert main(["plot", "latest"]) == 0
    assert main(["plot", str(old), str(new)]) == 0
    assert calls == [("plot_run", new, None), ("plot_comparison", [old, new], Path("compare.png"))]
    assert capsys.readouterr().out.splitlines() == [str(new / "curve.png"), "compare.png"]


def test_the_words_of_a_key_never_reach_argparse() -> None:
    words = ["--seed", "3", "c.yaml", "--json", "f", "--a.b=-1", "--a.c", "-1", "-h"]
    mine, overrides = split_overrides(words, {"--json"})
    assert mine == ["c.yaml", "--json", "f", "-h"]
    assert overrides == ["--seed", "3", "--a.b=-1", "--a.c", "-1"]


# Errors


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["trian"], "there is no command 'trian'; the nearest is train, and all are train, evaluate, bench"),
        (["train"], "train: the config is missing; name a YAML file"),
        (["train", "a.yaml", "b.yaml"], "train: unrecognized arguments: b.yaml"),
        (["train", "CONFIG", "--seed"], "command line: --seed needs a value"),
        (["train", "CONFIG", "--seed", "x"], "command line: seed must be an integer, not 'x'"),
        (["train", "CONFIG", "--help", "--seed", "x"], "command line: seed must be an integer, not 'x'"),
        (
            ["train", "CONFIG", "--env.noop_maxx", "0"],
            "command line: there is no setting env.noop_maxx; the nearest is",
        ),
        (["train", "CONFIG", "--agent.name", "x"], "command line: agent.name: there is no agent 'x'"),
        (
            ["train", "CONFIG", "--agent.name", "impala", "--agent.hypers.q_cost", "1"],
            "command line: agent impala",
        ),
        (["bench", "CONFIG"], "bench: the following arguments are required: --json"),
        (["bench", "CONFIG", "--json", "f", "--seconds", "0"], "bench: argument --seconds: must be a number above 0"),
        (["evaluate"], "evaluate: the following arguments are required: RUN"),
        (["evaluate", "x", "--episodes", "0"], "evaluate: argument --episodes: must be a whole number of at least 1"),
        (["doctor", "--require", "abacus"], "doctor: argument --require: invalid choice: 'abacus'"),
        (["plot"], "plot: the following arguments are required: RUN"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_status_2(
    words: list[str], expected: str, config: Path, calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(config) if word == "CONFIG" else word for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"jaxrl: error: {expected}")
    assert len(captured.err.splitlines()) == 1 and captured.out == ""
    assert calls == []


@pytest.mark.parametrize(("error", "status"), [(ConfigError("no"), 2), (UserError("no"), 1)])
def test_expected_errors_have_no_traceback(
    error: Exception,
    status: int,
    config: Path,
    calls: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def train(config: Any, *, resume: str | None) -> int:
        raise error

    monkeypatch.setattr(sys.modules["jaxrl.run.train"], "train", train)
    assert main(["train", str(config)]) == status
    assert capsys.readouterr().err == "jaxrl: error: no\n"


def test_every_error_that_is_meant_for_the_user_is_caught() -> None:
    from jaxrl.envs.base import EnvError
    from jaxrl.record.checkpoints import CheckpointError
    from jaxrl.record.rundir import RunDirError

    for error in (ConfigError, EnvError, CheckpointError, RunDirError):
        assert issubclass(error, UserError), error


def test_ctrl_c_has_its_own_status(config: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def train(config: Any, *, resume: str | None) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["jaxrl.run.train"], "train", train)
    assert main(["train", str(config)]) == 130


def test_errors_in_a_process_of_its_own(config: Path) -> None:
    done = jaxrl("train", str(config), "--agent.no_such_key", "1")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(
        "jaxrl: error: command line: agent casa has no setting agent.no_such_key; the nearest is "
    )
    assert len(done.stderr.splitlines()) == 1
    done = jaxrl("plot", "no/such/run")
    assert "there is no run folder no/such/run" in done.stderr and done.returncode == 1
    assert "Traceback" not in done.stderr


def test_an_unexpected_error_keeps_its_traceback() -> None:
    code = (
        "import sys, types; from jaxrl.cli.commands import main\n"
        "scoring = sys.modules['jaxrl.run.evaluate'] = types.ModuleType('jaxrl.run.evaluate')\n"
        "scoring.evaluate = lambda run, **options: 1 / 0\n"
        "sys.exit(main(['evaluate', 'latest']))"
    )
    done = jaxrl(code=code)
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "ZeroDivisionError" in done.stderr


# Help


@pytest.mark.parametrize("words", [[], ["train"], ["evaluate"], ["bench"], ["plot"], ["doctor"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from jaxrl.cli.commands import main\n"
        "try:\n    status = main(sys.argv[1:])\nexcept SystemExit as end:\n    status = end.code\n"
        "heavy = {'jax', 'jaxlib', 'flax', 'optax', 'envpool', 'orbax', 'wandb', 'matplotlib', 'numpy'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else status)"
    )
    done = jaxrl(*words, "--help", code=code)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: jaxrl" in done.stdout


def test_help_lists_keys_and_agents(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--runtime.policy_lag" in text and "--agent.hypers" not in text
    assert "`jaxrl train CONFIG --help` also shows" in text
    for name in registry.AGENTS:
        assert f"\n    {name} " in text


def test_help_for_a_config_shows_its_values(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(config), "--seed", "41", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--agent.hypers.learning_rate" in text
    assert "default: 41" in text and "default: catch" in text


def test_version_and_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("jaxrl 0.")
    assert main([]) == 2
    assert "doctor" in capsys.readouterr().out


def test_a_closed_pipe_is_no_error() -> None:
    shell = f"{sys.executable} -m jaxrl train --help | head -1"
    done = subprocess.run(shell, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("usage: ") and done.stderr == ""
