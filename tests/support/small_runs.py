"""Whole runs in seconds, and how two of them are compared."""

import dataclasses
import json
import signal

from jaxrl.config.sections import RecordConfig
from jaxrl.record.checkpoints import Checkpoints
from jaxrl.record.recorder import Recorder
from jaxrl.run.build import INIT_KEY, make_actors
from jaxrl.run.resume import to_extras
from jaxrl.runtime.sebulba import Resumption
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
    """The newest checkpoint, extras included, on the host."""
    experiment = experiment_of(config)
    template = experiment.agent.init(experiment.key(INIT_KEY))
    actors = make_actors(experiment)
    for actor in actors:
        actor.reset()
    lag = config.runtime.policy_lag
    history = dict.fromkeys(range(lag + 1), experiment.agent.publish(template))
    extras = to_extras(Resumption([actor.snapshot() for actor in actors], history), lag)
    for actor in actors:
        actor.close()
    found = Checkpoints(run).restore(template, extras)
    assert found is not None
    return to_host(found.state), to_host(found.extras), found.counters


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_same_run(run, whole, config):
    """Everything but the wall time."""
    state, extras, counters = newest(run, config)
    whole_state, whole_extras, whole_counters = newest(whole, config)
    assert_same_bits(state, whole_state)
    assert_same_bits(extras, whole_extras)
    for name in ("env_steps", "updates", "episodes"):
        assert counters[name] == whole_counters[name]
    assert run.episodes.read_bytes() == whole.episodes.read_bytes()
    curve = {row["env_steps"]: row for row in rows(run.metrics)}
    assert list(curve) == sorted(curve) and len(curve) == len(rows(run.metrics))
    for row in rows(whole.metrics):
        for name in ("episode/return", "episode/length", "episode/count", "progress/updates"):
            assert curve[row["env_steps"]].get(name) == row.get(name)
