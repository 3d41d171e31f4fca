"""What a resumption may change: its length and its circumstances, but nothing that would make it another experiment."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxrl.config import registry
from jaxrl.config.member_values import SEED, make_members
from jaxrl.config.parsing import read_config, typed_settings
from jaxrl.config.sections import ExperimentConfig
from jaxrl.errors import ConfigError
from jaxrl.record.rundir import RunDir

# `runtime.kind` and `frames` are how a run is executed and not what it computes; `hosts` are those of the launch.
MAY_CHANGE = (
    *("env_steps", "max_minutes", "record.", "evaluation.", "hosts.", "runtime.kind", "runtime.timeout_s"),
    *("runtime.actor_devices", "runtime.learner_devices", "runtime.threads_per_pool", "runtime.frames"),
)
SCHEDULE = "agent.optimiser.schedule"  # typed again with its own value, it asks for what would otherwise be refused
BY_MEMBER = ("agent.hypers.", "population.vary", "population.members")  # compared as a checkpoint holds them


class Resumed(NamedTuple):
    """A run that goes on; its config is read once."""

    run: RunDir
    saved: ExperimentConfig  # as the run folder has it
    config: ExperimentConfig  # by which it goes on
    rate_may_rise: bool = False  # from 0, by a schedule that gets longer


def with_typed(run: RunDir, path: str | Path, words: Sequence[str]) -> Resumed:
    """A run that goes on by its own config with what was typed on top.

    Args:
        path: the config that the command names, which only says how older names among `words` are meant.

    Raises:
        ConfigError: what was typed would make it another experiment.
    """
    typed = typed_settings(path, words)
    saved = read_config(run.config, recorded=True)
    for section in registry.PARTS:  # first: another part has other settings
        old, name = registry.name_of(section, getattr(saved, section)), f"{section}.name"
        if typed.get(name, old) != old:
            raise _refusal(name, old, typed[name], run)
    config = read_config(run.config, [f"--{name}={text}" for name, text in typed.items()], recorded=True)
    return Resumed(run, saved, check_same(config, run, saved), SCHEDULE in typed)


def by(run: RunDir, config: ExperimentConfig) -> Resumed:
    """A run that goes on by `config`; raises `ConfigError` where that would make it another experiment."""
    saved = read_config(run.config, recorded=True)
    return Resumed(run, saved, check_same(config, run, saved))


def check_same(config: ExperimentConfig, run: RunDir, saved: ExperimentConfig) -> ExperimentConfig:
    """`config`; raises `ConfigError` for the first setting by which it would be another experiment than `run`.

    Hyper-parameters are compared as a checkpoint holds them, float32 for each member, so that it does not matter how a
    number is written.
    """
    for name, (old, new) in changes(saved, config).items():
        if not name.startswith((*MAY_CHANGE, *BY_MEMBER)):
            raise _refusal(name, old, new, run)
    size, values = config.population.size, _by_member(config)
    for name, old in _by_member(saved).items():
        tolerance = 1e-6 if old.dtype == np.float32 else 0  # seeds are exact
        for i in np.flatnonzero(~np.isclose(old, values[name], tolerance, 0, equal_nan=True))[:1]:
            raise _refusal(f"{name} of member {i}" if size > 1 else name, old[i], values[name][i], run)
    return config


def changes(old: ExperimentConfig, new: ExperimentConfig) -> dict[str, tuple[Any, Any]]:
    """The settings, by dotted name, in which two configs differ, with both values; None where one has no such setting.

    Where a part is another one, its name comes first.
    """
    before, after = dict(_settings(old)), dict(_settings(new))
    both = {name: (before.get(name), after.get(name)) for name in before | after}
    return {name: values for name, values in both.items() if values[0] != values[1]}


def other_settings(path: str | Path, words: Sequence[str], resumed: Resumed) -> str:
    """A sentence about what a config file, and no word of the command line, says otherwise than the run; or nothing."""
    try:
        file, typed = read_config(path, recorded=True), typed_settings(path, words)
    except ConfigError:  # a file that is no config without its command line
        return ""
    shown = [
        f"{name} {new} (the run: {old})"
        for name, (old, new) in changes(resumed.saved, file).items()
        if name not in typed and not name.startswith("hosts.")
    ]
    if not shown:
        return ""
    return f"the run keeps its own settings, of which {path} has others: {', '.join(shown)}"


def _refusal(name: str, old: Any, new: Any, run: RunDir) -> ConfigError:
    return ConfigError(
        f"{name} cannot change on --resume, which goes on with the same experiment: it is {old!s} in {run.config} and "
        f"not {new!s}; leave it out, or start a new run"
    )


def _settings(config: ExperimentConfig) -> Iterator[tuple[str, Any]]:
    for section in registry.PARTS:
        yield f"{section}.name", registry.name_of(section, getattr(config, section))
    yield from _leaves(config, "")


def _leaves(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if dataclasses.is_dataclass(value):
            yield from _leaves(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value


def _by_member(config: ExperimentConfig) -> dict[str, np.ndarray]:
    """Every hyper-parameter, float32 [P], and the members' seeds, uint32 [P], by the setting's name."""
    hypers, size = config.agent.hypers, config.population.size
    members = make_members(config.population, hypers)
    values = {**dataclasses.asdict(hypers), **members.hypers}
    table = {f"agent.hypers.{name}": np.broadcast_to(np.float32(value), size) for name, value in values.items()}
    return {**table, f"population.members: {SEED}": members.seeds}
