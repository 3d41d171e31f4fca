"""Configs: what is read is what was meant, and what is written is read again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from jaxrl.config.parsing import read_config, write_config
from jaxrl.config.sections import ExperimentConfig, RuntimeConfig
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.errors import ConfigError
from jaxrl.networks import atari
from tests.support.fake_agent import Config, Hypers

pytestmark = pytest.mark.usefixtures("fake_agent")
CONFIGS = Path(__file__).parents[2] / "configs"
EXPERIMENTS = [
    path for path in sorted(CONFIGS.rglob("*.yaml")) if not {"sweeps", "reproduce", "speech"} & set(path.parts)
]


@pytest.fixture
def read_text(tmp_path: Path) -> Callable[[str], ExperimentConfig]:
    def read(text: str, *overrides: str) -> ExperimentConfig:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return read_config(path, overrides)

    return read


def test_a_file_is_read_into_its_dataclasses(pong: Path) -> None:
    assert read_config(pong) == ExperimentConfig(
        name="pong-test",
        seed=0,
        env_steps=5_000_000,
        env=EnvPool(id="Pong-v5", protocol="cpu", noop_max=30),
        network=atari.Config(torso="small", hidden_sizes=(256, 128)),
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
    assert config.env == EnvPool() and config.runtime.num_actors == 3
    merged = read_text("agent: &a\n  name: fake\n  hypers: &h {learning_rate: 1.0}\n  <<: {num_epochs: 7}")
    assert merged.agent.num_epochs == 7


@pytest.mark.parametrize("path", EXPERIMENTS, ids=[str(path.relative_to(CONFIGS)) for path in EXPERIMENTS])
def test_every_config_round_trips(path: Path, tmp_path: Path) -> None:
    config = read_config(path)
    copy = tmp_path / "copy.yaml"
    copy.write_text(write_config(config))
    assert read_config(copy) == config


def test_a_mapping_is_one_value(read_text: Callable[..., ExperimentConfig], tmp_path: Path) -> None:
    text = "agent: {name: fake}\npopulation:\n  size: 4\n  vary:\n    learning_rate: [1e-4, 3e-4]\n"
    config = read_text(f"{text}    discount_factor: {{low: 0.1, high: 0.9, count: 2}}\n")
    assert config.population.size == 4 and config.population.members == {}
    vary = {"learning_rate": [1e-4, 3e-4], "discount_factor": {"low": 0.1, "high": 0.9, "count": 2}}
    assert config.population.vary == vary
    copy = tmp_path / "copy.yaml"
    copy.write_text(write_config(config))
    assert read_config(copy) == config
    other = read_text(text, "--population.vary", "{discount_factor: [0.5, 1]}")  # takes the place of the file's
    assert other.population.vary == {"discount_factor": [0.5, 1]}


def test_populations_as_runs_recorded_them_before_are_read(read_text: Callable[..., ExperimentConfig]) -> None:
    vary = '[ "learning_rate=1e-4,3e-4", "entropy_cost = 1e-3 .. 1e-1 : 5" ]'
    config = read_text(f"agent: {{name: fake}}\npopulation: {{vary: {vary}, members: []}}")
    expected = {"learning_rate": [1e-4, 3e-4], "entropy_cost": {"low": 1e-3, "high": 1e-1, "count": 5}}
    assert config.population.vary == expected and config.population.members == {}
    config = read_text("agent: {name: fake}", "--population.members", "['seed=0,4294967295']")
    assert config.population.members == {"seed": [0, 4294967295]}


def test_a_run_goes_on_with_what_was_meant_before_there_was_a_setting(tmp_path: Path) -> None:
    config = read_config(CONFIGS / "catch.yaml", ["--agent.exploration.family", "mixture"])
    assert config.agent.trace_q == "settled"  # a new run
    assert config.agent.exploration.mixture_learnt_at == "mixture"
    text = write_config(config)
    (tmp_path / "new.yaml").write_text(text)
    assert read_config(tmp_path / "new.yaml", recorded=True) == config
    for line in ("  trace_q: settled\n", "    mixture_learnt_at: mixture\n"):
        assert line in text
        text = text.replace(line, "")
    (tmp_path / "old.yaml").write_text(text)
    old = read_config(tmp_path / "old.yaml", recorded=True).agent
    assert (old.trace_q, old.exploration.mixture_learnt_at) == ("head", "temperature")


def test_awkward_values_round_trip(pong: Path, tmp_path: Path) -> None:
    config = read_config(pong)
    for name in ["1e3", "null", "3", "true", "2026-01-01", "a: b", "é", "", "{x}", "-", "0x10", "#", "1_000", "~"]:
        hypers = Hypers(learning_rate=1e-30, discount_factor=1.0)
        agent = dataclasses.replace(config.agent, hypers=hypers, betas=())
        awkward = dataclasses.replace(config, name=name, agent=agent, env=EnvPool(id=name, full_action_set=False))
        copy = tmp_path / "copy.yaml"
        copy.write_text(write_config(awkward), encoding="utf-8")
        assert read_config(copy) == awkward


def test_writing_an_agent_that_is_not_registered_says_so() -> None:
    with pytest.raises(ConfigError, match="EnvPool is no agent: it needs a function make"):
        write_config(ExperimentConfig(agent=EnvPool()))
