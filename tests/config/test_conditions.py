"""Nothing is ignored in silence: what nothing would read is refused where it is typed, swept, varied or perturbed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import pytest

from jaxrl.config import registry
from jaxrl.config.conditions import Names, ReadIf, marker, unread
from jaxrl.config.parsing import read_config, write_config
from jaxrl.config.sections import ExperimentConfig
from jaxrl.errors import ConfigError
from jaxrl.sweeps.expand import expand
from jaxrl.sweeps.sweep_file import read_sweep

CATCH = Path(__file__).parents[2] / "configs" / "catch.yaml"
FAMILY = "--agent.exploration.family"


def test_conditions_and_their_words() -> None:
    hints = {"a": int, "b": Annotated[int, ReadIf("a")], "c": Annotated[list[int] | None, "x", ReadIf("d", "u", "v")]}
    assert marker(hints["c"], ReadIf) is not None and marker(hints["c"], Names) is None
    assert unread("a", hints, {}) == "" and unread("b", hints, {"a": 1}) == "" and unread("c", hints, {"d": "v"}) == ""
    assert unread("b", hints, {"a": 0}) == "is not read where a is 0; leave it out, or set a"
    assert unread("c", hints, {"d": ""}) == "is not read where d is empty; leave it out, or set d to u or v"
    assert unread("c", hints, {"a": 0}) == "", "where nothing has such a setting, nobody can tell"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (f"{FAMILY} plain --agent.hypers.temperature 0.1", "agent.hypers.temperature"),  # the default: typed in vain
        (f"{FAMILY} bandit --agent.hypers.temperature 0.2", "agent.hypers.temperature"),
        (f"{FAMILY} mixture --agent.hypers.temperature 0.2", "agent.hypers.temperature"),
        (f"{FAMILY} plain --agent.temperature_factor true", "agent.temperature_factor"),
        ("--agent.exploration.ladder_epsilon 0.5", "agent.exploration.ladder_epsilon"),
        (f"{FAMILY} bandit --agent.exploration.ladder_exponent 5", "agent.exploration.ladder_exponent"),
        (f"{FAMILY} ladder --agent.exploration.num_bandits 5", "agent.exploration.num_bandits"),
        ("--network.core_size 8", "network.core_size"),
        ("--agent.replay.per_fresh 2", "agent.replay.per_fresh"),
        ("--agent.optimiser.name rmsprop --agent.optimiser.beta1 0.8", "agent.optimiser.beta1"),
        ("--population.pbt.fraction 0.5", "population.pbt.fraction"),
        ("--population.pbt.perturb [entropy_cost]", "population.pbt.perturb"),
        ("--hosts.num_processes 2", "hosts.num_processes"),
        ("--record.wandb off --record.wandb_project mine", "record.wandb_project"),
        ("--runtime.threads_per_pool 4", "runtime.threads_per_pool"),
        ("--env.name envpool --env.id CartPole-v1 --env.protocol cpu", "env.protocol"),
        (f"{FAMILY} plain --population.size 2 --population.vary {{temperature:[1,2]}}", "population.vary"),
        (f"{FAMILY} plain --population.size 2 --population.members {{temperature:[1,2]}}", "population.members"),
        (
            f"{FAMILY} plain --population.size 2 --population.pbt.every 5 --population.pbt.perturb [temperature]",
            "population.pbt.perturb",
        ),
    ],
)
def test_what_the_command_line_says_in_vain_is_one_sentence(words: str, name: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"^command line: {name} [^\n]*is not read where [^\n]+; leave it out, or set"
    ):
        read_config(CATCH, words.split())


@pytest.mark.parametrize(
    "words",
    [
        "--agent.hypers.temperature 0.2",
        f"{FAMILY} ladder --agent.hypers.temperature 0.2 --agent.exploration.ladder_epsilon 0.5",
        f"{FAMILY} bandit --agent.temperature_factor true --agent.exploration.num_bandits 5",
        "--network.core lstm --network.core_size 8",
        "--agent.replay.per_fresh 2 --agent.replay.capacity 2",
        "--population.size 2 --population.pbt.every 5 --population.pbt.fraction 0.5 --population.vary {q_cost:[1,2]}",
        f"{FAMILY} plain --population.size 2 --population.members {{seed:[1,2]}}",
        "--hosts.coordinator auto --hosts.timeout_s 60",
        "--env.name envpool --env.id Pong-v5 --env.protocol cpu --runtime.threads_per_pool 4",
        "--env.name envpool --env.id Pongg-v5 --env.protocol cpu",  # has a sentence of its own
    ],
)
def test_what_is_read_is_read(words: str) -> None:
    read_config(CATCH, words.split())


def test_a_file_may_list_everything_and_be_a_base_for_command_lines(tmp_path: Path) -> None:
    path, text = tmp_path / "config.yaml", CATCH.read_text()
    path.write_text(write_config(read_config(CATCH)))
    read_config(path)  # defaults of all families
    read_config(path, [FAMILY, "bandit"])  # the file's temperature is read in the file
    path.write_text(text.replace("num_epochs: 2", "num_epochs: 2\n  exploration: {ladder_epsilon: 0.3}"))
    read_config(path, [FAMILY, "ladder"])
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path} line 9: agent.exploration.ladder_epsilon is not read where ")
    assert read_config(path, recorded=True).agent.exploration.ladder_epsilon == 0.3, "a run of before is read"
    with pytest.raises(ConfigError, match=r"^command line: agent.exploration.ladder_exponent is not read"):
        read_config(path, ["--agent.exploration.ladder_exponent", "7"], recorded=True)


def test_what_is_swept_in_vain_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    head = f"command: [jaxrl, train, {CATCH}, '${{args}}']\nmethod: grid\n"
    families, temperatures = "{values: [fixed, bandit]}", "{values: [0.1, 0.2]}"
    path.write_text(
        f"{head}parameters: {{agent.exploration.family: {families}, agent.hypers.temperature: {temperatures}}}\n"
    )
    with pytest.raises(ConfigError, match=r"sweep.yaml: agent.hypers.temperature is not read where .* is bandit"):
        expand([read_sweep(path)])


def conditions(cls: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting with its hint."""
    for name, hint in get_type_hints(cls, include_extras=True).items():
        if dataclasses.is_dataclass(hint):
            yield from conditions(hint, f"{prefix}{name}.")  # pyright: ignore[reportArgumentType]
        else:
            yield f"{prefix}{name}", hint


@pytest.mark.parametrize("agent", registry.AGENTS)
def test_conditions_name_settings_that_there_are(agent: str) -> None:
    there = dict(conditions(ExperimentConfig)) | dict(conditions(registry.load("agent", agent).Config, "agent."))
    found = [condition for hint in there.values() if (condition := marker(hint, ReadIf))]
    assert len(found) > 10 and {condition.setting for condition in found} <= {*there, "env.name"}
