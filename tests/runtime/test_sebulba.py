"""Same seed, same lag: the same bits, however the threads are scheduled. And no thread outlives the run."""

import dataclasses
import threading
from contextlib import contextmanager

import jax
import pytest

from jaxrl.config.sections import PopulationConfig
from jaxrl.run.experiment import make_actors
from jaxrl.runtime.actor import make_act
from jaxrl.runtime.exchange import ActorFailed
from tests.support.parts import (
    CARTPOLE,
    CATCH,
    SleepyActor,
    assert_same_bits,
    experiment_of,
    make_sebulba,
    small_config,
    state_after,
    to_host,
)


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("actor-")] == []


@pytest.mark.parametrize("env", [CATCH, CARTPOLE], ids=["jax", "envpool"])
@pytest.mark.parametrize("lag", [0, 1, 2])
def test_runs_are_bit_equal(env, lag):
    config = small_config(env, policy_lag=lag)
    first = state_after(config, 8)
    assert_same_bits(state_after(config, 8), first)
    sleepy = [SleepyActor(actor, seed) for seed, actor in enumerate(make_actors(experiment_of(config)))]
    assert_same_bits(state_after(config, 8, actors=sleepy), first)


@pytest.mark.parametrize("members", [1, 2])
def test_act_is_compiled_once_for_all_actors(members):
    """Their first state is where `act` leaves the next ones, so that no second program is made for it."""
    config = dataclasses.replace(small_config(), population=PopulationConfig(members))
    act = make_act(experiment_of(config).agent.act)
    actors = make_actors(experiment_of(config))
    for actor in actors:
        actor._act = act
    state_after(config, 3, actors=actors)
    assert act._cache_size() == 1  # type: ignore[attr-defined]


def test_the_lag_and_the_seed_matter():
    """Else the test above could not fail."""
    config = small_config(policy_lag=0)
    first = state_after(config, 4)
    others = [small_config(policy_lag=1), dataclasses.replace(config, seed=1)]
    for other in others:
        with pytest.raises(AssertionError):
            assert_same_bits(state_after(other, 4), first)


def test_a_published_version_outlives_the_donated_state():
    """Actors read version k while k + 1, k + 2 are made; donation must not take it from them, nor change it."""
    config = small_config(policy_lag=3)
    kept = []
    with make_sebulba(config) as runtime:
        for _ in runtime.updates():
            newest = runtime.updates_done
            for version, params in zip(range(newest - 3, newest + 1), runtime.standing().history, strict=True):
                kept.append((max(0, version), params, to_host(params)))
            if runtime.updates_done == 8:
                break
    seen = {}
    for version, params, copy in kept:
        assert_same_bits(to_host(params), copy)
        assert_same_bits(seen.setdefault(version, copy), copy)
    assert sorted(seen) == list(range(9))


def test_the_train_state_is_donated():
    """The old one's memory is reused: if this fails, the test above shows nothing."""
    with make_sebulba(small_config()) as runtime:
        leaf = runtime.state.updates
        next(runtime.updates())
    assert leaf.is_deleted()


def test_history_is_what_lagging_actors_need():
    """Always three versions, so that what is saved has one structure: early in a run the oldest is repeated."""
    with make_sebulba(small_config(policy_lag=2)) as runtime:
        published = [to_host(runtime.standing().history[-1])]
        for _ in runtime.updates():
            done, history = runtime.updates_done, to_host(runtime.standing().history)
            published.append(history[-1])
            assert_same_bits(history, [published[max(0, done - age)] for age in (2, 1, 0)])
            if done == 5:
                break


class FailingActor(SleepyActor):
    """Raises in its third unroll."""

    unrolls = 0

    def unroll(self, params, key):
        self.unrolls += 1
        if self.unrolls == 3:
            raise OSError("no emulator")
        return super().unroll(params, key)


@pytest.mark.parametrize("env", [CATCH, CARTPOLE], ids=["jax", "envpool"])
def test_a_failure_leaves_a_complete_update_and_no_thread(env):
    config = small_config(env, policy_lag=1)
    actors = make_actors(experiment_of(config))
    with make_sebulba(config, actors=[actors[0], FailingActor(actors[1], 0)]) as runtime:
        with pytest.raises(ActorFailed, match=r"^actor 1 failed in unroll 2: OSError: no emulator$") as caught:
            for _ in runtime.updates():
                pass
        assert isinstance(caught.value.__cause__, OSError)
        assert runtime.updates_done == int(runtime.state.updates) <= 2
        expected = to_host(runtime.state)
    if runtime.updates_done:
        assert_same_bits(state_after(config, runtime.updates_done), expected)


def test_stop_ends_the_iteration():
    with make_sebulba(small_config()) as runtime:
        for update in runtime.updates():
            assert update.seconds["queue_wait"] >= 0
            if runtime.updates_done == 2:
                runtime.signal.stop()
    assert runtime.updates_done == 2


def test_the_loop_transfers_nothing_that_nobody_meant():
    """All threads, with the guard on once everything is compiled; before, every update sent a constant."""
    with make_sebulba(small_config()) as runtime:
        updates = runtime.updates()
        for _ in range(3):
            next(updates)
        with guarded_everywhere():
            for _ in range(3):
                next(updates)


@contextmanager
def guarded_everywhere():
    """The guard of all threads, which the context manager of JAX's own name is not."""
    jax.config.update("jax_transfer_guard", "disallow")
    try:
        yield
    finally:
        jax.config.update("jax_transfer_guard", "allow")
