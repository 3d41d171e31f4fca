"""The help of the command line: every setting with its meaning, its default and its agent."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest

from jaxrl.config import registry
from jaxrl.config.parsing import help_text, read_config
from jaxrl.config.sections import ExperimentConfig


def test_help_without_a_config_comes_from_the_docstrings() -> None:
    text = help_text("usage", "description")
    assert "--env.noop_max" in text and "up to so many no-ops start an episode" in text
    assert "runtime: The actor/learner split" in text
    assert "--agent" not in text


def test_help_with_a_config_has_its_agent_and_its_values(pong: Path) -> None:
    text = " ".join(help_text("usage", "description", read_config(pong)).split())
    assert "--agent.hypers.learning_rate LEARNING_RATE size of a step. (a number; default: 0.0005)" in text
    assert "NUM_EPOCHS how often each sample is trained. (an integer, at least 1; default: 2)" in text
    assert "default: [256, 128]" in text
    assert "default: fake" in text


def all_leaves(cls: type, prefix: str = "") -> Iterator[str]:
    for name, hint in get_type_hints(cls).items():
        if dataclasses.is_dataclass(hint):
            yield from all_leaves(hint, f"{prefix}{name}.")
        elif name not in registry.PARTS:
            yield f"{prefix}{name}"


def test_every_setting_is_documented() -> None:
    text = help_text("usage", "description")
    parts = [
        f"{section}.{name}" for section in registry.DEFAULTS for name in all_leaves(type(registry.default(section)))
    ]
    for name in [*all_leaves(ExperimentConfig), *parts, "env.name", "network.name"]:
        _, _, rest = text.partition(f"--{name} ")
        assert rest, name
        words = rest.partition(" (")[0].split()
        assert len(words) > 2, f"{name} has no line in its docstring"


@pytest.mark.parametrize("name", registry.AGENTS)
def test_every_setting_of_an_agent_is_documented_whoever_it_inherits_it_from(name: str) -> None:
    agent = registry.load("agent", name).Config()
    text = help_text("usage", "description", ExperimentConfig(agent=agent))
    for leaf in all_leaves(type(agent), "agent."):
        words = text.partition(f"--{leaf} ")[2].partition(" (")[0].split()
        assert len(words) > 1, f"{leaf} has no line in its docstring"


@pytest.mark.parametrize("name", ["a2c", "casa", "impala"])
def test_registered_agents_load_and_have_a_summary(name: str) -> None:
    assert dataclasses.is_dataclass(registry.load("agent", name).Config)
    assert registry.name_of("agent", registry.load("agent", name).Config()) == name
    assert registry.summary("agent", name).startswith(name.upper())
