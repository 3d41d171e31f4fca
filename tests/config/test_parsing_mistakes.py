"""Configs: every mistake is one sentence that says where and what instead."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from jaxrl.config import registry
from jaxrl.config.parsing import read_config
from jaxrl.errors import ConfigError
from tests.support import fake_agent
from tests.support.fake_agent import PONG

pytestmark = pytest.mark.usefixtures("fake_agent")


def problem(path: Path, *overrides: str) -> str:
    """The message, which is one line."""
    with pytest.raises(ConfigError) as caught:
        read_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_unknown_key_in_a_file_names_its_line_and_the_nearest(pong: Path) -> None:
    pong.write_text(PONG.replace("  torso:", "  torzo:"))
    assert problem(pong) == f"{pong} line 6: network atari has no setting network.torzo; the nearest is network.torso"


def test_an_unknown_key_on_the_command_line(pong: Path) -> None:
    message = problem(pong, "--agent.num_epoch", "1")
    assert message == "command line: agent fake has no setting agent.num_epoch; the nearest is agent.num_epochs"
    assert "command line: agent fake has no setting agent.no_such_key" in problem(pong, "--agent.no_such_key=1")


def test_a_forgotten_section_is_found(pong: Path) -> None:
    assert problem(pong, "--learning_rate", "1").endswith("the nearest is agent.hypers.learning_rate")
    assert problem(pong, "--num_actors", "1").endswith("the nearest is runtime.num_actors")
    assert problem(pong, "--seed.x", "1").endswith("the nearest is seed")


def test_a_key_of_another_part_says_whose_it_is() -> None:
    assert problem(Path("configs/catch.yaml"), "--env.id", "Pong-v5") == (
        "command line: environment catch has no setting env.id; it belongs to env.name envpool, gymnasium; choose "
        "that, or take it out"
    )


def test_the_nearest_is_of_the_same_section_unless_the_name_is_another_ones() -> None:
    assert problem(Path("configs/catch.yaml"), "--env.kind", "jax").partition("the nearest is ")[2].startswith("env.")
    assert problem(Path("configs/catch.yaml"), "--env.policy_lag", "2").endswith("the nearest is runtime.policy_lag")


def test_keys_of_another_agent_are_unknown_to_this_one(pong: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.AGENTS, "other", "tests_other_agent")
    module = ModuleType("tests_other_agent")
    module.Config = dataclass(frozen=True)(type("Config", (), {"__annotations__": {"steps": int}, "steps": 1}))
    module.Config.__module__ = module.__name__
    module.make = fake_agent.make
    monkeypatch.setitem(sys.modules, module.__name__, module)
    message = problem(pong, "--agent.name", "other")
    assert message.startswith(
        f"{pong} line 8: agent other, which the command line names, has no setting agent.num_epochs; it belongs to "
        "agent.name a2c, casa, "
    )


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("--seed=x", "seed must be an integer, not 'x'"),
        ("--seed=1.5", "seed must be an integer, not '1.5'"),
        ("--seed=1.5e0", "seed must be an integer, not '1.5e0'"),
        ("--seed=true", "seed must be an integer, not 'true'"),
        ("--seed=", "seed must be an integer, not ''"),
        ("--agent.hypers.learning_rate=fast", "agent.hypers.learning_rate must be a number, not 'fast'"),
        ("--env.noop_max=1.5", "env.noop_max must be an integer or null, not '1.5'"),
        ("--env.protocol=cpuu", "env.protocol must be one of machado, paper, cpu, not 'cpuu'; the nearest is cpu"),
        ("--env.full_action_set=1", "env.full_action_set must be true or false or null, not '1'"),
        ("--network.hidden_sizes=256", "network.hidden_sizes must be a list such as [64, 32], not '256'"),
        ("--network.hidden_sizes=[a]", "network.hidden_sizes must be a list such as [64, 32], not '[a]'"),
        ("--agent.betas=1", "agent.betas must be a list such as [0.5, 0.1], not '1'"),
        ("--runtime=3", "runtime is a section, not a value; set one of its parts, such as runtime.kind"),
        ("--agent=fake", "agent is a section, not a value; set one of its parts, such as agent.name"),
        ("--agent.hypers=1", "agent.hypers is a section, not a value; set one of its parts, such as"),
        (
            "--agent.name=cazza",
            "agent.name: there is no agent 'cazza'; the nearest is casa, and all are a2c, casa, group, impala",
        ),
    ],
)
def test_a_wrong_value_says_what_it_must_be(pong: Path, override: str, expected: str) -> None:
    assert problem(pong, override).startswith(f"command line: {expected}")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("seed: null", "seed must be an integer, not null"),
        ("seed: [1]", "seed must be an integer, not [1]"),
        ("seed: true", "seed must be an integer, not True"),
        ("name: 3", "name must be text, not 3"),
        ("env: 3", "env is a section, not a value"),
        ("env: [a]", "env is a section, not a value"),
        ("1: 2", "there is no setting 1"),
        ("[a, b]: 2", "there is no setting"),
    ],
)
def test_a_wrong_value_in_a_file_names_its_line(tmp_path: Path, line: str, expected: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"agent:\n  name: fake\n{line}\n")
    assert problem(path).startswith(f"{path} line 3: {expected}")


def test_no_value_whatever_ends_in_another_error(pong: Path) -> None:
    values = [
        "",
        "x",
        "null",
        "1",
        "-1",
        "1.5",
        "1e400",
        "nan",
        "[",
        "]",
        "{",
        "{}",
        "[[]]",
        "a: b",
        "*a",
        "!!x",
        "!!int []",
        "[" * 2000,
        "%",
        "@",
    ]
    for leaf in [
        "seed",
        "name",
        "env.noop_max",
        "network.hidden_sizes",
        "agent.betas",
        "evaluation.greedy",
        "env",
        "agent",
    ]:
        for value in values:
            try:
                read_config(pong, [f"--{leaf}={value}"])
            except ConfigError as error:
                assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--seed"], "--seed needs a value"),
        (["--seed", "--name", "x"], "--seed needs a value"),
        (["seed", "3"], "'seed' does not belong to a setting"),
        (["--"], "'--' does not belong to a setting"),
        (["--=3"], "'--=3' does not belong to a setting"),
    ],
)
def test_a_malformed_command_line(pong: Path, words: list[str], expected: str) -> None:
    assert problem(pong, *words).startswith(f"command line: {expected}")


def test_a_section_may_stand_in_two_places(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    here = "env: {name: catch}\nnetwork: {name: mlp}\nagent: {name: impala, optimiser: {schedule: linear}}\n"
    path.write_text(here + "agent.optimiser: {warmup_updates: 3}\n")
    optimiser = read_config(path, []).agent.optimiser
    assert (optimiser.schedule, optimiser.warmup_updates) == ("linear", 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed: 0\nenv: {id: Pong-v5\nagent: {name: fake}\n", " line 3: this is not YAML: "),
        ("seed: 0\n\tx: 1\n", " line 2: this is not YAML: "),
        ("seed: *nothing\n", " line 1: this is not YAML: "),
        ("<<: 3\n", " line 1: this is not YAML: "),
        ("seed: 0\nenv: {}\nseed: 1\n", " line 3: this is not YAML: seed is set twice"),
        ("env: {id: a, id: b}\n", " line 1: this is not YAML: id is set twice"),
        ("seed: !!int x\n", " cannot be read: "),
        ("seed: !!int []\n", " cannot be read: "),
        ("seed: !!bool maybe\n", " cannot be read: "),
        ("seed: !!timestamp 2020\n", " cannot be read: "),
        ("agent: &itself {name: *itself}\n", " cannot be read: "),
        (f"seed: {'[' * 2000}\n", " cannot be read: "),
        ("agent.betas: [1]\nagent: {name: fake, betas: [2]}\n", " line 2: agent.betas is set twice, by its whole "),
        ("seed: \x07\n", " cannot be read: "),
        ("- a\n- b\n", ": a config is a mapping of settings, such as `seed: 0`, not a list"),
        ("just words\n", ": a config is a mapping of settings, such as `seed: 0`, not one value"),
        ("", ": a config is a mapping of settings, such as `seed: 0`, not an empty file"),
        ("seed: 0\n", ": agent.name is missing; it names the algorithm, a2c or casa or group or impala"),
    ],
)
def test_a_file_that_is_no_config(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert problem(path).startswith(f"{path}{expected}")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert problem(tmp_path) == f"{tmp_path} cannot be read: [Errno 21] Is a directory: '{tmp_path}'"
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    assert problem(binary).startswith(f"{binary} cannot be read: ")


def test_a_missing_file_names_the_nearest_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message = problem(Path("configs/atari/pong_cup.yaml"))
    assert message == "there is no file configs/atari/pong_cup.yaml; the nearest is configs/atari/pong_cpu.yaml"


def test_a_setting_without_default_must_be_given(pong: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Strict:
        size: int

    Strict.__module__ = fake_agent.__name__
    monkeypatch.setattr(fake_agent, "Config", Strict)
    pong.write_text("agent: {name: fake}\n")
    assert problem(pong) == f"{pong}: agent.size is missing; set --agent.size or write it there"
    assert read_config(pong, ["--agent.size", "3"]).agent == Strict(3)
