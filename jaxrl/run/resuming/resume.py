"""Where a run begins: anew, or where its newest checkpoint left it.

Saved: parameters, optimiser, agent state, keys, counters, the published versions that lagging actors still need, and
where every actor stood. With pure-JAX environments that is everything: N updates equal k, resume, N - k, bit for bit.
EnvPool cannot save its emulators, so there every environment starts a new episode on a fresh seed stream, and all else
goes on exactly. A config that would make it another experiment is refused (`jaxrl.run.resuming.same_experiment`).
"""

from __future__ import annotations

import json

import jax

from jaxrl.config.parsing import write_config
from jaxrl.errors import ConfigError
from jaxrl.record.checkpoints import Checkpoint, CheckpointError, Checkpoints, Counters
from jaxrl.record.files import replace_text
from jaxrl.record.meters import member_name
from jaxrl.record.rundir import write_error
from jaxrl.record.versions import collect
from jaxrl.run import hosts
from jaxrl.run.experiment import INIT_KEY, Experiment
from jaxrl.run.resuming.longer import check_rate, rate_sentence
from jaxrl.run.resuming.same_experiment import Resumed, changes
from jaxrl.run.runtimes import make_runtime
from jaxrl.run.warm_start import warm
from jaxrl.runtime.seam import Runtime


def start(experiment: Experiment, resumed: Resumed | None, *, resuming: bool) -> tuple[Runtime, Counters]:
    """The runtime and the counters with which a run begins; those of a new one are empty.

    Args:
        resumed: the run that goes on; None for a new run, and on hosts other than 0.

    Raises:
        ConfigError: more env steps would raise a learning rate that had reached 0, or there were more or fewer hosts.
        CheckpointError: there is no checkpoint, all are damaged, or it does not fit the config.
    """
    if not resuming:
        return make_runtime(warm(experiment)), {}
    if jax.process_count() > 1:
        return _join(experiment, resumed)
    assert resumed is not None
    found = _open_newest(resumed)
    restart = 1 + int(found.counters.get("restarts", 0))
    runtime = make_runtime(experiment, restart)
    runtime.load(found.state(runtime.state), found.standing(runtime.standing()))
    Checkpoints(resumed.run).set_aside_newer(found.step)
    return runtime, {**found.counters, "restarts": restart}


def _join(experiment: Experiment, resumed: Resumed | None) -> tuple[Runtime, Counters]:
    """`start` where several hosts train together: host 0 has the run, and the others get what it read.

    Parameters, optimiser, agent state, keys and counters go on exactly. Every environment starts a new episode, as with
    EnvPool, and lagging actors begin with the newest parameters: where other hosts stood is not saved.
    """
    state = experiment.agent.init(experiment.key(INIT_KEY))
    members = (member_name(i, "episodes") for i in range(experiment.config.population.size))
    counters: Counters = dict.fromkeys(("env_steps", "updates", "episodes", "wall", "restarts", *members), 0.0)
    if resumed is not None:
        found = _open_newest(resumed)
        state = found.state(state)
        counters = {name: float(found.counters.get(name, 0)) for name in counters}
    state, counters = hosts.from_first((state, counters))
    restart = 1 + int(counters["restarts"])
    runtime = make_runtime(experiment, restart)
    runtime.load(state, None)
    return runtime, {**counters, "restarts": restart}


def note(resumed: Resumed, counters: Counters) -> None:
    """Say what goes on, and put on record from which update on which settings are others; config.yaml has the new ones.

    Raises:
        RunDirError: the disk is full or not writable.
    """
    run, saved, config, _ = resumed
    env_steps, update = int(counters["env_steps"]), int(counters["updates"])
    print(f"resuming {run} at update {update}, {env_steps:,} env steps of {config.env_steps:,}", flush=True)
    if told := rate_sentence(resumed, update, env_steps):
        print(told, flush=True)
    changed = changes(saved, config)
    row = {"update": update, "env_steps": env_steps, "changes": {**changed}, **collect()}
    try:
        with run.resumptions.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, default=str) + "\n")
    except OSError as error:
        raise write_error(run.resumptions, error) from error
    if changed:
        replace_text(run.config, write_config(config))


def _open_newest(resumed: Resumed) -> Checkpoint:
    found = Checkpoints(resumed.run).open()
    if found is None:
        raise CheckpointError(f"{resumed.run} has no checkpoint yet, so there is nothing to resume; start it anew")
    there, here = found.counters.get("hosts", jax.process_count()), jax.process_count()
    if there != here:
        raise ConfigError(
            f"{resumed.run} was trained with hosts.num_processes {there}, and with {here} its batch would have another "
            f"size; launch it with {there}, or start a new run"
        )
    check_rate(resumed, *(int(found.counters[name]) for name in ("updates", "env_steps")))
    return found
