"""One training run from start to end: build, resume, loop, checkpoint, stop."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

import jax

from jaxrl.config.parsing import write_config
from jaxrl.config.registry import env_title
from jaxrl.config.sections import ExperimentConfig
from jaxrl.envs.pools import protocol_label, protocol_rules
from jaxrl.errors import UserError
from jaxrl.record.checkpoints import Checkpoints
from jaxrl.record.console import program
from jaxrl.record.recorder import Recorder, Tally, count_steps
from jaxrl.record.rundir import RunDir
from jaxrl.record.versions import collect
from jaxrl.run.build import ACTOR_KEY, Experiment, build, choose_devices, first_actor
from jaxrl.run.evaluate import finish
from jaxrl.run.resume import Start, fresh_start, join_start, resume_start, to_extras
from jaxrl.run.signals import StopRequests, stop_requests
from jaxrl.runtime import hosts
from jaxrl.runtime.exchange import ActorFailed
from jaxrl.runtime.sebulba import Sebulba


def train(config: ExperimentConfig, *, resume: str | None = None) -> int:
    """Train, evaluate, draw the curve, and say where everything is.

    Args:
        resume: a run folder, or `latest` for the newest with this config's name; None starts a new one.

    Returns:
        The exit status: 0, 1 after a failure, 128 + signal number when interrupted.

    Raises:
        UserError: the run cannot start, or cannot write; one sentence that says what to do.
    """
    hosts.join(config.hosts)
    if jax.process_index():  # host 0 has the run folder, and this one does as it says
        return _assist(config, resuming=resume is not None)
    run = None
    if resume is not None:
        run = RunDir.latest(config.record.runs_dir, config.name) if resume == "latest" else RunDir.open(resume)
    status, run = run_training(config, run)
    hosts.leave()
    if status == 0:
        finish(config, run)
    return status


def run_training(config: ExperimentConfig, run: RunDir | None = None) -> tuple[int, RunDir]:
    """Train to the end of `config`, in a new run folder or from the newest checkpoint of `run`.

    Returns:
        The exit status, as of `train`, and the run folder.
    """
    experiment = build(config)
    start = _start(experiment, run, resuming=run is not None)
    runtime = _make_runtime(experiment, start)
    if run is None:  # last, so that a setting that cannot work leaves no folder
        circumstances = {**collect(), "protocol": protocol_rules(experiment.env)}
        run = RunDir.create(config.record.runs_dir, config.name, config.seed, write_config(config), circumstances)
    title, label = env_title(config.env), protocol_label(experiment.env)
    print(f"run folder: {run}\nenvironment: {title}{f', protocol {label}' if label else ''}", flush=True)
    recorder = Recorder(run, config, experiment.spec.frame_skip, start.counters)
    try:
        with stop_requests() as stop:
            status = _loop(config, run, runtime, start.counters, recorder, stop)
    finally:
        recorder.close()
    if status and Checkpoints(run).steps():
        print(f"resume with: {program()} train {run.config} --resume {run}", flush=True)
    return status, run


def _assist(config: ExperimentConfig, *, resuming: bool) -> int:
    """The part of every host but the first: the same steps, and nothing written."""
    experiment = build(config)
    start = _start(experiment, None, resuming)
    runtime = _make_runtime(experiment, start)
    with stop_requests() as stop:
        status = _loop(config, None, runtime, start.counters, Tally(start.counters), stop)
    hosts.leave()
    return status


def _start(experiment: Experiment, run: RunDir | None, resuming: bool) -> Start:
    keep = experiment.config.record.keep_checkpoints
    if resuming and jax.process_count() > 1:
        return join_start(experiment, run, keep)
    return fresh_start(experiment) if run is None else resume_start(experiment, run, Checkpoints(run, keep))


def _loop(
    config: ExperimentConfig,
    run: RunDir | None,
    runtime: Sebulba,
    counters: Mapping[str, Any],
    recorder: Recorder | Tally,
    stop: StopRequests,
) -> int:
    """Update until `env_steps` are done; whatever ends the run, the last complete update is saved."""
    saved = runtime.updates_done
    deadline = time.monotonic() + (60 * config.max_minutes or math.inf)
    alone = jax.process_count() == 1
    if alone:  # otherwise the hosts must agree on the last step
        stop.on_request = runtime.signal.stop

    def save() -> None:
        nonlocal saved
        if run is not None and isinstance(recorder, Recorder) and runtime.updates_done > saved:
            checkpoints = Checkpoints(run, config.record.keep_checkpoints)
            extras = to_extras(runtime.resumption(), config.runtime.policy_lag)
            recorder.before_checkpoint(runtime.state.params)
            checkpoints.save(runtime.updates_done, runtime.state, extras, {**counters, **recorder.counters()})
            saved = runtime.updates_done

    failure = None
    with hosts.watched(config.hosts.timeout_s) as step_made, runtime:
        try:
            if recorder.env_steps < config.env_steps and not (alone and stop.number):
                for update in runtime.updates():
                    late = time.monotonic() > deadline
                    steps, stopped, over = hosts.totals([count_steps(update), stop.number > 0, late])
                    step_made()
                    recorder.add(update, int(steps))
                    if recorder.env_steps >= config.env_steps or stopped:
                        stop.number = stop.number or (signal.SIGTERM if stopped else 0)
                        break
                    if over:
                        print(f"max_minutes {config.max_minutes:g} are over: training ends here", flush=True)
                        break
                    if runtime.updates_done % config.record.checkpoint_every == 0:
                        save()
        except ActorFailed as error:
            failure = error
            if failure.__cause__ is not None:  # at once: saving may fail too
                traceback.print_exception(failure.__cause__, file=sys.stderr)
        except (jax.errors.JaxRuntimeError, ValueError) as error:
            if alone or not hosts.is_loss(error):
                raise
            reason = (str(error).splitlines() or [""])[0][:200]
            print(f"jaxrl: error: {hosts.lost_sentence(reason)}", file=sys.stderr, flush=True)
            sys.stdout.flush()
            os._exit(hosts.LOST)  # an orderly end would wait for the host that is gone
        try:
            save()
        except UserError as error:
            if failure is None:
                raise
            print(f"jaxrl: error: {error}", file=sys.stderr, flush=True)  # and below what came first
    if failure is not None:
        recorder.report()
        kept = f"everything up to update {saved} is saved" if saved else "nothing was saved yet"
        print(f"jaxrl: error: {failure}; {kept}", file=sys.stderr, flush=True)
        return 1
    if stop.number:
        name = signal.Signals(stop.number).name
        kept = f"; update {saved} is saved" if saved else "; nothing to save yet"
        print(f"stopped by {name} after {recorder.env_steps:,} env steps{kept if run else ''}", flush=True)
        return 128 + stop.number
    return 0


def _make_runtime(experiment: Experiment, start: Start) -> Sebulba:
    runtime = experiment.config.runtime
    num_learners = len(runtime.learner_devices)
    return Sebulba(
        experiment.agent,
        start.actors,
        start.state,
        experiment.key(ACTOR_KEY),
        runtime,
        actor_devices=choose_devices(runtime.actor_devices, len(start.actors), "runtime.actor_devices"),
        learner_devices=[
            device
            for host in range(jax.process_count())
            for device in choose_devices(runtime.learner_devices, num_learners, "runtime.learner_devices", host)
        ],
        first_actor=first_actor(runtime),
        resumption=start.resumption,
    )
