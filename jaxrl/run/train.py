"""One training run from start to end: build, resume, loop, checkpoint, stop."""

from __future__ import annotations

import dataclasses
import math
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import jax
import numpy as np

from jaxrl.config.parsing import read_config, write_config
from jaxrl.config.registry import env_title
from jaxrl.config.sections import ExperimentConfig
from jaxrl.envs.build import protocol_label, protocol_rules
from jaxrl.errors import UserError
from jaxrl.record.checkpoints import Checkpoints, Counters
from jaxrl.record.console import typed
from jaxrl.record.recorder import Recorder, Tally
from jaxrl.record.rundir import RunDir
from jaxrl.record.tensorboard import check_installed
from jaxrl.record.versions import collect
from jaxrl.record.video import check_video_path
from jaxrl.run import hosts
from jaxrl.run.evaluate import finish, set_aside_score
from jaxrl.run.experiment import Experiment, build, make_evaluation_screen
from jaxrl.run.resuming.resume import note, start
from jaxrl.run.resuming.same_experiment import Resumed, by, other_settings, with_typed
from jaxrl.run.signals import StopRequests, stop_requests
from jaxrl.runtime.exchange import ActorFailed
from jaxrl.runtime.seam import Runtime


def train(config: ExperimentConfig) -> int:
    """Train, evaluate, draw the curve, and say where everything is.

    Returns:
        The exit status: 0, 1 after a failure, 128 + signal number when interrupted.

    Raises:
        UserError: the run cannot start, or cannot write; one sentence that says what to do.
    """
    hosts.join(config.hosts)
    with ExitStack() as held:
        return _train(config, None, held, resuming=False)


def resume(launch: ExperimentConfig, path: str, words: Sequence[str], folder: str) -> int:
    """Go on with a run as `train` does, by the run's own config with what was typed on top.

    Args:
        launch: what the command by itself means: the run's name, seed and folder of runs for `latest`, and the hosts.
        path: the config that the command names; only what the run has otherwise is said.
        folder: the run folder, or `latest` for the newest of this name and seed.
    """
    hosts.join(launch.hosts)
    config, resumed = launch, None
    with ExitStack() as held:
        if jax.process_index() == 0:
            latest = folder == "latest"
            run = RunDir.latest(launch.record.runs_dir, launch.name, launch.seed) if latest else RunDir.open(folder)
            held.enter_context(run.locked())  # before its config is read: who wrote there may just have changed it
            resumed = with_typed(run, path, words)
            config = resumed.config
            if told := other_settings(path, words, resumed):
                print(told, file=sys.stderr, flush=True)
        config = dataclasses.replace(_of_first(config), hosts=launch.hosts)
        return _train(config, resumed and resumed._replace(config=config), held, resuming=True)


def _of_first(config: ExperimentConfig) -> ExperimentConfig:
    """Host 0's config, which alone reads the run folder."""
    if jax.process_count() == 1:
        return config
    text = np.frombuffer(write_config(config).encode(), np.uint8)
    size = hosts.from_first({"size": np.asarray(text.size)})["size"]
    sent = hosts.from_first({"text": np.resize(text, int(size))})["text"]
    return read_config("the config of host 0", recorded=True, text=np.asarray(sent).tobytes().decode())


def _train(config: ExperimentConfig, resumed: Resumed | None, held: ExitStack, *, resuming: bool) -> int:
    if jax.process_index():  # host 0 has the run folder, and this one does as it says
        return _train_quietly(config, resuming=resuming)
    status, run = _train_locked(config, resumed, held)
    hosts.leave()
    if status == 0:
        finish(config, run)
    return status


def run_training(config: ExperimentConfig, run: RunDir | None = None) -> tuple[int, RunDir]:
    """Train to the end of `config`, in a new run folder or from the newest checkpoint of `run`, without an evaluation.

    Returns:
        The exit status, as of `train`, and the run folder.
    """
    with ExitStack() as held:
        if run is None:
            return _train_locked(config, None, held)
        held.enter_context(run.locked())
        return _train_locked(config, by(run, config), held)


def _train_locked(config: ExperimentConfig, resumed: Resumed | None, held: ExitStack) -> tuple[int, RunDir]:
    """The status and the run folder, whose lock `held` keeps for what else is written there after the training."""
    experiment = build(config)
    check_extras(experiment)
    runtime, counters = _start(experiment, resumed, resuming=resumed is not None)
    if resumed is None:  # last, so that a setting that cannot work leaves no folder
        circumstances = {**collect(), "protocol": protocol_rules(experiment.env)}
        run = RunDir.create(config.record.runs_dir, config.name, config.seed, write_config(config), circumstances)
        held.enter_context(run.locked())
    else:
        run = resumed.run
        note(resumed, counters)
    title, label = env_title(config.env), protocol_label(experiment.env)
    print(f"run folder: {run}\nenvironment: {title}{f', protocol {label}' if label else ''}", flush=True)
    with closing(Recorder(run, config, experiment.spec.frame_skip, counters)) as recorder:
        status = _run(config, runtime, recorder, Saver(run, config, runtime, recorder, counters))
    if (status or recorder.env_steps < config.env_steps) and Checkpoints(run).steps():
        print(f"resume with: {typed('train', run.config, '--resume', run)}", flush=True)
    return status, run


