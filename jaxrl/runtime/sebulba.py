"""Starts the actors, runs the learner, stops everything: the whole loop behind one iterator."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax

from jaxrl.config.sections import RuntimeConfig
from jaxrl.runtime.actor import Actor, actor_loop
from jaxrl.runtime.exchange import ParameterStore, Stopped, StopSignal, TrajectoryQueue
from jaxrl.runtime.learner import copy_to, make_learner_step, make_mesh, make_publish, place_batch, place_state
from jaxrl.types import ActorParams, Agent, Device, Key, Snapshot, TrainState, Update

# Actors wait so many times longer for the learner than it waits for them: its first update is compiled before it runs,
# and where both wait, the learner must be the one that gives up, for it knows which actor is missing.
PATIENCE = 10


class Resumption(NamedTuple):
    """Where a run stood after its last update: what `Sebulba` needs beside the train state to go on."""

    snapshots: list[Snapshot]  # one an actor
    history: dict[int, ActorParams]  # the newest policy_lag + 1 published versions


class Sebulba:
    """Actor threads on actor devices, the learner on learner devices (Hessel et al. 2021, arXiv 2104.06272).

    Several hosts train together where `learner_devices` has devices of all of them: each runs this with its own actors,
    of which the first has the number `first_actor` among all, and the gradient is that of the whole batch.

    Use as a context manager; iterate over `updates()` in the thread that made it. Runs with the same key, lag and
    environments are equal bit for bit. Nothing here logs or writes.
    """

    def __init__(
        self,
        agent: Agent,
        actors: Sequence[Actor],
        state: TrainState,
        key: Key,
        config: RuntimeConfig,
        *,
        actor_devices: Sequence[Device],
        learner_devices: Sequence[Device],
        first_actor: int = 0,
        resumption: Resumption | None = None,
    ) -> None:
        self._agent = agent
        self._actors = actors
        self._config = config
        self._mesh = make_mesh(learner_devices)
        self._step = make_learner_step(agent, self._mesh)
        self._publish = make_publish(agent, actor_devices)
        self.state = place_state(state, self._mesh)
        self.updates_done = int(state.updates)
        self.signal = StopSignal()
        patience_s = PATIENCE * config.timeout_s
        self._store = ParameterStore(config.policy_lag, self.signal, patience_s)
        self._queue = TrajectoryQueue(len(actors), config.policy_lag + 1, self.signal, config.timeout_s, patience_s)
        self._snapshots: list[Snapshot] = []
        self._restore(resumption, actor_devices)
        self._threads = [
            threading.Thread(
                target=actor_loop,
                name=f"actor-{i}",
                args=(actor, i, self.updates_done, device, self._store, self._queue),
                kwargs={"key": jax.random.fold_in(key, first_actor + i), "signal": self.signal},
                daemon=True,  # an environment that hangs in compiled code must not keep the process alive
            )
            for i, (actor, device) in enumerate(zip(actors, actor_devices, strict=True))
        ]

    def _restore(self, resumption: Resumption | None, actor_devices: Sequence[Device]) -> None:
        if resumption is None:
            self._store.publish(self.updates_done, self._publish(self.state))
            return
        devices = dict.fromkeys(actor_devices)
        for version, params in sorted(resumption.history.items()):
            self._store.publish(version, {device: copy_to(params, device) for device in devices})
        self._snapshots = resumption.snapshots
        for actor, snapshot in zip(self._actors, resumption.snapshots, strict=True):
            actor.load(snapshot)

    def __enter__(self) -> Sebulba:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: Any) -> None:
        self.signal.stop()
        # An actor looks at the signal between two unrolls. Asked to end at once, do not wait for a slow one.
        deadline = time.monotonic() + (1.0 if kind is KeyboardInterrupt else 5.0)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def updates(self) -> Iterator[Update]:
        """One item per learner step, without end; returns when `signal.stop()` was called.

        Raises:
            ActorFailed: an actor raised or hangs. `state` is then the one after the last complete update.
        """
        while True:
            start = time.perf_counter()
            try:
                unrolls = self._queue.get_batch()
            except Stopped:
                return
            waited = time.perf_counter() - start
            batch = place_batch([unroll.trajectory for unroll in unrolls], self._mesh)
            self.state, metrics = self._step(self.state, batch)
            self.updates_done += 1
            self._store.publish(self.updates_done, self._publish(self.state))
            self._snapshots = [unroll.snapshot for unroll in unrolls]
            yield Update(metrics, unrolls, waited)

    def resumption(self) -> Resumption:
        """What a checkpoint of this moment must hold beside `state`."""
        history = {version: next(iter(params.values())) for version, params in self._store.history().items()}
        return Resumption(self._snapshots, history)
