"""An update in pieces gives the bits of the one program, and acting goes on between them."""

import dataclasses
import threading
import time

import jax
import pytest

from jaxrl.agents.replay_buffer import ReplayConfig
from jaxrl.config.sections import PopulationConfig
from jaxrl.run.experiment import ACTOR_KEY, INIT_KEY, build, make_actors
from jaxrl.runtime.pieces import PieceByPiece
from jaxrl.runtime.sebulba import Sebulba
from tests.support.parts import assert_same_bits, small_config, to_host

REPLAY = ReplayConfig(capacity=2)


def config_of(kind):
    config = small_config()
    if kind == "replay":
        return dataclasses.replace(config, agent=dataclasses.replace(config.agent, replay=REPLAY))
    return dataclasses.replace(config, population=PopulationConfig(size=2 if kind == "population" else 1))


def make_runtime(experiment, interleaves, wrap=lambda actor: actor):
    device, actors = jax.devices()[0], [wrap(actor) for actor in make_actors(experiment)]
    return Sebulba(
        experiment.agent,
        actors,
        experiment.agent.init(experiment.key(INIT_KEY)),
        experiment.key(ACTOR_KEY),
        experiment.config.runtime,
        actor_devices=[device] * len(actors),
        learner_devices=[device],
        interleaves=interleaves,
    )


@pytest.mark.parametrize("kind", ["single", "replay", "population"])
def test_the_bits_are_those_of_the_one_program(kind):
    experiment, ends, counted = build(config_of(kind)), [], []
    for interleaves in (False, True):
        with make_runtime(experiment, interleaves) as runtime:
            for _ in runtime.updates():
                if runtime.updates_done == 3:
                    break
            ends.append(to_host(runtime.state))
            counted.append(runtime._step)
    assert_same_bits(*ends)
    assert isinstance(counted[1], PieceByPiece)
    assert [program._cache_size() for program in counted[1].programs] == [1] * 4


class Gated:
    """An actor whose third unroll waits for the first gradient step of an update that is under way."""

    def __init__(self, actor, stepped, trace):
        self._actor, self._stepped, self._trace, self._unrolls = actor, stepped, trace, 0

    def unroll(self, params, key):
        self._unrolls += 1
        if self._unrolls == 3:
            assert self._stepped.wait(60)
        result = self._actor.unroll(params, key)
        self._trace.append(f"unroll {self._unrolls}")
        return result

    def __getattr__(self, name):
        return getattr(self._actor, name)


def test_acting_goes_on_between_two_gradient_steps():
    """The trace: between the first and the second step of an update the actor makes a whole unroll."""
    experiment, trace, stepped = build(small_config(num_actors=1)), [], threading.Event()
    runtime = make_runtime(experiment, True, lambda actor: Gated(actor, stepped, trace))
    with runtime:
        updates = runtime.updates()
        next(updates)
        take_step = runtime._step._step

        def traced_step(*arguments):
            deadline = time.monotonic() + 60
            while stepped.is_set() and "unroll 3" not in trace and time.monotonic() < deadline:
                time.sleep(0.01)
            trace.append("step")
            result = take_step(*arguments)
            stepped.set()
            return result

        runtime._step._step = traced_step
        next(updates)
    steps = [i for i, what in enumerate(trace) if what == "step"]
    assert len(steps) == 4 and steps[0] < trace.index("unroll 3") < steps[1], trace
