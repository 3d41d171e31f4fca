"""The commands: what reaches the parts below, exit statuses, and that help loads nothing heavy."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jaxrl.cli.commands import COMMANDS, main
from jaxrl.cli.parser import Parser
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
    names = ("run.train", "run.evaluate", "bench", "analysis.figures.learning")
    training, scoring, bench, plot = (ModuleType(f"jaxrl.{name}") for name in names)

    def train(config: Any) -> int:
        made.append(("train", config, None))
        return 0

    def resume(launch: Any, path: str, words: list[str], folder: str) -> int:
        made.append(("resume", launch, folder, path, words))
        return 0

    def evaluate(run: str, **options: Any) -> dict[str, Any]:
        made.append(("evaluate", run, options))
        return {"mean": 18.25, "episodes": 100, "returns": [18.0, 18.5]}

    def measure(config: Any, json_path: Path, seconds: float, peer: str | None) -> None:
        made.append(("bench", config, json_path, seconds, peer))

    def draw(names: list[str], out: Path | None) -> Path:
        made.append(("plot", names, out))
        return out or Path("curve.png")

    setattr(training, "resume", resume)  # noqa: B010
    setattr(training, "train", train)  # noqa: B010  (a module object has no such attribute to type checkers)
    setattr(scoring, "evaluate", evaluate)  # noqa: B010
    setattr(plot, "plot", draw)  # noqa: B010
    setattr(bench, "main", measure)  # noqa: B010
    for module in (training, scoring, bench, plot):
        package, _, name = module.__name__.rpartition(".")
        monkeypatch.setattr(import_module(package), name, module, raising=False)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


def jaxrl(*arguments: str, cwd: Path = ROOT, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["-m", "jaxrl"] if code is None else ["-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, *command, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


# Commands


def test_train_reads_the_config_and_the_overrides(config: Path, calls: list[Any]) -> None:
    assert main(["train", str(config), "--seed", "3", "--agent.hypers.learning_rate=3e-4"]) == 0
    [(_, read, resume)] = calls
    assert (read.name, read.seed, read.agent.hypers.learning_rate, resume) == ("catch", 3, 3e-4, None)


def test_train_reads_its_config_once(config: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    original = Path.read_text

    def noted(path: Path, *arguments: Any, **options: Any) -> str:
        read.append(path)
        return original(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", noted)
    assert main(["train", str(config), "--seed", "3"]) == 0
    assert read.count(config) == 1


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
    assert calls[0][0] == "resume" and calls[0][2:4] == (resume, str(config))


def test_a_run_is_resumed_by_its_own_config(
    calls: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text("name: mine\nenv: {name: catch}\nagent: {name: casa}\n")
    assert main(["train", "--resume", str(tmp_path), "--seed", "3"]) == 0
    assert calls[0][2:] == (str(tmp_path), str(tmp_path / "config.yaml"), ["--seed", "3"])
    assert main(["train", "--resume", str(tmp_path / "no")]) == 2 and main(["train", "--resume"]) == 2
    wrong, missing = capsys.readouterr().err.splitlines()
    assert "there is no file" in wrong and "the config is missing" in missing


def test_resume_with_another_part_is_for_the_run_to_refuse(config: Path, calls: list[Any]) -> None:
    """CONFIG has settings that IMPALA has not; the run named by it does say which agent it has."""
    words = ["--agent.name=impala", "--seed=3"]
    config.write_text("name: catch\nenv: {name: catch}\nagent: {name: casa, hypers: {temperature: 0.1}}\n")
    assert main(["train", str(config), "--resume", *words]) == 0
    [(_, launch, folder, _, typed)] = calls
    assert (launch.name, launch.seed, folder, typed) == ("catch", 3, "latest", words)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--env.id", "CartPole-v1", "--env.name", "envpool"], "cartpole-fast"),
        (["--env.name=recall"], "recall-fast"),
        (["--env.name=catch"], "catch-fast"),
        (["--env.name=recall", "--name=mine"], "mine"),
        (["--seed=3"], "catch-fast"),
    ],
)
def test_a_run_has_the_name_of_the_game_that_it_plays(
    config: Path, calls: list[Any], tmp_path: Path, words: list[str], name: str
) -> None:
    """A preset of another game gave it its own; `--resume` looks for both names, the new one first."""
    config.write_text("name: catch-fast\nenv: {name: catch}\nagent: {name: casa}\n")
    words = [*words, f"--record.runs_dir={tmp_path}"]
    assert main(["train", str(config), *words]) == 0
    assert main(["train", str(config), "--resume", *words]) == 0
    seed = calls[0][1].seed
    (tmp_path / f"{name}-20260101-000000-s{seed}").mkdir()
    (tmp_path / f"{name}-20260101-000000-s{seed}" / "config.yaml").touch()
    assert main(["train", str(config), "--resume", *words]) == 0
    assert [call[1].name for call in calls] == [name, "mine" if name == "mine" else "catch-fast", name]


def test_a_film_that_fails_costs_no_score(
    calls: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = {"mean": 18.25, "film_lost": "cannot write a.gif: No space left on device"}
    monkeypatch.setattr(sys.modules["jaxrl.run.evaluate"], "evaluate", lambda run, **options: dict(result))
    out = tmp_path / "score.json"
    assert main(["evaluate", "runs/a", "--video", "a.gif", "--json", str(out)]) == 1
    shown = capsys.readouterr()
    assert shown.out == "mean  18.25\n" and json.loads(out.read_text()) == {"mean": 18.25}
    assert shown.err == "jaxrl: error: cannot write a.gif: No space left on device\n"


def test_a_score_that_nobody_reads_is_in_its_file(calls: list[Any], tmp_path: Path, monkeypatch) -> None:
    def broken(*_: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(sys.modules["jaxrl.run.evaluate"], "evaluate", lambda run, **options: {"mean": 18.25})
    monkeypatch.setattr("jaxrl.cli.one_run._print_result", broken)
    with suppress(BrokenPipeError):
        main(["evaluate", "runs/a", "--json", str(tmp_path / "score.json")])
    assert json.loads((tmp_path / "score.json").read_text()) == {"mean": 18.25}


def test_what_cannot_be_written_is_found_before_the_work(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "runs/a", "--json", "/proc/no/score.json"]) == 1
    assert "cannot write /proc/no/score.json" in capsys.readouterr().err and not calls


def test_a_preset_does_not_force_greedy_on_another_game(
    config: Path, calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("env: {name: catch}\nagent: {name: casa}\nevaluation: {greedy: true}\n")
    told = "this one is evaluated by sampling, unless you type --evaluation.greedy true"
    for words, greedy in (
        ([], True),
        (["--env.name=catch"], True),
        (["--env.name=recall"], False),
        (["--env.name=recall", "--name=mine"], False),
        (["--env.name=recall", "--evaluation.greedy=true"], True),
    ):
        assert main(["train", str(config), *words]) == 0
        assert calls[-1][1].evaluation.greedy is greedy
        assert (told in capsys.readouterr().out) is not greedy


def test_the_nearest_config_may_lie_in_the_same_folder(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(config.with_name("cath.yaml"))]) == 2
    assert capsys.readouterr().err.endswith(f"the nearest is {config}\n")


def test_the_status_of_training_is_the_status_of_the_command(
    config: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["jaxrl.run.train"], "train", lambda config: 3)
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
    [(_, read, path, seconds, peer)] = calls
    assert (read.runtime.num_actors, path, seconds, peer) == (2, Path("out.json"), 2.5, None)
    assert main(["bench", "catch", "--json", "out.json"]) == 0, "a shipped config and no game"
    assert calls[1][1].name == "catch-casa"


def test_plot_draws_what_is_named(calls: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "latest"]) == 0
    assert main(["plot", "runs/a", "runs.tar.gz", "--out", "both.pdf"]) == 0
    assert calls == [("plot", ["latest"], None), ("plot", ["runs/a", "runs.tar.gz"], Path("both.pdf"))]
    assert capsys.readouterr().out.splitlines() == ["curve.png", "both.pdf"]


def test_the_words_of_a_key_never_reach_argparse() -> None:
    parser = Parser("x", "")
    parser.add_argument("config")
    parser.add_argument("--json")
    parser.add_argument("--flag", action="store_true")
    words = ["--seed", "3", "--flag", "c.yaml", "--json", "f", "--a.b=-1", "--a.c", "-1", "--env.x", "y"]
    options, settings = parser.parse_with_settings(words)
    assert vars(options) == {"config": "c.yaml", "json": "f", "flag": True}
    assert settings == ["--seed", "3", "--a.b=-1", "--a.c", "-1", "--env.x", "y"]


# Errors


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["trian"], "there is no command 'trian'; the nearest is train, and all are train, evaluate, plot"),
        (["train"], "train: the config is missing; name a YAML file"),
        (["train", "a.yaml", "b.yaml"], "train: unrecognized arguments: b.yaml"),
        (["train", "CONFIG", "--seed"], "command line: --seed needs a value"),
        (["train", "CONFIG", "--seed", "x"], "command line: seed must be an integer, not 'x'"),
        (["train", "CONFIG", "--help", "--seed", "x"], "command line: seed must be an integer, not 'x'"),
        (
            ["train", "CONFIG", "--env.noop_maxx", "0"],
            "command line: environment catch has no setting env.noop_maxx; the nearest is",
        ),
        (["train", "CONFIG", "--agent.name", "x"], "command line: agent.name: there is no agent 'x'"),
        (
            ["train", "CONFIG", "--agent.name", "impala", "--agent.hypers.q_cost", "1"],
            "command line: agent impala",
        ),
        (["bench"], "bench: the following arguments are required: CONFIG"),
        (["bench", "CONFIG", "--json", "f", "--seconds", "0"], "bench: argument --seconds: must be a number above 0"),
        (["evaluate"], "evaluate: the following arguments are required: RUN"),
        (["evaluate", "x", "--episodes", "0"], "evaluate: argument --episodes: must be a whole number of at least 1"),
        (["doctor", "--require", "abacus"], "doctor: argument --require: there is no 'abacus'; the nearest is"),
        (["plot"], "plot: the following arguments are required: RUN"),
        (
            ["plot", "runs/a", "--outt=f"],
            "plot: there is no option --outt; the nearest is --out; see `jaxrl",
        ),
        (
            ["evaluate", "x", "--episode", "5"],
            "evaluate: there is no option or setting --episode; the nearest is --epi",
        ),
        (["train", "CONFIG", "--resum"], "train: there is no option or setting --resum; the nearest is --resume"),
        (
            ["train", "CONFIG", "--discount_factor", "1"],
            "command line: there is no setting discount_factor; the",
        ),
        (["sweep", "x.yaml", "--job", "2"], "sweep: there is no option --job; the nearest is --jobs"),
        (["sweep", "none.yaml"], "there is no file none.yaml"),
        (["sweep", "catch", "--count", "-3"], "sweep: argument --count: must be a whole number of at least 1"),
        (["sweep", "catch", "--count", "0"], "sweep: argument --count: must be a whole number of at least 1"),
        (["sweep", "catch", "--max-restarts", "-1"], "sweep: argument --max-restarts: must be a whole"),
        (
            ["reproduce", "--scale", "cpu", "--frames-per-second", "nan"],
            "reproduce: argument --frames-per-second: must",
        ),
        (
            ["reproduce", "--scale", "cpus"],
            "reproduce: argument --scale: there is no 'cpus'; the nearest is cpu",
        ),
        (["play"], "play: the following arguments are required: GAME"),
        (["play", "lomc", "a", "b"], "play: argument GAME: there is no 'lomc'; the nearest is locm, and all are locm"),
        (["train", "tiny"], "tiny is a scale of speech; `jaxrl speech --scale tiny` trains it"),
        (["bench", "lomc"], "bench: argument GAME: there is no 'lomc'; the nearest is locm"),
        (["replay", "locm"], "replay: the following arguments are required: FILE"),
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


@pytest.mark.parametrize("command", ["evaluate", "export", "plot", "sweep", "train", "upload", "watch"])
def test_a_name_that_cannot_be_opened_is_one_sentence(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["x" * 5000, *(["x.npz"] if command == "export" else ["--out", "x.png"] if command == "plot" else [])]
    assert main([command, *words]) in (1, 2)
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("jaxrl: error: ") and len(said) < 5500


@pytest.mark.parametrize(("error", "status"), [(ConfigError("no"), 2), (UserError("no"), 1)])
def test_expected_errors_have_no_traceback(
    error: Exception,
    status: int,
    config: Path,
    calls: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def train(config: Any) -> int:
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
    def train(config: Any) -> int:
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


def test_the_older_launcher_is_the_command() -> None:
    command = [sys.executable, str(ROOT / "launch" / "sweep.py"), "configs/sweeps/none.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.startswith("jaxrl: error: there is no file configs/sweeps/none.yaml")
    assert done.stderr == jaxrl("sweep", "configs/sweeps/none.yaml").stderr


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


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)])
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
    text = " ".join(capsys.readouterr().out.split())
    assert "--agent.hypers.learning_rate" in text
    assert "default: 41" in text and "default: catch" in text


def test_version_and_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("jaxrl 0.")
    assert main([]) == 2
    told = capsys.readouterr().out
    assert main(["--help"]) == 0 and told == capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"  {name} {command.words}  " in told and command.does in told


def test_a_closed_pipe_is_no_error() -> None:
    shell = f"{shlex.quote(sys.executable)} -m jaxrl train --help | head -1"
    done = subprocess.run(shell, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("usage: ") and done.stderr == ""
