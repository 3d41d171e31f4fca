"""One training run from start to end: build, resume, loop, checkpoint, stop."""

from __future__ import annotations

import dataclasses
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jaxrl.config import ExperimentConfig
from jaxrl.experiment import ACTOR_KEY, Experiment, build, choose_devices
from jaxrl.io.checkpoints import Checkpoints
from jaxrl.io.rundir import RunDir
from jaxrl.io.versions import collect
from jaxrl.parsing import write_config
from jaxrl.recording import Recorder
from jaxrl.resuming import Start, fresh_start, resume_start, to_extras
from jaxrl.scoring import finish
from jaxrl.sebulba.exchange import ActorFailed
from jaxrl.sebulba.runtime import Sebulba


def train(config: ExperimentConfig, *, resume: str | None = None) -> int:
    """Train, evaluate, draw the curve, and say where everything is.

    Args:
        resume: a run folder, or `latest` for the newest with this config's name; None starts a new one.

    Returns:
        The exit status: 0, 1 after a failure, 128 + signal number when interrupted.

    Raises:
        UserError: the run cannot start, or cannot write; one sentence that says what to do.
    """
    run = None
    if resume is not None:
        run = RunDir.latest(config.record.runs_dir, config.name) if resume == "latest" else RunDir.open(resume)
    status, run = run_training(config, run)
    if status == 0:
        finish(config, run)
    return status


def run_training(config: ExperimentConfig, run: RunDir | None = None) -> tuple[int, RunDir]:
    """Train to the end of `config`, in a new run folder or from the newest checkpoint of `run`.

    Returns:
        The exit status, as of `train`, and the run folder.
    """
    experiment = build(config)
    if run is None:
        start = fresh_start(experiment)
    else:
        start = resume_start(experiment, run, Checkpoints(run, config.record.keep_checkpoints))
    runtime = _make_runtime(experiment, start)
    if run is None:  # last, so that a setting that cannot work leaves no folder
        run = RunDir.create(config.record.runs_dir, config.name, config.seed, write_config(config), collect())
    print(f"run folder: {run}", flush=True)
    recorder = Recorder(run, config, experiment.spec.frame_skip, dataclasses.asdict(config), start.counters)
    try:
        with _stop_requests() as stop:
            status = _loop(config, run, runtime, start.counters, recorder, stop)
    finally:
        recorder.close()
    if status and Checkpoints(run).steps():
        print(f"resume with: jaxrl train {run.config} --resume {run}", flush=True)
    return status, run


def _loop(
    config: ExperimentConfig,
    run: RunDir,
    runtime: Sebulba,
    counters: Mapping[str, Any],
    recorder: Recorder,
    stop: _StopRequests,
) -> int:
    """Update until `env_steps` are done; whatever ends the run, the last complete update is saved."""
    checkpoints = Checkpoints(run, config.record.keep_checkpoints)
    saved = runtime.updates_done
    stop.on_request = runtime.signal.stop

    def save() -> None:
        nonlocal saved
        if runtime.updates_done > saved:
            extras = to_extras(runtime.resumption(), config.runtime.policy_lag)
            recorder.flush()
            checkpoints.save(runtime.updates_done, runtime.state, extras, {**counters, **recorder.counters()})
            saved = runtime.updates_done

    failure = None
    with runtime:
        try:
            if recorder.env_steps < config.env_steps and not stop.number:
                for update in runtime.updates():
                    recorder.add(update)
                    if recorder.env_steps >= config.env_steps or stop.number:
                        break
                    if runtime.updates_done % config.record.checkpoint_every == 0:
                        save()
        except ActorFailed as error:
            failure = error
            if failure.__cause__ is not None:  # at once: saving may fail too
                traceback.print_exception(failure.__cause__, file=sys.stderr)
        save()
    if failure is not None:
        recorder.report()
        kept = f"everything up to update {saved} is saved" if saved else "nothing was saved yet"
        print(f"jaxrl: error: {failure}; {kept}", file=sys.stderr, flush=True)
        return 1
    if stop.number:
        name = signal.Signals(stop.number).name
        print(f"stopped by {name} after {recorder.env_steps:,} env steps; update {saved} is saved", flush=True)
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
        learner_devices=choose_devices(runtime.learner_devices, num_learners, "runtime.learner_devices"),
        resumption=start.resumption,
    )


class _StopRequests:
    """Signals received; `on_request` is called from the handler."""

    def __init__(self) -> None:
        self.number = 0
        self.on_request: Callable[[], None] = lambda: None

    def handle(self, number: int, frame: Any) -> None:
        if self.number:  # asked twice: do not insist on an orderly end
            raise KeyboardInterrupt
        self.number = number
        self.on_request()


@contextmanager
def _stop_requests() -> Iterator[_StopRequests]:
    """Catch Ctrl-C and SIGTERM, so that a run saves before it ends."""
    requests = _StopRequests()
    previous = {number: signal.signal(number, requests.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
