"""Turns learner updates into reports: counts steps and episodes, averages metrics, feeds the sinks."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import jax
import numpy as np

from jaxrl.config.sections import ExperimentConfig
from jaxrl.errors import UserError
from jaxrl.record.console import ConsoleSink
from jaxrl.record.meters import EpisodeWindow, Rate, entries, mean_metrics, member_name
from jaxrl.record.rundir import RunDir
from jaxrl.record.sinks import EpisodeLog, JsonlSink, Sink, last_episodes
from jaxrl.record.tensorboard import TensorBoardSink
from jaxrl.record.wandb import WandbSink
from jaxrl.types import Metrics, Params, Update


class Diverged(UserError, ArithmeticError):
    """The parameters are lost to NaN or infinity; the message is one sentence."""


class Tally:
    """Stands in for `Recorder` on hosts that write nothing."""

    def __init__(self, counters: Mapping[str, Any]):
        self.env_steps = int(counters.get("env_steps", 0))

    def add(self, update: Update, steps: int | None = None) -> None:
        """Count the env steps of one update; arguments as of `Recorder.add`."""
        self.env_steps += update.env_steps if steps is None else steps

    def report(self) -> None: ...

    def close(self) -> None: ...


class Recorder:
    """Counters, meters and sinks of one run; called from the learner's thread between updates."""

    def __init__(self, run: RunDir, config: ExperimentConfig, frame_skip: int, counters: Any = None):
        counters = counters or {}
        self.env_steps = int(counters.get("env_steps", 0))
        self.updates = int(counters.get("updates", 0))
        self._wall_before = float(counters.get("wall", 0.0))
        self._frame_skip = frame_skip
        self._every = config.record.report_every
        resume_at = self.env_steps if counters else None
        self._episode_log = EpisodeLog(run.episodes, resume_at)
        self._console = ConsoleSink(
            config.env_steps, title=run.path.name, every=5.0, max_seconds=60 * config.max_minutes or math.inf
        )
        self._console.count(self.env_steps, 0.0)
        self._sinks: list[Sink] = [JsonlSink(run.metrics, resume_at), self._console]
        if config.record.tensorboard:
            self._sinks.append(TensorBoardSink(run.path, resume_at))
        if config.record.wandb != "off":
            self._sinks.append(WandbSink(run.path, config.record.wandb_project, config.record.wandb))
        self._window = EpisodeWindow(count=counters.get("episodes", 0), before=last_episodes(run.episodes))
        self._size = config.population.size
        self._members = [
            EpisodeWindow(
                count=counters.get(member_name(i, "episodes"), 0), before=last_episodes(run.episodes, member=i)
            )
            for i in range(self._size if self._size > 1 else 0)
        ]
        # Updates whose unrolls may have waited for a compilation, or have been made during one: rates leave them out.
        self._cold = config.runtime.policy_lag + 1
        self._steps_rate, self._updates_rate = Rate(), Rate()
        self._start = self._since = time.monotonic()
        self._pending: list[Metrics] = []
        self._seconds: dict[str, float] = defaultdict(float)  # by part, since the last report
        self._lag = 0.0

    @property
    def wall(self) -> float:
        """Seconds of training, over all parts of a resumed run."""
        return self._wall_before + time.monotonic() - self._start

    @property
    def episodes(self) -> int:
        """Episodes finished since the run began."""
        return self._window.count

    def counters(self) -> dict[str, int | float | str]:
        """What a resumed run starts counting from."""
        counts = {"env_steps": self.env_steps, "updates": self.updates, "episodes": self.episodes, "wall": self.wall}
        return counts | {member_name(i, "episodes"): window.count for i, window in enumerate(self._members)}

    def add(self, update: Update, steps: int | None = None) -> None:
        """Count one update; report when it is time. `steps` are those of all hosts, where there are several."""
        steps = update.env_steps if steps is None else steps
        self.env_steps += steps
        self.updates += 1
        self._measure(steps)
        self._pending.append(update.metrics)
        self._lag += update.lag
        for part, seconds in update.seconds.items():
            self._seconds[f"time/{part}"] += seconds
        for entry in entries(update.episodes, self._size):
            member = entry.whose.get("member")
            for window in [self._window] if member is None else [self._window, self._members[member]]:
                window.add(entry)
            self._episode_log.add(self.env_steps, entry)
        if self.updates % self._every == 0:
            self.report()

    def _measure(self, steps: int) -> None:
        """Rates begin with the first update that no compilation was part of."""
        self._cold -= 1
        if self._cold == 0:
            self._steps_rate, self._updates_rate = Rate(), Rate()
            self._console.warm(time.monotonic() - self._start)
        elif self._cold < 0:
            self._steps_rate.add(steps)
            self._updates_rate.add(1)
        self._console.count(self.env_steps, self._steps_rate.per_second())

    def before_checkpoint(self, params: Params) -> None:
        """Put every episode so far on disk: those that a checkpoint counts must not be lost with the process.

        Args:
            params: that are about to be saved; a finite loss may have had a gradient that was not.

        Raises:
            Diverged: they are not worth saving, and the checkpoints before must stay.
        """
        self._episode_log.flush()
        self._check(_finite(params, self._size))

    def _check(self, finite: np.ndarray) -> None:
        """Of a population one member may be lost while the others go on."""
        if not finite.any():
            raise Diverged(
                f"the loss or the parameters of update {self.updates} are not finite, so the run is lost; the "
                "checkpoints before it stay; start again with a smaller agent.hypers.learning_rate or "
                "agent.optimiser.max_grad_norm"
            )

    def report(self) -> None:
        """Write one line of metrics, means over the updates since the last one; raises `Diverged`."""
        if not self._pending:
            return
        fetched = jax.device_get(self._pending)
        now = time.monotonic()
        shares = {name: seconds / max(now - self._since, 1e-9) for name, seconds in self._seconds.items()}
        values = mean_metrics(fetched, self._size)
        values |= self._window.metrics()
        for i, window in enumerate(self._members):
            values |= {member_name(i, name): value for name, value in window.metrics().items()}
        if self._cold < 0:
            steps_rate = self._steps_rate.per_second()
            values |= {"rate/env_steps": steps_rate, "rate/frames": steps_rate * self._frame_skip}
            values["rate/updates"] = self._updates_rate.per_second()
        values |= {
            "lag/versions": self._lag / len(self._pending),
            "progress/updates": self.updates,
            "progress/frames": self.env_steps * self._frame_skip,
            "progress/wall": self.wall,
        }
        if "selfplay/games" in values and "rate/updates" in values:
            values["rate/games"] = values["selfplay/games"] * values["rate/updates"]
        for sink in self._sinks:  # the first error ends it: a run that cannot record must not go on unseen
            sink.write(self.env_steps, values | shares)
        self._episode_log.flush()
        self._pending, self._since, self._lag = [], now, 0.0
        self._seconds.clear()
        self._check(np.isfinite(fetched[-1].get("loss/total", 0.0)))

    def close(self) -> None:
        """Report what is left and close every sink, also after one has failed."""
        with ExitStack() as closing:
            for sink in (*reversed(self._sinks), self._episode_log):
                closing.callback(sink.close)
            self.report()


def _finite(params: Params, size: int) -> np.ndarray:
    """Whether all parameters of a member are finite [size]; host memory, because the checkpoint fetches them too."""
    leaves = [np.isfinite(np.asarray(leaf)).reshape(size, -1).all(axis=1) for leaf in jax.tree.leaves(params)]
    return np.all(leaves, axis=0)
