"""Progress for a person, on a terminal and in a log file."""

from __future__ import annotations

import io
import threading
import time

import pytest

from jaxrl.record.console import ConsoleSink, sparkline

REPORT = {
    "rate/env_steps": 2000.0,
    "rate/frames": 8000.0,
    "episode/return": -18.25,
    "policy/entropy": 1.5,
    "loss/total": 0.125,
    "lag/versions": 1.0,
}


def test_plain_lines() -> None:
    stream = io.StringIO()
    sink = ConsoleSink(1_000_000, stream=stream)
    sink.write(0, {})
    sink.write(250_000, REPORT)
    sink.close()
    sink.close()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "        0 of 1,000,000 env steps ( 0.0%)  left ?"
    assert lines[1] == (
        "  250,000 of 1,000,000 env steps (25.0%)  frames/s 8,000  steps/s 2,000  return -18.25  entropy 1.500  "
        "loss 0.125  lag 1.0  left 6 min 15 s"
    )
    assert len(lines) == 2


def test_lines_may_be_rare_but_the_last_one_is_shown() -> None:
    stream = io.StringIO()
    sink = ConsoleSink(100, stream=stream, every=3600.0)
    for step in (10, 20, 30):
        sink.write(step, {})
    sink.close()
    assert [line.split()[0] for line in stream.getvalue().splitlines()] == ["10", "30"]


def test_the_live_panel() -> None:
    stream = io.StringIO()
    threads = set(threading.enumerate())
    sink = ConsoleSink(1_000_000, title="pong", stream=stream, interactive=True)
    sink.write(1000, {})
    assert "no episode has finished yet" in stream.getvalue()
    for step in range(10):
        sink.write(250_000, REPORT | {"episode/return": float(step)})
        sink.write(250_000, REPORT | {"episode/return": float("inf" if step == 4 else "nan")})
    sink.write(250_000, REPORT | {"episode/return": 9.0})
    sink.close()
    for thread in set(threading.enumerate()) - threads:
        thread.join(60.0)
    assert set(threading.enumerate()) <= threads
    text = stream.getvalue()
    for part in ("pong", "25.0%", "250,000 of 1,000,000", "8,000", "9.00", "1.500", "6 min 15 s", "▁", "█"):
        assert part in text, part


def test_a_terminal_shows_every_second_how_far_the_run_is() -> None:
    """Between two reports, and before the first one, while the first update is compiled."""
    stream = io.StringIO()
    sink = ConsoleSink(1_000_000, stream=stream, interactive=True)
    sink.count(0, 0.0)
    wait_for("compiling", stream)
    sink.count(123_456, 2000.0)
    wait_for("123,456 of 1,000,000", stream)
    assert "elapsed" in stream.getvalue() and "7 min " in stream.getvalue()
    sink.close()


def wait_for(text: str, stream: io.StringIO) -> None:
    deadline = time.monotonic() + 60
    while text not in stream.getvalue():
        assert time.monotonic() < deadline, stream.getvalue()
        time.sleep(0.05)


def test_the_time_left_runs_on_between_two_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    sink = ConsoleSink(1000, stream=io.StringIO(), max_seconds=50.0)
    sink.count(100, 10.0)
    assert sink._left() == "50 s"  # the limit comes first
    sink.count(700, 10.0)
    now += 20.0
    assert sink._left() == "10 s"
    now += 20.0
    assert sink._left() == "0 s"


def test_sparkline() -> None:
    assert sparkline([]) == ""
    assert sparkline([1.0]) == "▁"
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([float(i) for i in range(1000)], width=8) == "▁▂▃▄▅▆▇█"
