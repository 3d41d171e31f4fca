"""The files of the run folder: complete, flushed, and consistent after a resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxrl.record.meters import Entry
from jaxrl.record.rundir import RunDirError
from jaxrl.record.sinks import EpisodeLog, JsonlSink, last_episodes
from jaxrl.types import Episode


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_report_is_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    sink = JsonlSink(path)
    sink.write(np.int64(10), {"a": np.float32(0.5), "b": 3})
    assert rows(path) == [{"env_steps": 10, "a": 0.5, "b": 3.0}]
    sink.write(20, {"a": float("nan"), "b": float("inf")})
    assert rows(path)[1] == {"env_steps": 20, "a": None, "b": None}
    assert "NaN" not in path.read_text()
    sink.close()
    sink.close()


def test_resume_removes_what_lies_beyond(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    sink = JsonlSink(path)
    for step in (10, 20, 30, 40):
        sink.write(step, {"a": step})
    sink.close()
    with path.open("a") as file:
        file.write('{"env_steps": 15, "a"')  # killed in the middle of a line
    sink = JsonlSink(path, resume_at=20)
    assert [row["env_steps"] for row in rows(path)] == [10, 20]
    sink.write(25, {"a": 1})
    sink.close()
    assert [row["env_steps"] for row in rows(path)] == [10, 20, 25]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_opening_again_without_resume_keeps_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"env_steps": 10}\n{"env_steps": 20')
    JsonlSink(path).close()
    assert rows(path) == [{"env_steps": 10}]


def test_nothing_is_removed_in_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"env_steps": 10}\n\x00\x00\n{"env_steps": 20}\n[]\n{"env_steps": 30}\n{"env_st')
    JsonlSink(path).close()
    assert [row["env_steps"] for row in rows(path)] == [10, 20, 30]
    told = capsys.readouterr().err
    assert f"{path} is damaged; 2 of its lines cannot be read" in told and "line 2" in told


def test_resume_at_zero_empties(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"env_steps": 10}\n')
    JsonlSink(path, resume_at=0).close()
    assert path.read_text() == ""


def test_episodes_are_buffered(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    log = EpisodeLog(path)
    log.add(100, Entry.of([Episode(0, 3, -21.0, 800)]))
    assert path.read_text() == ""
    log.flush()
    expected = {"env_steps": 100, "episode_return": -21.0, "episode_length": 800, "actor": 0, "env": 3}
    assert rows(path) == [expected]
    log.add(200, Entry.of([Episode(1, 2, 1.5, 10)]))
    log.close()
    log.close()
    assert len(rows(path)) == 2
    assert [entry[:3] for entry in last_episodes(path)] == [(-21.0, 800, 1), (1.5, 10, 1)]
    assert [entry[:3] for entry in last_episodes(path, 1)] == [(1.5, 10, 1)]
    assert last_episodes(tmp_path / "nowhere") == []
    EpisodeLog(path, resume_at=100).close()
    assert rows(path) == [expected]


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    sink = JsonlSink(tmp_path / "metrics.jsonl")
    sink._file.close()
    sink._file = full.open("a")
    with pytest.raises(RunDirError, match=r"cannot write .*metrics\.jsonl: No space left on device; "):
        sink.write(1, {"a": 1})
    with pytest.raises(RunDirError, match="No space left"):
        sink.close()


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match=r"cannot write .*metrics\.jsonl: No such file"):
        JsonlSink(tmp_path / "nowhere" / "metrics.jsonl")
