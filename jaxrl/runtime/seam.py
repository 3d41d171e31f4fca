"""What a training needs of whatever trains: Sebulba, Anakin, or another that is registered in `jaxrl.run.runtimes`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from jaxrl.runtime.exchange import StopSignal
from jaxrl.types import Episode, Metrics, PyTree, TrainState, Trajectory, Update

Announce = Callable[[int], None]


def ignore(env_steps: int) -> None:
    """Nobody waits for it."""


class Runtime(Protocol):
    """An iterator of learner steps, between which its consumer counts, reports and saves.

    Use as a context manager and iterate in the thread that made it. Nothing in it logs or writes.
    """

    updates_done: int
    signal: StopSignal  # `stop` ends `updates()` after the update in progress; a signal handler may call it

    @property
    def state(self) -> TrainState:
        """After the last complete update."""
        ...

    def updates(self, announce: Announce = ignore) -> Iterator[Update]:
        """One `Update` per learner step, without end; returns when `signal.stop()` was called.

        Args:
            announce: called with an update's env steps before its learner step is dispatched, so that what several
                hosts must agree on does not stand in line behind it.

        Raises:
            ActorFailed: acting failed or hangs. `state` is then the one after the last complete update.
        """
        ...

    def standing(self) -> PyTree:
        """What a checkpoint of this moment must hold beside `state`; its structure is the config's alone."""
        ...

    def load(self, state: TrainState, standing: PyTree | None) -> None:
        """Go on from a checkpoint; call before the first update.

        Without `standing`, environments start anew and acting begins with the parameters of `state`.
        """
        ...

    def __enter__(self) -> Any: ...

    def __exit__(self, *exc: Any) -> None: ...


def describe(metrics: Metrics, trajectories: Sequence[Trajectory], lag: float, seconds: Mapping[str, float]) -> Update:
    """The `Update` of a learner step on `trajectories`, on the host and one an actor; the rest is as in `Update`."""
    episodes = [
        Episode(actor, int(env), float(t.episode_return[row, env]), int(t.episode_length[row, env]))
        for actor, t in enumerate(trajectories)
        for row, env in np.argwhere(t.last)
    ]
    return Update(metrics, count_steps(trajectories), episodes, lag, seconds)


def count_steps(trajectories: Sequence[Trajectory]) -> int:
    """Env steps: rows without those of auto-resets."""
    return sum(int(trajectory.mask.sum()) for trajectory in trajectories)
