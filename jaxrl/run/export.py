"""`jaxrl export`: a run's newest checkpoint as one file, with a card that says how it was made and what it scored."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrl.analysis.runs import read_record
from jaxrl.config import registry
from jaxrl.config.parsing import write_config
from jaxrl.config.sections import ExperimentConfig, HostsConfig, PopulationConfig, RecordConfig
from jaxrl.errors import ConfigError
from jaxrl.record.checkpoints import Counters
from jaxrl.record.files import check_writable
from jaxrl.record.rundir import RunDir
from jaxrl.run.evaluate import evaluate
from jaxrl.run.experiment import Experiment
from jaxrl.run.onnx_export.policy_file import check_installed, write_onnx
from jaxrl.run.trained import member_states, restore
from jaxrl.run.zoo.card import Card, exported_file, read_card
from jaxrl.run.zoo.exported import write_exported
from jaxrl.types import TrainState

INTERVAL = 1.96  # standard errors to either side: 95 % of a normal distribution
OF_MACHINE = ("--record.", "--hosts.")  # options that say where and how it was recorded, which nobody else has


def export(
    run: RunDir | str,
    path: Path,
    *,
    member: int | None = None,
    episodes: int | None = None,
    licence: str = "",
    note: str = "",
) -> Card:
    """Write the agent of a run folder to `path`; returns its card.

    The score is that of the run's `evaluation.json` where it is of this checkpoint, and is played otherwise.

    Args:
        member: of a population, as a run of its own; without it the population stays one.
        episodes: play as many for the score, whatever is recorded; 0 plays none: without a record there is no score.

    Raises:
        UserError: the run has no checkpoint, or `path` cannot be written.
    """
    check_writable(path)
    name, experiment, state, counters, folder = restore(run)
    if folder is None:
        raise ConfigError(f"export takes a run folder, and {name} is exported already; copy it")
    config, state, card = _described(path.stem, folder, experiment, state, counters, member, episodes)
    card |= {"licence": licence or "not stated", "note": note}
    write_exported(path, write_config(anywhere(config)), card, state)
    return card


def export_onnx(
    run: RunDir | str,
    path: Path,
    *,
    member: int | None = None,
    episodes: int | None = None,
    licence: str = "",
    note: str = "",
) -> tuple[Card, float]:
    """Write the network of a run folder or of an exported agent as ONNX; its card, and the largest difference from JAX.

    Arguments as for `export`.

    Raises:
        UserError: as for `export`; the extra `onnx` is not installed; the network has no translation.
    """
    check_installed()
    check_writable(path)
    name, experiment, state, counters, folder = restore(run)
    if experiment.config.population.size > 1 and member is None:
        raise ConfigError(f"an .onnx file holds one policy, and {name} is a population; choose one with --member I")
    config = experiment.config
    if folder is not None:
        config, state, card = _described(path.stem, folder, experiment, state, counters, member, episodes)
    elif episodes is not None:
        raise ConfigError(f"--episodes: {name} is exported already, with what it scored; leave it out")
    else:
        card, state = read_card(exported_file(name) or Path(name)), member_states(experiment, state, member)[0]
        config = config if member is None else _alone(config, state)
    card |= {"licence": licence or card.get("licence", "not stated"), "note": note or card.get("note", "")}
    return card, write_onnx(path, experiment._replace(config=anywhere(config)), state, card)


def _described(
    name: str,
    run: RunDir,
    experiment: Experiment,
    state: TrainState,
    counters: Counters,
    member: int | None,
    episodes: int | None,
) -> tuple[ExperimentConfig, TrainState, Card]:
    """Config and state of what is exported, and a card without licence."""
    config = experiment.config
    updates = int(state.updates)
    scored = None if episodes or member is not None else read_record(run, "evaluation.json")
    if scored is not None and scored.get("updates") != updates:
        scored = None
    if scored is None and episodes != 0:
        scored = evaluate(run, member=member, episodes=episodes)
    if member is not None:
        state = member_states(experiment, state, member)[0]
        config = _alone(config, state)
    card = {
        "name": name,
        "game": registry.env_title(config.env),
        "agent": registry.name_of("agent", config.agent),
        "network": registry.name_of("network", config.network),
        "parameters": sum(np.size(leaf) for leaf in jax.tree.leaves(state.params)),
        "env_steps": int(counters["env_steps"]),
        "updates": updates,
        "seed": config.seed,
        **_score(scored),
        **_made(run),
    }
    return config, state, card


def _alone(config: ExperimentConfig, state: TrainState) -> ExperimentConfig:
    """The config of one member, as if it had been a run: its own hyper-parameters, and no population."""
    names = [field.name for field in dataclasses.fields(config.agent.hypers)]
    own = {name: float(np.asarray(getattr(state.hypers, name))) for name in names}
    agent = dataclasses.replace(config.agent, hypers=dataclasses.replace(config.agent.hypers, **own))
    return dataclasses.replace(config, agent=agent, population=PopulationConfig())


def anywhere(config: ExperimentConfig) -> ExperimentConfig:
    """The config without this machine: where and how it was recorded are the defaults, and a path is a file's name."""
    return _without_folders(dataclasses.replace(config, record=RecordConfig(), hosts=HostsConfig()))


def _without_folders(value: Any) -> Any:
    """Settings, or a word of a command line, in which every absolute path is the name of its file."""
    if isinstance(value, str):
        return re.sub(r"(^|=)[/~].*/", r"\1", value)
    if isinstance(value, Mapping):
        return {key: _without_folders(each) for key, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        own = {field.name: _without_folders(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **own)
    return value


def _score(result: dict[str, Any] | None) -> dict[str, Any]:
    """What was measured, and of what; None where nothing was."""
    if result is None:
        names = ("score", "low", "high", "episodes", "games", "policy", "protocol", "random", "against")
        return dict.fromkeys(names)
    mean, error = result["mean_return"], INTERVAL * result["standard_error"]
    games = result.get("games", result["episodes"])  # an older version did not count them
    return {
        "score": mean,
        "low": max(mean - error, result["min_return"]),
        "high": min(mean + error, result["max_return"]),
        "episodes": result["episodes"],
        "games": games,
        "policy": result["policy"],
        "protocol": result["protocol"],
        "random": result.get("random_return"),
        "against": result.get("score_against"),
    }


def _made(run: RunDir) -> dict[str, Any]:
    """How, from versions.json: the command without what is of this machine only."""
    versions = read_record(run, run.versions.name) or {}
    words = iter(shlex.split(versions.get("command", "unknown")))
    kept = []
    for word in words:
        if not word.startswith(OF_MACHINE):
            kept.append(_without_folders(word))
        elif "=" not in word:
            next(words, None)
    git = versions.get("git", {})
    on = [versions.get("processor"), f"{versions.get('cores')} cores", versions.get("devices", {}).get("kind")]
    packages = versions.get("packages", {})
    on += [f"{name} {packages[name]}" for name in ("jax", "envpool") if packages.get(name)]
    return {
        "command": shlex.join(kept),
        "resumptions": run.times_resumed,
        "commit": git.get("commit"),
        "dirty": bool(git.get("dirty")),
        "started": versions.get("started"),
        "made_on": ", ".join(part for part in on if part),
    }
