"""Small measuring instruments: rates over a sliding window, the last episodes, the time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np


class Rate:
    """Amount per second over the last `window` seconds.

    Args:
        window: seconds that the rate looks back; older amounts no longer count.
        clock: returns seconds; a test may pass its own.
    """

    def __init__(self, window: float = 30.0, clock: Callable[[], float] = time.monotonic):
        self._window = window
        self._clock = clock
        self._total = 0.0
        self._points: deque[tuple[float, float]] = deque([(clock(), 0.0)])  # (seconds, running total)

    def add(self, amount: float) -> None:
        """Count `amount` at the present moment."""
        now = self._clock()
        self._total += amount
        self._points.append((now, self._total))
        # One point at or before the edge stays: the window is measured from it, so that it is never shorter than asked.
        while len(self._points) > 2 and self._points[1][0] <= now - self._window:
            self._points.popleft()

    def per_second(self) -> float:
        """Rate from the start of the window to the newest amount; 0.0 while nothing was counted.

        It ends at the newest amount and not now, so that the moment of asking does not change it.
        """
        (start, before), (end, total) = self._points[0], self._points[-1]
        return (total - before) / (end - start) if end > start else 0.0


class EpisodeWindow:
    """The last `size` finished episodes.

    Args:
        size: how many are averaged.
        count: episodes that finished before, in a resumed run.
        episodes: (return, length) of the last of those, from `last_episodes`.
    """

    def __init__(self, size: int = 100, count: int = 0, episodes: Iterable[tuple[float, int]] = ()):
        self._episodes = deque(episodes, maxlen=size)
        self.count = count

    def add(self, episode_return: float, episode_length: int) -> None:
        """Count one finished episode: raw return, and length in env steps."""
        self._episodes.append((float(episode_return), int(episode_length)))
        self.count += 1

    def metrics(self) -> dict[str, float]:
        """The `episode/*` metrics; only `episode/count` while no episode has finished."""
        values = {"episode/count": float(self.count)}
        if self._episodes:
            returns = [episode_return for episode_return, _ in self._episodes]
            values["episode/return"] = sum(returns) / len(returns)
            values["episode/return_min"] = min(returns)
            values["episode/return_max"] = max(returns)
            values["episode/length"] = sum(length for _, length in self._episodes) / len(returns)
        return values


def mean_metrics(updates: Sequence[Mapping[str, np.ndarray]], size: int = 1) -> dict[str, float]:
    """Means over `updates`; metrics [size] of a population give `name`, the mean, and `member_i/name` of each."""
    means = {name: np.mean([update[name] for update in updates], axis=0) for name in updates[0]}
    values = {name: float(np.mean(mean)) for name, mean in means.items()}
    for i in range(size if size > 1 else 0):
        values |= {member_name(i, name): float(mean[i]) for name, mean in means.items() if np.shape(mean) == (size,)}
    return values


def member_name(index: int, name: str) -> str:
    """What a metric of one member of a population is called."""
    return f"member_{index}/{name}"


def time_left(done: float, total: float, per_second: float) -> float | None:
    """Seconds until `done` reaches `total`; None while the rate is unknown."""
    if done >= total:
        return 0.0
    return (total - done) / per_second if per_second > 0 else None


def format_duration(seconds: float | None) -> str:
    """`45 s`, `6 min 10 s`, `2 h 05 min`, or `?` for None."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
