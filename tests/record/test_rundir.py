"""The run folder: named, never overwritten, found again."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from jaxrl.errors import UserError
from jaxrl.record import versions
from jaxrl.record.rundir import BusyError, RunDir, RunDirError
from tests.support.full_disk import files_of_at_most

NOON = datetime(2026, 1, 2, 12, 0, 0)


def test_create_and_open(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "deep" / "runs", "pong", 3, "seed: 3\n", {"jax": "1"}, now=NOON)
    assert run.path == tmp_path / "deep" / "runs" / "pong-20260102-120000-s3"
    assert run.config.read_text() == "seed: 3\n"
    assert json.loads(run.versions.read_text()) == {"jax": "1"}
    assert run.checkpoints.is_dir()
    assert RunDir.open(run.path).path == run.path


def test_never_overwrites(tmp_path: Path) -> None:
    runs = [RunDir.create(tmp_path, "pong", 0, f"{i}", {}, now=NOON) for i in range(3)]
    assert [run.path.name for run in runs] == [f"pong-20260102-120000-s0{end}" for end in ("", ".1", ".2")]
    assert [run.config.read_text() for run in runs] == ["0", "1", "2"]


def test_latest(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match="there is no run in"):
        RunDir.latest(tmp_path / "nowhere")
    late = RunDir.create(tmp_path, "a", 1, "", {}, now=NOON)
    RunDir.create(tmp_path, "b-a", 0, "", {}, now=datetime(2025, 12, 31, 23, 59, 59))
    (tmp_path / "z-20270101-000000-s0").mkdir()  # no config: not a run
    (tmp_path / "notes.txt").write_text("")
    assert RunDir.latest(tmp_path).path == late.path
    later = RunDir.create(tmp_path, "a", 0, "", {}, now=NOON)  # same second, another seed
    assert RunDir.latest(tmp_path).path == later.path
    assert RunDir.latest(tmp_path, "b-a").path.name == "b-a-20251231-235959-s0"
    with pytest.raises(RunDirError, match="there is no run called c in"):
        RunDir.latest(tmp_path, "c")


def test_latest_of_a_seed_by_a_clock_without_time_zones(tmp_path: Path) -> None:
    """The folder that Tokyo made first has the later name."""
    tokyo = RunDir.create(tmp_path, "a", 0, "", {"started": "2026-01-02T21:00:00+09:00"}, now=datetime(2026, 1, 2, 21))
    new_york = RunDir.create(
        tmp_path, "a", 0, "", {"started": "2026-01-02T08:00:00-05:00"}, now=datetime(2026, 1, 2, 8)
    )
    other = RunDir.create(tmp_path, "a", 11, "", {"started": "2026-01-02T23:00:00+00:00"}, now=NOON)
    assert RunDir.latest(tmp_path, "a").path == other.path
    assert RunDir.latest(tmp_path, "a", 0).path == new_york.path != tokyo.path
    with pytest.raises(RunDirError, match="there is no run called a with seed 1 in"):
        RunDir.latest(tmp_path, "a", 1)


HOLDER = """
import sys, time
from jaxrl.record.rundir import RunDir
with RunDir.open(sys.argv[1]).locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_at_a_time_writes(tmp_path: Path) -> None:
    """A second one is told who the first is; that of a dead process is no lock."""
    run = RunDir.create(tmp_path, "a", 0, "", {})
    assert run.writer() == ""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(run)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        assert run.writer().startswith(f"process {holder.pid} on ")
        with pytest.raises(BusyError, match=f"is being written by process {holder.pid} on "), run.locked():
            pass
        holder.kill()
        holder.wait()
    assert run.writer() == ""
    with run.locked():
        assert run.writer()


def test_a_file_system_without_locks_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(file: object, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with RunDir.create(tmp_path, "a", 0, "", {}).locked():
        assert "has no locks (No locks available)" in caplog.text


def test_errors_are_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    for make in (
        lambda: RunDir.create(blocked, "a", 0, "", {}),
        lambda: RunDir.create(tmp_path, "a/b", 0, "", {}),
        lambda: RunDir.open(tmp_path / "nowhere"),
        lambda: RunDir.open(tmp_path),
    ):
        with pytest.raises(RunDirError) as caught:
            make()
        assert isinstance(caught.value, UserError)
        assert "\n" not in str(caught.value) and not str(caught.value).endswith(".")


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RunDirError, match=r"No space left on device; .*--record\.runs_dir"):
        RunDir.create(tmp_path, "a", 0, "", {})


def test_a_full_disk_where_the_folder_is_locked(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, "a", 0, "", {})
    with files_of_at_most(0), pytest.raises(RunDirError, match="File too large"), run.locked():
        pass
    with run.locked():
        assert run.writer().startswith(f"process {os.getpid()} on ")


def test_versions(tmp_path: Path) -> None:
    found = versions.collect(["jaxrl", "train", "a b.yaml"])
    assert json.loads(json.dumps(found)) == found
    assert found["command"] == "jaxrl train 'a b.yaml'"
    assert versions.command(["/somewhere/jaxrl/__main__.py", "train", "a.yaml"]) == "python -m jaxrl train a.yaml"
    assert found["packages"].keys() >= {"jax", "jaxlib", "flax", "optax", "envpool", "numpy", "orbax-checkpoint"}
    assert found["packages"]["jax"] and found["cores"] >= 1 and found["devices"]["count"] >= 1
    datetime.fromisoformat(found["started"])


def test_git_state(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    assert versions.git_state(tmp_path) == {"commit": None, "dirty": None}
    git("init")
    assert versions.git_state(tmp_path) == {"commit": None, "dirty": False}
    source = tmp_path / "jaxrl" / "file.py"
    source.parent.mkdir()
    for path in (source, tmp_path / "notebook.ipynb"):
        path.write_text("1")
    git("add", ".")
    git("commit", "-m", "first")
    clean = versions.git_state(tmp_path)
    assert len(clean["commit"]) == 40 and clean["dirty"] is False
    for name in ("notebook.ipynb", "episode.gif", "compare.png"):  # what a run leaves says nothing about the next one
        (tmp_path / name).write_text("2")
    assert versions.git_state(tmp_path) == clean
    source.write_text("2")
    assert versions.git_state(tmp_path) == {"commit": clean["commit"], "dirty": True}
    (tmp_path / "inner").mkdir()  # an installation inside somebody else's checkout
    assert versions.git_state(tmp_path / "inner") == {"commit": None, "dirty": None}


def test_importing_starts_no_backend() -> None:
    code = (
        "import jaxrl.analysis.curves, jaxrl.analysis.figures.learning, jaxrl.record.checkpoints, "
        "jaxrl.record.console, jaxrl.record.meters, jaxrl.record.rundir, jaxrl.record.sinks, "
        "jaxrl.record.versions, jaxrl.record.wandb, sys\n"
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge.backends_are_initialized()\n"
        "assert 'wandb' not in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_analysis_and_the_wandb_child_need_no_jax() -> None:
    code = (
        "import sys, jaxrl.analysis.curves, jaxrl.analysis.figures.learning, jaxrl.record.metrics, jaxrl.record.wandb\n"
        "assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
