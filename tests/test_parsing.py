"""Configs: what is read is what was meant, and every mistake is one sentence that says where and what instead."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Literal, get_type_hints

import pytest

from jaxrl.agents import registry
from jaxrl.config import ConfigError, EnvConfig, ExperimentConfig, NetworkConfig, RuntimeConfig
from jaxrl.parsing import help_text, read_config, write_config

CONFIGS = Path(__file__).parents[1] / "configs"
EXPERIMENTS = [path for path in sorted(CONFIGS.rglob("*.yaml")) if not {"sweeps", "reproduce"} & set(path.parts)]


@dataclass(frozen=True)
class Hypers:
    """Floats.

    Args:
        learning_rate: size of a step.
    """

    learning_rate: float = 5e-4
    discount_factor: float = 0.99


@dataclass(frozen=True)
class Config:
    """An agent that exists for these tests.

    Args:
        num_epochs: how often each sample is trained.
    """

    num_epochs: int = 1
    reward_transform: Literal["clip", "identity"] = "clip"
    betas: tuple[float, ...] = (0.9, 0.999)
    hypers: Hypers = field(default_factory=lambda: Hypers(discount_factor=0.9))


PONG = """\
name: pong-test
seed: 0
env_steps: 5_000_000
env: {id: Pong-v5, protocol: cpu, noop_max: 30}
network:
  torso: small
  hidden_sizes: [256, 128]
