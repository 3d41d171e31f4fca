"""Rates, episode windows and times, with a clock that the test turns."""

from __future__ import annotations

import pytest

from jaxrl.record.meters import EpisodeWindow, Rate, format_duration, time_left


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
        window.add(episode_return, length)
    assert window.metrics() == {
        "episode/count": 14.0,
        "episode/return": 3.0,
        "episode/return_min": 1.0,
        "episode/return_max": 6.0,
        "episode/length": 30.0,
    }


def test_a_refilled_window_goes_on() -> None:
    window = EpisodeWindow(size=3, count=4, episodes=[(1.0, 10), (2.0, 20), (6.0, 60)])
    assert window.count == 4 and window.metrics()["episode/return"] == 3.0


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
