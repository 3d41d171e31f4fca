"""Whole runs in seconds, and how two of them are compared."""

import dataclasses
import json
import signal

from jaxrl.config.sections import RecordConfig
from jaxrl.record.checkpoints import Checkpoints
from jaxrl.record.recorder import Recorder
from jaxrl.run.runtimes import make_runtime
from tests.support.parts import CATCH, assert_same_bits, experiment_of, small_config, to_host


def make_config(runs_dir, env=CATCH, lag=1):
    config = dataclasses.replace(small_config(env, policy_lag=lag), env_steps=700)
    return dataclasses.replace(
        config, record=RecordConfig(str(runs_dir), report_every=3, checkpoint_every=4, wandb="off")
    )


def interrupt_after(monkeypatch, updates):
    """Ctrl-C, as if typed while the learner counts its `updates`-th update."""
    add = Recorder.add

    def add_and_interrupt(recorder, update, steps=None):
        add(recorder, update, steps)
        if recorder.updates == updates:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Recorder, "add", add_and_interrupt)


def newest(run, config):
    """State, standing and counters of the newest checkpoint, on the host."""
    runtime, found = make_runtime(experiment_of(config)), Checkpoints(run).open()
    assert found is not None
    return to_host(found.state(runtime.state)), to_host(found.standing(runtime.standing())), found.counters


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_same_run(run, whole, config):
    """Everything but the wall time."""
    state, standing, counters = newest(run, config)
    whole_state, whole_standing, whole_counters = newest(whole, config)
    assert_same_bits(state, whole_state)
    assert_same_bits(standing, whole_standing)
    for name in ("env_steps", "updates", "episodes"):
        assert counters[name] == whole_counters[name]
    assert run.episodes.read_bytes() == whole.episodes.read_bytes()
    curve = {row["env_steps"]: row for row in rows(run.metrics)}
    assert list(curve) == sorted(curve) and len(curve) == len(rows(run.metrics))
    for row in rows(whole.metrics):
        for name in ("episode/return", "episode/length", "episode/count", "progress/updates"):
            assert curve[row["env_steps"]].get(name) == row.get(name)