agent: {name: fake, num_epochs: 2, hypers: {learning_rate: 5e-4}}
runtime: {num_actors: 2}
"""


@pytest.fixture(autouse=True)
def fake_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.AGENTS, "fake", __name__)


@pytest.fixture
def pong(tmp_path: Path) -> Path:
    path = tmp_path / "pong.yaml"
    path.write_text(PONG)
    return path


@pytest.fixture
def read_text(tmp_path: Path) -> Callable[[str], ExperimentConfig]:
    def read(text: str, *overrides: str) -> ExperimentConfig:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return read_config(path, overrides)

    return read


def problem(path: Path, *overrides: str) -> str:
    """The message, which is one line."""
    with pytest.raises(ConfigError) as caught:
        read_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_file_is_read_into_its_dataclasses(pong: Path) -> None:
    assert read_config(pong) == ExperimentConfig(
        name="pong-test",
        seed=0,
        env_steps=5_000_000,
        env=EnvConfig(id="Pong-v5", protocol="cpu", noop_max=30),
        network=NetworkConfig(torso="small", hidden_sizes=(256, 128)),
        # A section's default may differ from its class's own: discount_factor comes from Config.
        agent=Config(num_epochs=2, hypers=Hypers(learning_rate=5e-4, discount_factor=0.9)),
        runtime=RuntimeConfig(num_actors=2),
    )


def test_types_follow_the_dataclass_and_not_the_spelling(read_text: Callable[..., ExperimentConfig]) -> None:
    config = read_text("agent: {name: fake, hypers: {learning_rate: 1, discount_factor: 1e0}}\nenv_steps: 2e6")
    assert config.env_steps == 2_000_000 and isinstance(config.env_steps, int)
    assert isinstance(config.agent.hypers.learning_rate, float)
    assert config.agent.hypers.discount_factor == 1.0
    assert config.network.hidden_sizes == (512,)


@pytest.mark.parametrize("form", ["two words", "one word"])
def test_overrides_go_on_top_in_both_forms(pong: Path, form: str) -> None:
    pairs = {
        "agent.hypers.learning_rate": "3e-4",
        "env.id": "Breakout-v5",
        "seed": "3",
        "name": "1e3",
        "env.noop_max": "null",
        "env.sticky_actions": "0.25",
        "evaluation.greedy": "true",
        "network.hidden_sizes": "[64]",
        "agent.betas": "[1e-1, 0]",
    }
    words = [f"--{key}={value}" for key, value in pairs.items()]
    if form == "two words":
        words = [word for pair in words for word in pair.split("=")]
    config = read_config(pong, words)
    assert config.agent.hypers.learning_rate == 3e-4
    assert (config.env.id, config.seed, config.name) == ("Breakout-v5", 3, "1e3")
    assert config.env.noop_max is None and config.env.sticky_actions == 0.25
    assert config.evaluation.greedy is True
    assert config.network.hidden_sizes == (64,) and config.agent.betas == (0.1, 0.0)
    assert config.agent.num_epochs == 2  # the file's


def test_the_last_of_two_overrides_wins_and_negative_numbers_are_values(pong: Path) -> None:
    assert read_config(pong, ["--seed", "1", "--seed", "-2"]).seed == -2


def test_an_empty_section_and_merged_keys_are_fine(read_text: Callable[..., ExperimentConfig]) -> None:
    config = read_text(
        "env:\nnetwork: {}\nagent: {name: fake}\nruntime: &r {num_actors: 3}\nrecord: {keep_checkpoints: 1}"
    )
    assert config.env == EnvConfig() and config.runtime.num_actors == 3
    merged = read_text("agent: &a\n  name: fake\n  hypers: &h {learning_rate: 1.0}\n  <<: {num_epochs: 7}")
    assert merged.agent.num_epochs == 7


@pytest.mark.parametrize("path", EXPERIMENTS, ids=[str(path.relative_to(CONFIGS)) for path in EXPERIMENTS])
def test_every_config_round_trips(path: Path, tmp_path: Path) -> None:
    config = read_config(path)
    copy = tmp_path / "copy.yaml"
    copy.write_text(write_config(config))
    assert read_config(copy) == config


def test_awkward_values_round_trip(pong: Path, tmp_path: Path) -> None:
    config = read_config(pong)
    for name in ["1e3", "null", "3", "true", "2026-01-01", "a: b", "é", "", "{x}", "-", "0x10", "#", "1_000", "~"]:
        hypers = Hypers(learning_rate=1e-30, discount_factor=1.0)
        agent = dataclasses.replace(config.agent, hypers=hypers, betas=())
        awkward = dataclasses.replace(config, name=name, agent=agent, env=EnvConfig(id=name, full_action_set=False))
        copy = tmp_path / "copy.yaml"
        copy.write_text(write_config(awkward), encoding="utf-8")
        assert read_config(copy) == awkward


def test_writing_an_agent_that_is_not_registered_says_so() -> None:
    with pytest.raises(ConfigError, match="not in jaxrl"):
        write_config(ExperimentConfig(agent=EnvConfig()))


def test_an_unknown_key_in_a_file_names_its_line_and_the_nearest(pong: Path) -> None:
    pong.write_text(PONG.replace("  torso:", "  torzo:"))
    assert problem(pong) == f"{pong} line 6: there is no setting network.torzo; the nearest is network.torso"


def test_an_unknown_key_on_the_command_line(pong: Path) -> None:
    message = problem(pong, "--agent.num_epoch", "1")
    assert message == "command line: agent fake has no setting agent.num_epoch; the nearest is agent.num_epochs"
    assert "command line: agent fake has no setting agent.no_such_key" in problem(pong, "--agent.no_such_key=1")


def test_a_forgotten_section_is_found(pong: Path) -> None:
    assert problem(pong, "--learning_rate", "1").endswith("the nearest is agent.hypers.learning_rate")
    assert problem(pong, "--num_actors", "1").endswith("the nearest is runtime.num_actors")
    assert problem(pong, "--seed.x", "1").endswith("the nearest is seed")


def test_keys_of_another_agent_are_unknown_to_this_one(pong: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.AGENTS, "other", "tests_other_agent")
    module = ModuleType("tests_other_agent")
    module.Config = dataclass(frozen=True)(type("Config", (), {"__annotations__": {"steps": int}, "steps": 1}))
    module.Config.__module__ = module.__name__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    message = problem(pong, "--agent.name", "other")
    assert message.startswith(f"{pong} line 8: agent other has no setting agent.num_epochs")


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
        ("--runtime=3", "runtime is a section, not a value; set one of its parts, such as runtime.num_actors"),
        ("--agent=fake", "agent is a section, not a value; set one of its parts, such as agent.name"),
        ("--agent.hypers=1", "agent.hypers is a section, not a value; set one of its parts, such as"),
        ("--agent.name=cazza", "agent.name: there is no agent 'cazza'; the nearest is casa, and all are casa, impala"),
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed: 0\nenv: {id: Pong-v5\nagent: {name: fake}\n", " line 3: this is not YAML: "),
        ("seed: 0\n\tx: 1\n", " line 2: this is not YAML: "),
        ("seed: *nothing\n", " line 1: this is not YAML: "),
        ("<<: 3\n", " line 1: this is not YAML: "),
        ("seed: 0\nenv: {}\nseed: 1\n", " line 3: seed is set twice"),
        ("env: {id: a, id: b}\n", " line 1: env.id is set twice"),
        ("seed: !!int x\n", " cannot be read: "),
        ("seed: \x07\n", " cannot be read: "),
        ("- a\n- b\n", ": a config is a mapping of settings, such as `seed: 0`, not a list"),
        ("just words\n", ": a config is a mapping of settings, such as `seed: 0`, not one value"),
        ("", ": a config is a mapping of settings, such as `seed: 0`, not an empty file"),
        ("seed: 0\n", ": agent.name is missing; it names the algorithm, casa or impala"),
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
    assert problem(Path("configs/atari/pong_cup.yaml")) == "there is no file configs/atari/pong_cup.yaml"
    for name in ["atari/pong_cpu.yaml", "debug/catch.yaml"]:
        (tmp_path / "configs" / name).parent.mkdir(parents=True)
        (tmp_path / "configs" / name).touch()
    message = problem(Path("configs/atari/pong_cup.yaml"))
    assert message == "there is no file configs/atari/pong_cup.yaml; the nearest is configs/atari/pong_cpu.yaml"


def test_a_setting_without_default_must_be_given(pong: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Strict:
        size: int

    monkeypatch.setattr(sys.modules[__name__], "Config", Strict)
    pong.write_text("agent: {name: fake}\n")
    assert problem(pong) == f"{pong}: agent.size is missing; set --agent.size or write it there"
    assert read_config(pong, ["--agent.size", "3"]).agent == Strict(3)


def test_help_without_a_config_comes_from_the_docstrings() -> None:
    text = help_text("usage", "description")
    assert "--env.noop_max" in text and "up to so many no-ops start an episode" in text
    assert "runtime: The actor/learner split" in text
    assert "--agent" not in text


def test_help_with_a_config_has_its_agent_and_its_values(pong: Path) -> None:
    text = " ".join(help_text("usage", "description", read_config(pong)).split())
    assert "--agent.hypers.learning_rate LEARNING_RATE size of a step. (type: float, default: 0.0005)" in text
    assert "--agent.num_epochs NUM_EPOCHS how often each sample is trained. (type: int, default: 2)" in text
    assert "default: [256, 128]" in text
    assert "default: fake" in text


def all_leaves(cls: type, prefix: str = "") -> Iterator[str]:
    for name, hint in get_type_hints(cls).items():
        if dataclasses.is_dataclass(hint):
            yield from all_leaves(hint, f"{prefix}{name}.")
        elif name != "agent":
            yield f"{prefix}{name}"


def test_every_setting_is_documented() -> None:
    text = help_text("usage", "description")
    for name in all_leaves(ExperimentConfig):
        _, _, rest = text.partition(f"--{name} ")
        assert rest, name
        words = rest.partition("(type:")[0].split()
        assert len(words) > 2, f"{name} has no line in its docstring"


@pytest.mark.parametrize("name", ["casa", "impala"])
def test_registered_agents_load_and_have_a_summary(name: str) -> None:
    assert dataclasses.is_dataclass(registry.load(name).Config)
    assert registry.name_of(registry.load(name).Config()) == name
    assert registry.summary(name).startswith(name.upper())
