"""A trained agent from where it lies: the newest checkpoint of a run folder, or an exported file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax

from jaxrl.agents.pbt import without_pbt
from jaxrl.agents.population import member_state
from jaxrl.config.parsing import read_config
from jaxrl.config.sections import ExperimentConfig
from jaxrl.errors import ConfigError
from jaxrl.record.checkpoints import CheckpointError, Checkpoints, Counters
from jaxrl.record.rundir import RunDir
from jaxrl.run.experiment import INIT_KEY, Experiment, build
from jaxrl.run.resuming.same_experiment import changes
from jaxrl.run.zoo.card import exported_file
from jaxrl.run.zoo.exported import read_exported
from jaxrl.types import TrainState

SCORED_UNDER = ("env", "evaluation", "runtime", "seed")  # what a score may be taken under otherwise than the training


class Trained(NamedTuple):
    """An agent that can act."""

    name: str  # as the user named it, or its folder
    experiment: Experiment
    state: TrainState  # of an exported one without what only learning reads
    counters: Counters
    run: RunDir | None  # None for an exported one


def restore(run: RunDir | str, overrides: Sequence[str] = ()) -> Trained:
    """The parts of an agent, its train state and counters.

    Args:
        run: a run folder, `latest`, a file that `jaxrl export` wrote, or `zoo:NAME`.
        overrides: settings of `SCORED_UNDER` as on the command line, such as `--env.protocol paper`.

    Raises:
        UserError: there is no such agent, it cannot be read, or a setting cannot work.
    """
    file = exported_file(run) if isinstance(run, str) else None
    if file is not None:
        exported = read_exported(file)
        experiment = _experiment(file, overrides, exported.config)
        template = jax.eval_shape(experiment.agent.init, experiment.key(INIT_KEY))
        return Trained(str(run), experiment, exported.state(template), {"env_steps": exported.card["env_steps"]}, None)
    run = run if isinstance(run, RunDir) else RunDir.find(run)
    experiment = _experiment(run.config, overrides)
    found = Checkpoints(run).open()
    if found is None:
        raise CheckpointError(f"{run} has no checkpoint to evaluate; train it first")
    template = jax.eval_shape(experiment.agent.init, experiment.key(INIT_KEY))
    return Trained(str(run), experiment, found.state(template), found.counters, run)


def member_states(experiment: Experiment, state: TrainState, member: int | None) -> list[TrainState]:
    """The states to score, each as a run of its own would have it."""
    size = experiment.config.population.size
    if member is not None and not 0 <= member < (size if size > 1 else 0):
        there = f"members 0 to {size - 1}" if size > 1 else "no population, so leave --member out"
        raise ConfigError(f"--member {member}: this run has {there}")
    if size == 1:
        return [state]
    return [member_state(without_pbt(state), i) for i in (range(size) if member is None else [member])]


def _experiment(path: Path, overrides: Sequence[str], text: str | None = None) -> Experiment:
    config = read_config(path, overrides, recorded=True, text=text)
    trained = read_config(path, recorded=True, text=text)
    _check_overrides(config, trained)
    experiment = build(config)
    _check_interface(experiment, build(trained) if overrides else experiment)
    return experiment


def _check_overrides(config: ExperimentConfig, trained: ExperimentConfig) -> None:
    """The rest comes from the checkpoint, so that setting it would have no effect; raises `ConfigError`."""
    for name in changes(trained, config):
        if name.partition(".")[0] not in SCORED_UNDER:
            raise ConfigError(
                f"{name} is part of what was trained, and evaluate cannot change it; it takes settings of "
                f"{', '.join(SCORED_UNDER[:-1])} and {SCORED_UNDER[-1]}"
            )


def _check_interface(experiment: Experiment, trained: Experiment) -> None:
    """Other rules must leave what the network sees and does; raises `ConfigError`."""
    specs = [e.spec for e in (trained, experiment)]
    seen, actions, bounds = zip(*((s.describe(), s.num_actions, s.bounds) for s in specs), strict=True)
    compared = {"the observation": seen, "the number of actions": actions, "actions within": bounds}
    for what, (there, here) in compared.items():
        if here != there:
            raise ConfigError(
                f"the run was trained with {what} {there}, and these settings have {here}; "
                "set env.frame_size and env.full_action_set too"
            )
