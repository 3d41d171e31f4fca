"""Starts the actors, runs the learner, stops everything: the whole loop behind one iterator."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

import jax

from jaxrl.config.sections import RuntimeConfig
from jaxrl.runtime.actor import Actor, actor_loop
from jaxrl.runtime.exchange import PATIENCE, ParameterStore, Stopped, StopSignal, TrajectoryQueue
from jaxrl.runtime.learner import copy_to, make_learner_step, make_mesh, make_publish, place_batch, place_state
from jaxrl.runtime.pieces import PieceByPiece
from jaxrl.runtime.seam import Announce, count_steps, describe, ignore
from jaxrl.types import Agent, Device, Key, Snapshot, Standing, TrainState, Update


class Sebulba:
    """Actor threads on actor devices, the learner on learner devices (Hessel et al. 2021, arXiv 2104.06272).

    Several hosts train together where `learner_devices` has devices of all of them: each runs this with its own actors,
    of which the first has the number `first_actor` among all, and the gradient is that of the whole batch. An update
    that `interleaves` lets acting on the same device go on between its gradient steps: so it is where that is needed.

    A `Runtime`. Runs with the same key, lag and environments are equal bit for bit.
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
        interleaves: bool | None = None,
    ) -> None:
        self._actors = actors
        self._actor_devices = actor_devices
        self._keys = [jax.random.fold_in(key, first_actor + i) for i in range(len(actors))]
        self._lag = config.policy_lag
        self._mesh = make_mesh(learner_devices)
        if interleaves is None:  # a CPU runs programs beside each other
            shared = set(learner_devices) & set(actor_devices)
            interleaves = len(learner_devices) == 1 and self._lag > 0 and any(d.platform != "cpu" for d in shared)
        self._step = PieceByPiece(agent, self._mesh) if interleaves else make_learner_step(agent, self._mesh)
        self._publish = make_publish(agent, actor_devices)
        self.state = place_state(state, self._mesh)
        self.updates_done = 0
        self.signal = StopSignal()
        patience_s = PATIENCE * config.timeout_s
        self._store = ParameterStore(config.policy_lag, self.signal, patience_s)
        self._queue = TrajectoryQueue(len(actors), config.policy_lag + 1, self.signal, config.timeout_s, patience_s)
        self._store.publish(0, self._publish(self.state))
        self._snapshots: list[Snapshot] = []  # of the actors, after the unrolls that were learnt from
        self._threads: list[threading.Thread] = []

    def load(self, state: TrainState, standing: Standing | None) -> None:
        self.state = place_state(state, self._mesh)
        self.updates_done = int(state.updates)
        if standing is None:
            published = [self._publish(self.state)] * (self._lag + 1)
        else:
            devices = dict.fromkeys(self._actor_devices)
            published = [{device: copy_to(params, device) for device in devices} for params in standing.history]
            self._snapshots = standing.snapshots
            for actor, snapshot in zip(self._actors, standing.snapshots, strict=True):
                actor.load(snapshot)
        for age, params in zip(range(self._lag, -1, -1), published, strict=True):
            self._store.publish(max(0, self.updates_done - age), params)

    def standing(self) -> Standing:
        history = self._store.history()
        versions = [max(min(history), max(history) - age) for age in range(self._lag, -1, -1)]
        snapshots = self._snapshots or [actor.snapshot() for actor in self._actors]
        return Standing(snapshots, [next(iter(history[version].values())) for version in versions])

    def __enter__(self) -> Sebulba:
        for i, (actor, key, device) in enumerate(zip(self._actors, self._keys, self._actor_devices, strict=True)):
            thread = threading.Thread(
                target=actor_loop,
                name=f"actor-{i}",
                args=(actor, i, self.updates_done, device, self._store, self._queue, key, self.signal),
                daemon=True,  # an environment that hangs in compiled code must not keep the process alive
            )
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: Any) -> None:
        self.signal.stop()
        # An actor looks at the signal between two unrolls. Asked to end at once, do not wait for a slow one.
        deadline = time.monotonic() + (1.0 if kind is KeyboardInterrupt else 5.0)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def updates(self, announce: Announce = ignore) -> Iterator[Update]:
        while True:
            start = time.perf_counter()
            try:
                unrolls = self._queue.get_batch()
            except Stopped:
                return
            waited = time.perf_counter() - start
            trajectories = [unroll.trajectory for unroll in unrolls]
            announce(count_steps(trajectories))
            batch = place_batch(trajectories, self._mesh)
            self.state, metrics = self._step(self.state, batch)
            self.updates_done += 1
            self._store.publish(self.updates_done, self._publish(self.state))
            self._snapshots = [unroll.snapshot for unroll in unrolls]
            seconds = {part: fmean(unroll.timings[part] for unroll in unrolls) for part in unrolls[0].timings}
            lag = fmean(self.updates_done - 1 - unroll.version for unroll in unrolls)
            yield describe(metrics, trajectories, lag, {**seconds, "queue_wait": waited})