def _start(experiment: Experiment, resumed: Resumed | None, *, resuming: bool) -> tuple[Runtime, Counters]:
    """`start`, whose environments and hosts may hang like those of an update."""
    with hosts.watchdog(experiment.config):
        return start(experiment, resumed, resuming=resuming)


def check_extras(experiment: Experiment) -> None:
    """What would fail only after the run folder was made or the training was over; raises `UserError`."""
    record = experiment.config.record
    if record.tensorboard:
        check_installed()
    if record.film:
        check_video_path(Path("episode.mp4"))
        make_evaluation_screen(experiment, 1).close()


def _train_quietly(config: ExperimentConfig, *, resuming: bool) -> int:
    """Hosts other than 0: the same learner steps, no run folder."""
    runtime, counters = _start(build(config), None, resuming=resuming)
    status = _run(config, runtime, Tally(counters), None)
    hosts.leave()
    return status


class Saver:
    """Writes checkpoints of a run, each of the last complete update."""

    def __init__(
        self, run: RunDir, config: ExperimentConfig, runtime: Runtime, recorder: Recorder, counters: Counters
    ) -> None:
        self._run = run
        self._checkpoints = Checkpoints(run, config.record.keep_checkpoints)
        self._runtime, self._recorder, self._counters = runtime, recorder, counters
        self.saved = runtime.updates_done

    def save(self) -> None:
        """One checkpoint, if there was an update since the last; raises `UserError` where it cannot be written."""
        runtime, recorder = self._runtime, self._recorder
        if runtime.updates_done > self.saved:
            recorder.before_checkpoint(runtime.state.params)
            counters = {**self._counters, **recorder.counters(), "hosts": jax.process_count()}
            self._checkpoints.save(runtime.updates_done, runtime.state, runtime.standing(), counters)
            set_aside_score(self._run, self.saved)
            self.saved = runtime.updates_done


def _run(config: ExperimentConfig, runtime: Runtime, recorder: Recorder | Tally, saver: Saver | None) -> int:
    """Train; whatever ends it, the last complete update is saved. Returns the exit status."""
    failure, alone = None, jax.process_count() == 1
    timeout_s = config.runtime.timeout_s
    with stop_requests() as stop, hosts.watchdog(config) as watchdog, runtime:
        if alone:  # otherwise the hosts must agree on the last step
            stop.on_request = runtime.signal.stop
        try:
            if recorder.env_steps < config.env_steps and not (alone and stop.number):
                _update(config, runtime, recorder, saver, stop, watchdog.step)
        except ActorFailed as error:
            failure = error
            if alone:
                hung = f"; saving took longer than {timeout_s:g} s too: a device hangs; what was saved before is kept"
                watchdog.expect(timeout_s, f"{error}{hung}")
            if failure.__cause__ is not None:  # at once: saving may fail too
                traceback.print_exception(failure.__cause__, file=sys.stderr)
        except (jax.errors.JaxRuntimeError, ValueError) as error:
            hosts.end_if_lost(error)
            raise
        _save_last(saver, failure)
    if failure is not None:
        recorder.report()
        return _say_failure(failure, saver)
    return _say_stop(stop.number, recorder.env_steps, saver) if stop.number else 0


def _update(
    config: ExperimentConfig,
    runtime: Runtime,
    recorder: Recorder | Tally,
    saver: Saver | None,
    stop: StopRequests,
    step_made: Callable[[], None],
) -> None:
    """Updates until `env_steps` are done, a signal has come or the time is over, of which the hosts tell each other."""
    deadline = time.monotonic() + (60 * config.max_minutes or math.inf)
    sums: list[Callable[[], np.ndarray]] = []

    def agree(env_steps: int) -> None:
        over = time.monotonic() > deadline
        sums.append(hosts.totals([env_steps, stop.number > 0, over], runtime.state.updates))

    for update in runtime.updates() if jax.process_count() == 1 else runtime.updates(agree):
        if not sums:
            agree(update.env_steps)
        steps, stopped, over = sums.pop()()
        step_made()
        recorder.add(update, int(steps))
        if recorder.env_steps >= config.env_steps or stopped:
            stop.number = stop.number or (signal.SIGTERM if stopped else 0)
            return
        if over:
            print(
                f"max_minutes {config.max_minutes:g} are over: training ends here, after {recorder.env_steps:,} of "
                f"{config.env_steps:,} env steps, {recorder.env_steps / config.env_steps:.1%} of its schedule",
                flush=True,
            )
            return
        if saver and runtime.updates_done % config.record.checkpoint_every == 0:
            saver.save()


def _save_last(saver: Saver | None, failure: ActorFailed | None) -> None:
    try:
        if saver:
            saver.save()
    except UserError as error:
        if failure is None:
            raise
        print(f"jaxrl: error: {error}", file=sys.stderr, flush=True)  # and below what came first


def _say_failure(failure: ActorFailed, saver: Saver | None) -> int:
    kept = ""
    if saver:
        kept = f"; everything up to update {saver.saved} is saved" if saver.saved else "; nothing was saved yet"
    print(f"jaxrl: error: {failure}{kept}", file=sys.stderr, flush=True)
    return 1


def _say_stop(number: int, env_steps: int, saver: Saver | None) -> int:
    kept = ""
    if saver:
        kept = f"; update {saver.saved} is saved" if saver.saved else "; nothing to save yet"
    print(f"stopped by {signal.Signals(number).name} after {env_steps:,} env steps{kept}", flush=True)
    return 128 + number
