"""The two shared objects: exact versions, fixed order, failures that arrive, waits that end."""

import random
import re
import threading
import time
import traceback
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import pytest

from jaxrl.runtime.actor import actor_loop
from jaxrl.runtime.exchange import ActorFailed, ParameterStore, Stopped, StopSignal, TrajectoryQueue
from jaxrl.types import Unroll

PATIENCE_S = 60.0  # the machine may be busy; what is tested ends by itself at once


def make_unroll(actor_id, index, version=0):
    return Unroll(None, actor_id, index, version, None, {})  # type: ignore[arg-type]


def in_thread(function, *args):
    """Run `function` in a thread; the returned call waits for it and gives what it returned or raised."""
    outcome = []

    def body():
        try:
            outcome.append(function(*args))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()

    def result():
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the call did not return"
        return outcome[0]

    return result


class Loop:
    """Actor threads around a stub of an actor, and the learner's side of the exchange; no JAX."""

    def __init__(self, num_actors, lag, timeout_s=PATIENCE_S, unroll=lambda actor, index: None):
        self.signal = StopSignal()
        self.store = ParameterStore(lag, self.signal, timeout_s)
        self.queue = TrajectoryQueue(num_actors, lag + 1, self.signal, timeout_s)
        self.num_actors = num_actors
        self._unroll = unroll

    def start(self, first_index=0):
        actors = [
            SimpleNamespace(
                place=lambda device: None,
                unroll=lambda params, key, i=i: self._act(i, params),
                snapshot=lambda: None,
                close=lambda: None,
            )
            for i in range(self.num_actors)
        ]
        self.index = [first_index] * self.num_actors
        self.store.publish(first_index, {None: first_index})
        self.threads = [
            threading.Thread(
                target=actor_loop,
                args=(actor, i, first_index, None, self.store, self.queue, None, self.signal),
                name=f"test-actor-{i}",
                daemon=True,
            )
            for i, actor in enumerate(actors)
        ]
        for thread in self.threads:
            thread.start()

    def _act(self, actor, version):
        index = self.index[actor]
        self.index[actor] += 1
        self._unroll(actor, index)
        return (actor, index, version), {}

    def stop(self, patience_s=PATIENCE_S):
        """End the run; returns the threads that did not."""
        self.signal.stop()
        for thread in self.threads:
            thread.join(patience_s)
        return [thread for thread in self.threads if thread.is_alive()]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    """`actor_loop` folds keys with a stub: a thousand runs need no random bits."""
    stub = SimpleNamespace(
        random=SimpleNamespace(fold_in=lambda *_: None), transfer_guard_host_to_device=lambda _: nullcontext()
    )
    monkeypatch.setattr("jaxrl.runtime.actor.jax", stub)


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_versions_are_exact(lag):
    loop = Loop(2, lag)
    loop.start()
    for k in range(12):
        batch = loop.queue.get_batch()
        assert [unroll.version for unroll in batch] == [max(0, k - lag)] * 2
        assert [unroll.trajectory[2] for unroll in batch] == [max(0, k - lag)] * 2  # and so are the parameters
        loop.store.publish(k + 1, {None: k + 1})
    assert not loop.stop()


def test_the_store_keeps_what_a_resumed_run_needs():
    store = ParameterStore(2, StopSignal(), 1.0)
    for version in range(6):
        store.publish(version, str(version))
    assert store.history() == {3: "3", 4: "4", 5: "5"}


def test_unrolls_come_in_actor_order_whoever_is_first():
    queue = TrajectoryQueue(3, 2, StopSignal(), 1.0)
    for actor_id, index in [(2, 0), (2, 1), (0, 0), (1, 0), (1, 1), (0, 1)]:
        queue.put(make_unroll(actor_id, index))
    for index in range(2):
        assert [(u.actor_id, u.index) for u in queue.get_batch()] == [(0, index), (1, index), (2, index)]


def test_an_actor_cannot_run_ahead_of_the_queue():
    queue = TrajectoryQueue(1, 1, StopSignal(), 5.0)
    queue.put(make_unroll(0, 0))
    second = in_thread(queue.put, make_unroll(0, 1))
    time.sleep(0.05)
    assert queue.get_batch()[0].index == 0
    assert second() is None
    assert queue.get_batch()[0].index == 1


