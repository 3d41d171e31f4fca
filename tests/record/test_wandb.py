"""W&B may hang, fail or be missing: the run must neither wait nor end for it."""

from __future__ import annotations

import importlib.util
import json
import logging
import socket
import threading
import time
from pathlib import Path

import pytest

from jaxrl.record.wandb import WandbSink, has_api_key

FAKE = """
import json, os, pathlib, sys, time

class Run:
    def define_metric(self, name, step_metric=None): pass
    def log(self, values):
        with open(pathlib.Path(os.environ["FAKE_LOG"]), "a") as file:
            file.write(json.dumps(values) + "\\n")
        {on_log}
    def finish(self):
        {on_finish}

def init(**settings):
    pathlib.Path(os.environ["FAKE_LOG"]).write_text(json.dumps(settings) + "\\n")
    {on_init}
    return Run()
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "fake.jsonl"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    return tmp_path / "fake.jsonl"


def fake_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None = None, **bodies: str) -> None:
    folder = tmp_path / "fake"
    folder.mkdir()
    parts = {"on_init": "pass", "on_log": "pass", "on_finish": "pass"} | bodies
    (folder / "wandb.py").write_text(FAKE.format(**parts) if text is None else text)
    monkeypatch.syspath_prepend(str(folder))


def no_thread_left() -> bool:
    return all(thread.name != "wandb" for thread in threading.enumerate())


def test_reports_arrive_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path, caplog) -> None:
    fake_wandb(tmp_path, monkeypatch)
    sink = WandbSink(tmp_path, "project", {"seed": 1, "path": Path("a")})
    for step in range(50):
        sink.write(step, {"episode/return": step / 2, "bad": float("nan")})
    sink.close()
    sink.close()
    sink.write(99, {})
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0] == {
        "project": "project",
        "name": tmp_path.name,
        "dir": str(tmp_path),
        "config": {"seed": 1, "path": "a"},
        "mode": "offline",
    }
    assert lines[1:] == [{"env_steps": step, "episode/return": step / 2} for step in range(50)]
    assert not caplog.records and sink.dropped == 0 and no_thread_left()


@pytest.mark.parametrize("where", ["on_init", "on_log", "on_finish"])
def test_a_hanging_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path, caplog, where: str) -> None:
    fake_wandb(tmp_path, monkeypatch, **{where: "time.sleep(1000)"})
    sink = WandbSink(tmp_path, "project", close_timeout=2.0)
    child = sink._child
    assert child is not None
    start = time.perf_counter()
    for step in range(5000):  # far more than queue and pipe hold
        sink.write(step, {"a/long_name_to_fill_the_pipe": 1.0})
    assert time.perf_counter() - start < 1.5
    if where != "on_finish":
        assert sink.dropped > 1000
    with caplog.at_level(logging.WARNING):
        sink.close()
    assert time.perf_counter() - start < 8.0
    assert len(caplog.records) == 1 and "W&B did not finish within 2 s" in caplog.text
    assert child.returncode is not None and no_thread_left()


@pytest.mark.parametrize("where", ["on_init", "on_log", "on_finish"])
def test_a_raising_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path, caplog, where: str) -> None:
    fake_wandb(tmp_path, monkeypatch, **{where: "raise RuntimeError('no such project')"})
    with caplog.at_level(logging.WARNING):
        sink = WandbSink(tmp_path, "project")
        for step in range(20):
            sink.write(step, {"a": 1.0})
            time.sleep(0.01)
        sink.close()
    assert len(caplog.records) == 1
    assert "RuntimeError: no such project" in caplog.text and "the run folder" in caplog.text
    assert no_thread_left()


def test_wandb_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path, caplog) -> None:
    fake_wandb(tmp_path, monkeypatch, text="raise ImportError('not installed')")
    sink = WandbSink(tmp_path, "project")
    sink.write(1, {"a": 1.0})
    sink.close()
    assert len(caplog.records) == 1 and "not installed" in caplog.text


def test_the_child_cannot_start(tmp_path: Path, log: Path, caplog) -> None:
    sink = WandbSink(tmp_path / "nowhere", "project")
    sink.write(1, {"a": 1.0})
    sink.close()
    assert len(caplog.records) == 1 and "cannot start" in caplog.text


def test_auto_is_offline_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path) -> None:
    monkeypatch.delenv("WANDB_BASE_URL", raising=False)
    assert not has_api_key()
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.wandb.ai login user password x\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert has_api_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert not has_api_key()
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert has_api_key()


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed")
def test_the_real_wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path, caplog) -> None:
    calls: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:  # whoever wants W&B's server gets here
        server.settimeout(0.1)
        stop = threading.Event()

        def listen() -> None:
            while not stop.is_set():
                try:
                    calls.append(server.accept())
                except TimeoutError:
                    continue

        listener = threading.Thread(target=listen)
        listener.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        for name in ("WANDB_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, address)
        monkeypatch.setenv("NO_PROXY", "")
        run_dir = tmp_path / "run"
        run_dir.mkdir()
        sink = WandbSink(run_dir, "project", {"seed": 1}, close_timeout=60.0)
        assert sink.mode == "offline"
        for step in range(10):
            sink.write(step, {"episode/return": step})
        with caplog.at_level(logging.WARNING):
            sink.close()
        stop.set()
        listener.join()
    assert not caplog.records, caplog.text + (run_dir / "wandb.log").read_text()
    assert not calls, "offline mode made a connection"
    assert list(run_dir.glob("wandb/offline-run-*/*.wandb"))
    assert not (Path.cwd() / "wandb").exists()
