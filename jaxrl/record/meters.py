"""Small measuring instruments: rates over a sliding window, the last episodes, the time left."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.types import Episode


class Rate:
    """Amount per second over the last `window` seconds.

    Args:
        window: seconds that the rate looks back; older amounts no longer count.
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


APART = 100  # episodes of one update, and member, up to which each is an entry of its own


class Entry(NamedTuple):
    """One finished episode, or all that ended in one update where those are many: a line of episodes.jsonl."""

    episode_return: float  # raw; of several the mean
    episode_length: float  # env steps; of several the mean
    episodes: int
    return_min: float
    return_max: float
    whose: Mapping[str, int]  # `actor` and `env` of a single one, `member` in a population

    @classmethod
    def of(cls, episodes: Sequence[Episode], member: int | None = None) -> Entry:
        """One entry for all of `episodes`."""
        returns = [float(episode.episode_return) for episode in episodes]
        lengths = [int(episode.episode_length) for episode in episodes]
        count, whose = len(episodes), {} if member is None else {"member": member}
        if count == 1:
            whose = {"actor": episodes[0].actor, "env": episodes[0].env} | whose
            return cls(returns[0], lengths[0], 1, returns[0], returns[0], whose)
        return cls(sum(returns) / count, sum(lengths) / count, count, min(returns), max(returns), whose)


def entries(episodes: Sequence[Episode], size: int = 1) -> list[Entry]:
    """What is noted of the episodes of one update, of a population of `size` members.

    More than `APART` of one member become a single entry: thousands of games side by side would fill a disk with lines
    of which nobody reads one.
    """
    members = [episode.env % size if size > 1 else None for episode in episodes]
    pairs = list(zip(episodes, members, strict=True))
    many = [member for member, count in Counter(members).items() if count > APART]
    grouped = [Entry.of([episode for episode, whose in pairs if whose == member], member) for member in many]
    return grouped + [Entry.of([episode], member) for episode, member in pairs if member not in many]


class EpisodeWindow:
    """The last `size` finished episodes, or as many more as the oldest entry among them holds.

    Args:
        count: episodes that finished before, in a resumed run.
        before: the last of those, from `last_episodes`.
    """

    def __init__(self, size: int = 100, count: int = 0, before: Iterable[Entry] = ()):
        self._size = size
        self._entries: deque[Entry] = deque()
        self._held = self.count = 0  # episodes in them, and in all
        for entry in before:
            self.add(entry)
        self.count = count

    def add(self, entry: Entry) -> None:
        """Count what has finished."""
        self._entries.append(entry)
        self._held += entry.episodes
        self.count += entry.episodes
        while self._held - self._entries[0].episodes >= self._size:
            self._held -= self._entries.popleft().episodes

    def metrics(self) -> dict[str, float]:
        """The `episode/*` metrics; only `episode/count` while no episode has finished."""
        values = {"episode/count": float(self.count)}
        if self._entries:
            held = self._entries
            values["episode/return"] = sum(entry.episode_return * entry.episodes for entry in held) / self._held
            values["episode/return_min"] = min(entry.return_min for entry in held)
            values["episode/return_max"] = max(entry.return_max for entry in held)
            values["episode/length"] = sum(entry.episode_length * entry.episodes for entry in held) / self._held
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
