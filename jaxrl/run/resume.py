"""What a checkpoint holds beside the train state, and how a run goes on from it.

Saved: parameters, optimiser, agent state, keys, counters, the published versions that lagging actors still need, and
where every actor stood. With pure-JAX environments that is everything: N updates equal k, resume, N - k, bit for bit.
EnvPool cannot save its emulators, so there every environment starts a new episode on a fresh seed stream, and all else
goes on exactly. Hyper-parameters are part of a checkpoint: a config that gives others is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrl.agents.member_values import SEED, make_members
from jaxrl.config.parsing import read_config
from jaxrl.config.sections import ExperimentConfig
from jaxrl.errors import ConfigError
from jaxrl.record.checkpoints import CheckpointError, Checkpoints, Restored
from jaxrl.record.rundir import RunDir
from jaxrl.run.build import INIT_KEY, Experiment, make_actors
from jaxrl.runtime import hosts
from jaxrl.runtime.actor import Actor
from jaxrl.runtime.sebulba import Resumption
from jaxrl.types import PyTree, Snapshot, TrainState


class Start(NamedTuple):
    """From where a run starts: fresh, or a checkpoint."""

    state: TrainState
    actors: list[Actor]
    counters: dict[str, Any]  # empty for a fresh run
    resumption: Resumption | None


def join_start(experiment: Experiment, run: RunDir | None, keep: int) -> Start:
    """`resume_start` where several hosts train together: host 0 has the run, and the others get what it read.

    Parameters, optimiser, agent state, keys and counters go on exactly. Every environment starts a new episode, as with
    EnvPool, and lagging actors begin with the newest parameters: where other hosts stood is not saved.

    Raises:
        ConfigError, CheckpointError: as `resume_start`, on host 0.
    """
    state = experiment.agent.init(experiment.key(INIT_KEY))
    names = ("env_steps", "updates", "episodes", "wall", "restarts")
    counters = dict.fromkeys(names, 0.0)
    if run is not None:
        check_hypers(experiment.config, run)
        found = _newest(run, Checkpoints(run, keep), state)
        state, counters = found.state, {name: float(found.counters.get(name, 0)) for name in names}
    state, counters = hosts.from_first((state, counters))
    counters["restarts"] += 1
    updates, lag = int(state.updates), experiment.config.runtime.policy_lag
    published = experiment.agent.publish(state)
    history = {version: published for version in range(max(0, updates - lag), updates + 1)}
    actors = make_actors(experiment, restart=int(counters["restarts"]))
    return Start(state, actors, counters, Resumption([Snapshot(None, ()) for _ in actors], history))


def fresh_start(experiment: Experiment) -> Start:
    """The beginning of a run."""
    actors = make_actors(experiment)
    return Start(experiment.agent.init(experiment.key(INIT_KEY)), actors, {}, None)


def resume_start(experiment: Experiment, run: RunDir, checkpoints: Checkpoints) -> Start:
    """The newest intact checkpoint of `run`.

    Raises:
        ConfigError: the config gives other hyper-parameters than the run's own.
        CheckpointError: there is none, or it does not fit the config.
    """
    check_hypers(experiment.config, run)
    template = experiment.agent.init(experiment.key(INIT_KEY))
    found = _newest(run, checkpoints, template)
    counters = {**found.counters, "restarts": int(found.counters.get("restarts", 0)) + 1}
    actors = make_actors(experiment, restart=counters["restarts"])
    for actor in actors:
        actor.reset()
    lag = experiment.config.runtime.policy_lag
    blank = Resumption(
        [actor.snapshot() for actor in actors],
        dict.fromkeys(range(lag + 1), experiment.agent.publish(template)),
    )
    restored = checkpoints.restore(template, to_extras(blank, lag), step=found.step)
    if restored is None:
        raise CheckpointError(f"the checkpoint of update {found.step} in {run} vanished while it was read")
    checkpoints.set_aside_newer(restored.step)
    resumption = from_extras(restored.extras, int(restored.state.updates), lag)
    return Start(restored.state, actors, counters, resumption)


def check_hypers(config: ExperimentConfig, run: RunDir) -> None:
    """Raises `ConfigError` for the first hyper-parameter, or seed of a member, that `config` would change in `run`.

    Compared is what a checkpoint holds, float32 for each member, so that it does not matter how a number is written.
    Another agent or another number of members is left to the checkpoint, which does not fit.
    """
    saved = read_config(run.config, recorded=True)
    if type(saved.agent) is not type(config.agent) or saved.population.size != config.population.size:
        return
    size, new = config.population.size, _by_member(config)
    for name, old in _by_member(saved).items():
        tolerance = 1e-6 if old.dtype == np.float32 else 0  # seeds are exact
        for i in np.flatnonzero(~np.isclose(old, new[name], tolerance, 0, equal_nan=True))[:1]:
            setting = f"{name} of member {i}" if size > 1 else name
            raise ConfigError(
                f"{setting} is part of the checkpoint and cannot change on --resume, where it is {old[i]!s} and not "
                f"{new[name][i]!s}; start a new run, or leave agent.hypers and population as they are in {run.config}"
            )


def _by_member(config: ExperimentConfig) -> dict[str, np.ndarray]:
    """Every hyper-parameter, float32 [P], and the members' seeds, uint32 [P], by the setting's name."""
    hypers, size = config.agent.hypers, config.population.size
    members = make_members(config.population, hypers)
    values = {**dataclasses.asdict(hypers), **members.hypers}
    table = {f"agent.hypers.{name}": np.broadcast_to(np.float32(value), size) for name, value in values.items()}
    return {**table, f"population.members: {SEED}": members.seeds}


def _newest(run: RunDir, checkpoints: Checkpoints, template: TrainState) -> Restored:
    found = checkpoints.restore(template)
    if found is None:
        raise CheckpointError(f"{run} has no checkpoint yet, so there is nothing to resume; start it anew")
    return found


def to_extras(resumption: Resumption, lag: int) -> PyTree:
    """A tree whose structure is the config's alone: always lag + 1 versions, the oldest repeated early in a run."""
    oldest, newest = min(resumption.history), max(resumption.history)
    versions = [max(oldest, newest - lag + i) for i in range(lag + 1)]
    return {"snapshots": resumption.snapshots, "history": [resumption.history[v] for v in versions]}


def from_extras(extras: PyTree, updates: int, lag: int) -> Resumption:
    """The inverse of `to_extras`, for a checkpoint written after `updates`."""
    history: Sequence[Any] = extras["history"]
    return Resumption(extras["snapshots"], {max(0, updates - lag + i): params for i, params in enumerate(history)})
