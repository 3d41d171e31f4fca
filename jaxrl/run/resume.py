"""Where a run begins: anew, or where its newest checkpoint left it.

Saved: parameters, optimiser, agent state, keys, counters, the published versions that lagging actors still need, and
where every actor stood. With pure-JAX environments that is everything: N updates equal k, resume, N - k, bit for bit.
EnvPool cannot save its emulators, so there every environment starts a new episode on a fresh seed stream, and all else
goes on exactly. Hyper-parameters are part of a checkpoint: a config that gives others is refused.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from jaxrl.agents.member_values import SEED, make_members
from jaxrl.config.parsing import read_config
from jaxrl.config.sections import ExperimentConfig
from jaxrl.errors import ConfigError
from jaxrl.record.checkpoints import Checkpoint, CheckpointError, Checkpoints, Counters
from jaxrl.record.rundir import RunDir
from jaxrl.run.experiment import INIT_KEY, Experiment
from jaxrl.run.runtimes import make_runtime
from jaxrl.runtime import hosts
from jaxrl.runtime.seam import Runtime


def start(experiment: Experiment, run: RunDir | None, *, resuming: bool) -> tuple[Runtime, Counters]:
    """The runtime and the counters with which a run begins; those of a new one are empty.

    Args:
        experiment: the run's parts.
        run: the run folder that is resumed; None for a new run, and on hosts other than 0.
        resuming: whether a run is resumed.

    Raises:
        ConfigError: the config gives other hyper-parameters than the run's own.
        CheckpointError: there is no checkpoint, all are damaged, or it does not fit the config.
    """
    if not resuming:
        return make_runtime(experiment), {}
    if jax.process_count() > 1:
        return _join(experiment, run)
    assert run is not None
    found = _open_newest(experiment.config, run)
    restart = 1 + int(found.counters.get("restarts", 0))
    runtime = make_runtime(experiment, restart)
    runtime.load(found.state(runtime.state), found.standing(runtime.standing()))
    Checkpoints(run).set_aside_newer(found.step)
    return runtime, {**found.counters, "restarts": restart}


def _join(experiment: Experiment, run: RunDir | None) -> tuple[Runtime, Counters]:
    """`start` where several hosts train together: host 0 has the run, and the others get what it read.

    Parameters, optimiser, agent state, keys and counters go on exactly. Every environment starts a new episode, as with
    EnvPool, and lagging actors begin with the newest parameters: where other hosts stood is not saved.
    """
    state = experiment.agent.init(experiment.key(INIT_KEY))
    counters: Counters = dict.fromkeys(("env_steps", "updates", "episodes", "wall", "restarts"), 0.0)
    if run is not None:
        found = _open_newest(experiment.config, run)
        state = found.state(state)
        counters = {name: float(found.counters.get(name, 0)) for name in counters}
    state, counters = hosts.from_first((state, counters))
    restart = 1 + int(counters["restarts"])
    runtime = make_runtime(experiment, restart)
    runtime.load(state, None)
    return runtime, {**counters, "restarts": restart}


def _open_newest(config: ExperimentConfig, run: RunDir) -> Checkpoint:
    check_hypers(config, run)
    found = Checkpoints(run).open()
    if found is None:
        raise CheckpointError(f"{run} has no checkpoint yet, so there is nothing to resume; start it anew")
    return found


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