def explode(actor, index):
    if (actor, index) == (1, 3):
        raise ValueError("the emulator\nis on fire")


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_an_actors_error_reaches_the_caller_with_its_traceback(lag):
    loop = Loop(3, lag, timeout_s=600.0, unroll=explode)
    loop.start()
    with pytest.raises(ActorFailed) as caught:
        for k in range(10):
            loop.queue.get_batch()
            loop.store.publish(k + 1, {None: k + 1})
    assert str(caught.value) == "actor 1 failed in unroll 3: ValueError: the emulator"
    cause = caught.value.__cause__
    assert isinstance(cause, ValueError)
    assert traceback.extract_tb(cause.__traceback__)[-1].name == "explode"
    assert not loop.stop(), "the others, which wait in put and get, must end too"


def test_an_error_is_not_hidden_by_unrolls_that_wait():
    signal = StopSignal()
    queue = TrajectoryQueue(1, 2, signal, 5.0)
    queue.put(make_unroll(0, 0))
    signal.fail("actor 0 failed", KeyError("x"))
    with pytest.raises(ActorFailed, match="actor 0 failed"):
        queue.get_batch()


@pytest.mark.parametrize("end", ["fail", "stop"])
def test_whoever_waits_learns_of_the_end(end):
    signal = StopSignal()
    store, queue = ParameterStore(0, signal, 600.0), TrajectoryQueue(2, 1, signal, 600.0)
    queue.put(make_unroll(0, 0))
    waiting = [in_thread(store.get, 5), in_thread(queue.put, make_unroll(0, 1)), in_thread(queue.get_batch)]
    time.sleep(0.05)
    if end == "fail":
        signal.fail("broken", ValueError("broken"))
    else:
        signal.stop()
    expected = ActorFailed if end == "fail" else Stopped
    assert [type(result()) for result in waiting] == [expected] * 3


def test_nothing_is_handed_over_after_the_end():
    signal = StopSignal()
    store, queue = ParameterStore(0, signal, 1.0), TrajectoryQueue(1, 1, signal, 1.0)
    store.publish(0, "params")
    signal.stop()
    for call in (lambda: store.get(0), lambda: queue.put(make_unroll(0, 0)), queue.get_batch):
        with pytest.raises(Stopped):
            call()


def test_only_the_first_failure_is_kept():
    signal = StopSignal()
    signal.fail("first", ValueError())
    signal.fail("second", KeyError())
    assert str(signal.failure) == "first"
    stopped = StopSignal()
    stopped.stop()
    stopped.fail("late", ValueError())  # what breaks while everything is shut down is no failure of the run
    assert stopped.failure is None


@pytest.mark.parametrize("call", ["get", "put", "get_batch"])
def test_every_wait_is_bounded(call):
    signal = StopSignal()
    store, queue = ParameterStore(0, signal, 0.3), TrajectoryQueue(1, 1, signal, 0.3)
    if call == "put":
        queue.put(make_unroll(0, 0))
    wait = {"get": lambda: store.get(1), "put": lambda: queue.put(make_unroll(0, 1)), "get_batch": queue.get_batch}
    start = time.monotonic()
    with pytest.raises(ActorFailed, match=r"^waited 0.3 s for [^;]+; an environment or a device hangs \([^)]+\)$"):
        wait[call]()
    assert time.monotonic() - start > 0.29


def test_a_hung_actor_is_named():
    """The learner and the other actors wait for it in a chain, whose links must not be blamed."""
    release, start = threading.Event(), time.monotonic()

    def hang(hung, actor, index):
        if actor == hung and index == 2:
            release.wait(10 * PATIENCE_S)

    def learn(loop):
        for k in range(10):
            loop.queue.get_batch()
            time.sleep(0.1)  # the other actors begin to wait before the learner does
            loop.store.publish(k + 1, {None: k + 1})

    cases = {
        (hung, lag): Loop(3, lag, timeout_s=2.0, unroll=partial(hang, hung)) for hung in range(3) for lag in (0, 2)
    }
    for loop in cases.values():
        loop.start()
    ends = {case: in_thread(learn, loop) for case, loop in cases.items()}
    for (hung, lag), loop in cases.items():
        assert re.fullmatch(
            rf"waited 2 s for an unroll of actor {hung}; an environment or a device hangs \([^)]+\)",
            str(ends[hung, lag]()),
        )
        stuck = loop.threads.pop(hung)
        assert not loop.stop() and stuck.is_alive()
    assert time.monotonic() - start > 2.0
    release.set()


