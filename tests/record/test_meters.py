"""Rates, episode windows and times, with a clock that the test turns."""

from __future__ import annotations

import pytest

from jaxrl.record.meters import APART, Entry, EpisodeWindow, Rate, entries, format_duration, time_left
from jaxrl.types import Episode


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_rate_over_a_sliding_window() -> None:
    clock = Clock()
    rate = Rate(window=10.0, clock=clock)
    assert rate.per_second() == 0.0
    for _ in range(100):
        clock.now += 1.0
        rate.add(50)
    assert rate.per_second() == pytest.approx(50.0)
    for _ in range(20):  # the slow past is forgotten after the window
        clock.now += 1.0
        rate.add(200)
    assert rate.per_second() == pytest.approx(200.0)
    clock.now += 40.0  # nothing is reported between: the newest amount covers the gap
    rate.add(400)
    assert rate.per_second() == pytest.approx(10.0)


def test_rate_of_one_moment() -> None:
    clock = Clock()
    rate = Rate(clock=clock)
    rate.add(10)
    assert rate.per_second() == 0.0


def test_rate_forgets_its_points() -> None:
    clock = Clock()
    rate = Rate(window=1.0, clock=clock)
    for _ in range(10_000):
        clock.now += 0.01
        rate.add(1)
    assert len(rate._points) < 110


def test_episode_window() -> None:
    window = EpisodeWindow(size=3, count=10)
    assert window.metrics() == {"episode/count": 10.0}
    for episode_return, length in ((100.0, 1), (1.0, 10), (2.0, 20), (6.0, 60)):
        window.add(Entry.of([Episode(0, 0, episode_return, length)]))
    assert window.metrics() == {
        "episode/count": 14.0,
        "episode/return": 3.0,
        "episode/return_min": 1.0,
        "episode/return_max": 6.0,
        "episode/length": 30.0,
    }


def test_a_refilled_window_goes_on() -> None:
    before = [Entry.of([Episode(0, 0, value, 10)]) for value in (1.0, 2.0, 6.0)]
    window = EpisodeWindow(size=3, count=4, before=before)
    assert window.count == 4 and window.metrics()["episode/return"] == 3.0


def test_many_that_end_together_are_one_entry() -> None:
    """Of a thousand games side by side nobody reads a line each; of members, each has its own."""
    few = [Episode(0, env, float(env), 7) for env in range(APART)]
    assert [entry.whose["env"] for entry in entries(few)] == list(range(APART)), "as many as the window stay single"
    many = [*few, Episode(1, 5, -100.0, 8)]
    (one,) = entries(many)
    assert (one.episodes, one.return_min, one.return_max, one.whose) == (APART + 1, -100.0, APART - 1, {})
    assert one.episode_return == pytest.approx(sum(range(APART)) / (APART + 1) - 100 / (APART + 1))
    uneven = [Episode(0, 2 * i, 1.0, 7) for i in range(APART + 1)] + [Episode(0, 1, 3.0, 7)]
    assert [(e.episodes, e.whose) for e in entries(uneven, size=2)] == [
        (APART + 1, {"member": 0}), (1, {"actor": 0, "env": 1, "member": 1}),
    ]  # fmt: skip


def test_a_window_holds_entries_of_many() -> None:
    window = EpisodeWindow(size=3)
    several = [Episode(0, 0, value, 10) for value in (0.0, 1.0, 2.0, 5.0)]
    window.add(Entry.of(several))
    window.add(Entry.of([Episode(0, 0, 7.0, 20)]))
    assert window.metrics() == {
        "episode/count": 5.0,
        "episode/return": 3.0,
        "episode/return_min": 0.0,
        "episode/return_max": 7.0,
        "episode/length": 12.0,
    }
    for _ in range(2):
        window.add(Entry.of([Episode(0, 0, 9.0, 20)]))
    assert window.metrics()["episode/return_min"] == 7.0, "three others are there: the four go together"


def test_time_left() -> None:
    assert time_left(0, 100, 10) == 10.0
    assert time_left(100, 100, 0) == 0.0
    assert time_left(120, 100, 5) == 0.0
    assert time_left(0, 100, 0) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "?"), (0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (370, "6 min 10 s"), (7500, "2 h 05 min")],
)
def test_format_duration(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text
