"""The two objects that actors and learner share, and the only locks of the runtime.

`ParameterStore` carries parameters from learner to actors, `TrajectoryQueue` unrolls from actors to learner. Both obey
one `StopSignal`, every wait is bounded, and both are exact: unroll k acts with version `max(0, k - policy_lag)`, and a
batch holds the k-th unroll of every actor, in actor order. So a run with the same seed and lag gives the same bits,
however its threads are scheduled.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from jaxrl.types import ActorParams, Unroll

# Actors wait so many times longer for the learner than it waits for them: its first update is compiled before it runs,
# and where both wait, the learner must be the one that gives up, for it knows which actor is missing.
PATIENCE = 10
SLICE_S = 0.5  # longest single wait on the condition, so that a stop from a signal handler is seen


class Stopped(Exception):
    """The run is over; the thread that sees this ends quietly."""


class ActorFailed(RuntimeError):
    """An actor raised (`__cause__` is its exception) or has stopped answering."""


class StopSignal:
    """Set once, by whoever ends the run; holds the first failure."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.missing = ""  # what the learner waits for; "" while it works
        self.stopped = False  # set by `stop` and `fail` only, like `failure`
        self.failure: ActorFailed | None = None
        self._handovers = 0

    def stop(self) -> None:
        """End the run without a failure."""
        with self.condition:
            self.stopped = True
            self.condition.notify_all()

    def fail(self, message: str, cause: BaseException | None = None) -> None:
        """End the run because of `cause`; only the first failure is kept."""
        with self.condition:
            if self.failure is None and not self.stopped:
                self.failure = ActorFailed(message)
                self.failure.__cause__ = cause
            self.stopped = True
            self.condition.notify_all()

    def progress(self) -> None:
        """Something was handed over, so every wait starts anew; call with `condition` held."""
        self._handovers += 1
        self.condition.notify_all()

    def wait_for(self, ready: Callable[[], bool], timeout_s: float, waiting_for: str) -> None:
        """Wait until `ready()`; call with `condition` held.

        Raises:
            ActorFailed: an actor failed, even where all is ready, or nothing was handed over for `timeout_s`.
            Stopped: the run was stopped.
        """
        waited, handovers = 0.0, self._handovers
        while True:
            if self.failure is not None:
                raise self.failure
            if self.stopped:
                raise Stopped
            if ready():
                return
            if self._handovers != handovers:
                waited, handovers = 0.0, self._handovers
            if waited >= timeout_s:
                # Where one actor hangs, the learner and then the other actors wait too: name the first link.
                raise ActorFailed(
                    f"waited {timeout_s:g} s for {self.missing or waiting_for}; an environment or a device hangs "
                    "(raise runtime.timeout_s if it is only slow)"
                )
            # In slices: a signal handler may call `stop` after the check above, when nobody waits yet to be notified.
            slice_s = min(timeout_s - waited, SLICE_S)
            start = time.monotonic()
            self.condition.wait(slice_s)
            # A process that a scheduler suspended for an hour has not waited for an hour.
            waited += min(time.monotonic() - start, 2 * SLICE_S)


class ParameterStore:
    """Published parameters by version; keeps the `policy_lag + 1` newest."""

    def __init__(self, policy_lag: int, signal: StopSignal, timeout_s: float) -> None:
        self.policy_lag = policy_lag
        self._signal = signal
        self._timeout_s = timeout_s
        self._versions: dict[int, Any] = {}

    def publish(self, version: int, params: Any) -> None:
        """Make `params` available as `version` and forget what no actor can ask for any more."""
        with self._signal.condition:
            self._versions[version] = params
            for old in [v for v in self._versions if v < version - self.policy_lag]:
                del self._versions[old]
            self._signal.progress()

    def get(self, unroll_index: int) -> tuple[int, Any]:
        """Version `max(0, unroll_index - policy_lag)` and its parameters; waits for it.

        Raises:
            Stopped, ActorFailed: see `StopSignal.wait_for`.
        """
        version = max(0, unroll_index - self.policy_lag)
        with self._signal.condition:
            self._signal.wait_for(
                lambda: version in self._versions, self._timeout_s, f"the learner to publish version {version}"
            )
            return version, self._versions[version]

    def history(self) -> dict[int, ActorParams]:
        """The versions kept: what a resumed run needs to act as this one would have."""
        with self._signal.condition:
            return dict(self._versions)


class TrajectoryQueue:
    """One short line per actor; a batch takes the head of each, in actor order."""

    def __init__(
        self, num_actors: int, capacity: int, signal: StopSignal, timeout_s: float, put_timeout_s: float | None = None
    ) -> None:
        self._lines: list[deque[Unroll]] = [deque() for _ in range(num_actors)]
        self._capacity = capacity
        self._signal = signal
        self._timeout_s = timeout_s
        self._put_timeout_s = timeout_s if put_timeout_s is None else put_timeout_s

    def put(self, unroll: Unroll) -> None:
        """Append to the actor's line; waits while it is full.

        Raises:
            Stopped, ActorFailed: see `StopSignal.wait_for`.
        """
        line = self._lines[unroll.actor_id]
        with self._signal.condition:
            self._signal.wait_for(
                lambda: len(line) < self._capacity, self._put_timeout_s, "the learner to take an unroll"
            )
            line.append(unroll)
            self._signal.progress()

    def get_batch(self) -> list[Unroll]:
        """One unroll of every actor; waits for the slowest.

        Raises:
            Stopped, ActorFailed: see `StopSignal.wait_for`.
        """
        with self._signal.condition:
            for actor_id, line in enumerate(self._lines):
                self._signal.missing = f"an unroll of actor {actor_id}"
                self._signal.wait_for(lambda line=line: bool(line), self._timeout_s, self._signal.missing)
            self._signal.missing = ""
            batch = [line.popleft() for line in self._lines]
            self._signal.progress()
            return batch