def test_slow_is_not_hung(monkeypatch):
    """Waits that add up to more than the time limit, none of them longer than it."""
    signal, clock = StopSignal(), [0.0]
    store, queue = ParameterStore(0, signal, 1.0), TrajectoryQueue(2, 1, signal, 1.0)
    handovers = iter(
        [
            *(None, lambda: queue.put(make_unroll(1, 0)), None, lambda: queue.put(make_unroll(0, 0))),
            *(None, lambda: queue.put(make_unroll(1, 1)), None, lambda: store.publish(1, "params")),
        ]
    )

    def nap(timeout=None):
        clock[0] += 0.4
        if (hand_over := next(handovers)) is not None:
            hand_over()

    monkeypatch.setattr("jaxrl.runtime.exchange.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(signal.condition, "wait", nap)
    assert len(queue.get_batch()) == 2 and store.get(1) == (1, "params")
    assert clock[0] > 3.0


def test_a_suspended_process_has_not_waited(monkeypatch):
    """Schedulers stop processes for hours; what they wait for was stopped as well."""
    signal = StopSignal()
    queue = TrajectoryQueue(1, 1, signal, 60.0)
    clock, naps = [0.0], iter([3600.0, 3600.0, 0.5])

    def nap(timeout=None):
        clock[0] += next(naps)
        if clock[0] > 7200:
            queue.put(make_unroll(0, 0))

    monkeypatch.setattr("jaxrl.runtime.exchange.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(signal.condition, "wait", nap)
    assert len(queue.get_batch()) == 1


def test_a_stop_between_check_and_wait_is_seen(monkeypatch):
    """A signal handler runs in the waiting thread itself, and its notification may come before the wait begins."""
    signal = StopSignal()
    queue = TrajectoryQueue(1, 1, signal, 60.0)
    wait = signal.condition.wait

    def interrupted_wait(timeout=None):
        signal.stop()
        return wait(timeout)

    monkeypatch.setattr(signal.condition, "wait", interrupted_wait)
    assert isinstance(in_thread(queue.get_batch)(), Stopped)


def test_random_schedules():
    """Whatever the scheduler does: no deadlock, no other order, no thread left."""
    before = set(threading.enumerate())
    for schedule in range(1000):
        chance = random.Random(schedule)
        num_actors, lag, updates = chance.randint(1, 5), chance.randint(0, 3), chance.randint(1, 6)
        first_index = chance.choice([0, 7])
        pauses = [random.Random(chance.random()) for _ in range(num_actors + 1)]

        def pause(who, pauses=pauses):
            kind = pauses[who].random()
            if kind < 0.3:
                time.sleep(0 if kind < 0.2 else pauses[who].random() * 1e-3)

        loop = Loop(num_actors, lag, timeout_s=PATIENCE_S, unroll=lambda actor, index, pause=pause: pause(actor))
        for version in range(max(0, first_index - lag), first_index):
            loop.store.publish(version, {None: version})
        loop.start(first_index)
        for k in range(first_index, first_index + updates):
            pause(num_actors)
            batch = loop.queue.get_batch()
            version = max(0, k - lag)
            assert [unroll.trajectory for unroll in batch] == [(i, k, version) for i in range(num_actors)]
            assert [(u.actor_id, u.index, u.version) for u in batch] == [(i, k, version) for i in range(num_actors)]
            pause(num_actors)
            loop.store.publish(k + 1, {None: k + 1})
        assert not loop.stop()
        assert loop.signal.failure is None
    assert set(threading.enumerate()) <= before
