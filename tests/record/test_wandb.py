"""W&B may hang, fail or be missing: the run must neither wait nor end for it."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jaxrl.cli.commands import main
from jaxrl.record.sinks import JsonlSink
from jaxrl.record.wandb import WandbSink, add_results, choose_mode, follow, has_api_key

FAKE = """
import json, os, pathlib, time

class Run:
    def __init__(self):  # the server has what a run that finished had logged
        sent = pathlib.Path(os.environ["FAKE_LOG"]).with_name("server")
        steps = [json.loads(line)["env_steps"] for line in sent.read_text().splitlines()] if sent.exists() else []
        self.server, self.queue, self.resumed = sent, [], sent.exists()
        self.starting_step = steps[-1] + 1 if steps else 0
    def define_metric(self, name, step_metric=None): pass
    def log(self, values, step, commit):
        assert commit and step == values["env_steps"]
        {on_log}
        note(values)
        self.queue.append(values)
    def finish(self):
        {on_finish}
        with self.server.open("a") as file:
            file.writelines(json.dumps(values) + "\\n" for values in self.queue)

def note(values):
    with open(os.environ["FAKE_LOG"], "a") as file:
        file.write(json.dumps(values) + "\\n")

def init(**settings):
    note(settings)
    {on_init}
    return Run()
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the fake was told; the run folder is `tmp_path`."""
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "fake.jsonl"))
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DISABLED", "WANDB_RUN_ID", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "fake.jsonl"


def fake_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None = None, **bodies: str) -> None:
    folder = tmp_path / "fake"
    folder.mkdir(exist_ok=True)
    parts = {"on_init": "pass", "on_log": "pass", "on_finish": "pass"} | bodies
    (folder / "wandb.py").write_text(FAKE.format(**parts) if text is None else text)
    monkeypatch.syspath_prepend(str(folder))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def steps(log: Path) -> list[int]:
    return [row["env_steps"] for row in rows(log) if "env_steps" in row]


def train(run_dir: Path, reports: range, resume_at: int | None = None, **options: Any) -> WandbSink:
    """What the recorder does in a run that makes these reports."""
    wandb = WandbSink(run_dir, "project", **{"close_timeout": 120.0, **options})  # long: the machine may be busy
    metrics = JsonlSink(run_dir / "metrics.jsonl", resume_at)
    for step in reports:
        for sink in (metrics, wandb):
            sink.write(step, {"episode/return": step / 2, "bad": float("nan")})
    for sink in (metrics, wandb, metrics, wandb):
        sink.close()
    return wandb


def wait_for(what: Any) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_reports_arrive_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path, caplog) -> None:
    before = set(threading.enumerate())
    fake_wandb(tmp_path, monkeypatch)
    assert train(tmp_path, range(50)).complete and not caplog.records
    first, *others = rows(log)
    assert len(first.pop("id")) == 8
    assert first == {
        "project": "project",
        "name": tmp_path.name,
        "dir": str(tmp_path),
        "config": {"seed": 1},
        "mode": "offline",
        "resume": None,
        "group": None,
        "tags": [],
    }
    assert others == [{"env_steps": step, "episode/return": step / 2} for step in range(50)]
    assert set(threading.enumerate()) <= before


def test_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"env_steps": 1}\n{"env_st')

    def grows() -> Iterator[bool]:
        yield False
        with path.open("a") as file:
            file.write('eps": 2}\n{"env_steps": 3}\n{"lost')
        yield True

    assert [row["env_steps"] for row in follow(path, grows().__next__)] == [1, 2, 3]


def test_a_resumed_run_goes_on_and_no_step_is_logged_twice(tmp_path, monkeypatch, log, caplog) -> None:
    fake_wandb(tmp_path, monkeypatch)
    train(tmp_path, range(0, 50, 10))
    train(tmp_path, range(25, 65, 10), resume_at=20)  # steps 30 and 40 are trained again
    assert steps(log) == [0, 10, 20, 30, 40, 45, 55] and not caplog.records
    assert [row["env_steps"] for row in rows(tmp_path / "metrics.jsonl")] == [0, 10, 20, 25, 35, 45, 55]
    first, second = (row["id"] for row in rows(log) if "id" in row)
    assert first == second
    monkeypatch.setenv("WANDB_RUN_ID", "of-a-sweep")  # set by W&B's own agent
    (tmp_path / "wandb.json").unlink()
    train(tmp_path, range(0))
    assert [row["id"] for row in rows(log) if "id" in row][-1] == "of-a-sweep"


def test_what_was_logged_offline_can_be_uploaded(tmp_path, monkeypatch, log, caplog) -> None:
    fake_wandb(tmp_path, monkeypatch)
    train(tmp_path, range(3))
    for _ in range(2):
        train(tmp_path, range(0), mode="online")
    assert steps(log) == [0, 1, 2, 0, 1, 2] and not caplog.records
    assert [row["resume"] for row in rows(log) if "id" in row] == [None, "allow", "allow"]


def test_the_command_uploads_a_finished_run(tmp_path, monkeypatch, log, capsys) -> None:
    fake_wandb(tmp_path, monkeypatch)
    train(tmp_path, range(3))
    assert main(["upload", str(tmp_path)]) == 1
    assert "W&B has no API key here" in capsys.readouterr().err
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert main(["upload", str(tmp_path), "--project", "mine"]) == 0
    assert steps(log) == [0, 1, 2, 0, 1, 2]
    assert [row["project"] for row in rows(log) if "project" in row] == ["project", "mine"]
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert main(["upload", str(tmp_path)]) == 1
    assert "WANDB_MODE" in capsys.readouterr().err


TRAINING = """
import sys, time
from pathlib import Path
from jaxrl.cli.commands import main
from jaxrl.record.sinks import JsonlSink
from jaxrl.record.wandb import WandbSink
sink = JsonlSink(Path(sys.argv[1], "metrics.jsonl"))
wandb = WandbSink(Path(sys.argv[1]), "project", close_timeout=1.0)
for step in range(5):
    sink.write(step, {})
print("ready", wandb._child.pid, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("hangs", [False, True])
def test_a_killed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path, caplog, hangs: bool) -> None:
    """Its child finishes without it, or gives up, and the run that goes on waits for its turn."""
    fake_wandb(tmp_path, monkeypatch, on_finish="time.sleep(1000)" if hangs else "time.sleep(1)")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", TRAINING, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as training:
        assert training.stdout is not None
        child = int(training.stdout.readline().split()[1])
        training.kill()
    fake_wandb(tmp_path, monkeypatch)
    train(tmp_path, range(5, 9), resume_at=4)
    assert steps(log) == list(range(9)) and not caplog.records
    wait_for(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split())


@pytest.mark.parametrize("where", ["on_init", "on_log", "on_finish"])
def test_a_hanging_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path, caplog, where: str) -> None:
    fake_wandb(tmp_path, monkeypatch, **{where: "time.sleep(1000)"})
    with caplog.at_level(logging.WARNING):
        sink = train(tmp_path, range(5000), close_timeout=2.0, mode="online")
    assert len(caplog.records) == 1 and "W&B did not finish within 2 s" in caplog.text and not sink.complete
    assert len(rows(tmp_path / "metrics.jsonl")) == 5000
    fake_wandb(tmp_path, monkeypatch)
    train(tmp_path, range(0), mode="online")
    assert [row["env_steps"] for row in rows(tmp_path / "server")] == list(range(5000)), "it comes with the next part"


@pytest.mark.parametrize("where", ["on_init", "on_log", "on_finish"])
def test_a_raising_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path, caplog, where: str) -> None:
    fake_wandb(tmp_path, monkeypatch, **{where: "raise RuntimeError('no such project')"})
    with caplog.at_level(logging.WARNING):
        train(tmp_path, range(20))
    assert len(caplog.records) == 1
    assert "RuntimeError: no such project" in caplog.text and "the run folder" in caplog.text


def test_it_is_said_at_once_that_wandb_cannot_be_imported(tmp_path, monkeypatch, log, caplog) -> None:
    fake_wandb(tmp_path, monkeypatch, text="raise ImportError('not installed')")
    (tmp_path / "metrics.jsonl").touch()
    sink = WandbSink(tmp_path, "project")
    with caplog.at_level(logging.WARNING):
        wait_for(lambda: sink.write(1, {"a": 1.0}) or caplog.records)
        sink.close()
    assert len(caplog.records) == 1 and "not installed" in caplog.text


def test_the_child_cannot_start(tmp_path: Path, log: Path, caplog) -> None:
    sink = WandbSink(tmp_path / "nowhere", "project")
    sink.write(1, {"a": 1.0})
    sink.close()
    assert len(caplog.records) == 1 and "cannot start" in caplog.text


def test_the_key_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path) -> None:
    assert not has_api_key() and choose_mode("auto") == "offline" and choose_mode("online") == "online"
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.wandb.ai login user password x\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert has_api_key() and choose_mode("auto") == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert not has_api_key()
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert has_api_key()


@pytest.mark.parametrize(
    ("name", "value", "modes"),
    [
        ("WANDB_MODE", "offline", ("offline", "online")),
        ("WANDB_MODE", "online", ("online", "online")),
        ("WANDB_MODE", "disabled", ("disabled", "disabled")),
        ("WANDB_DISABLED", "true", ("disabled", "disabled")),
        ("WANDB_DISABLED", "false", ("online", "online")),
    ],
)
def test_the_variables_of_wandb_are_obeyed(tmp_path, monkeypatch, log, name, value, modes) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "x")
    monkeypatch.setenv(name, value)
    assert (choose_mode("auto"), choose_mode("online")) == modes
    if "disabled" in modes:
        train(tmp_path, range(3))
        assert not log.exists() and not (tmp_path / "wandb.log").exists()


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
        with caplog.at_level(logging.WARNING):
            for part in (range(10), range(10, 20)):
                sink = train(tmp_path, part)
        stop.set()
        listener.join()
    assert sink.mode == "offline" and not caplog.records, caplog.text + (tmp_path / "wandb.log").read_text()
    assert not calls, "offline mode made a connection"
    progress = json.loads((tmp_path / "wandb.json").read_text())
    assert progress["offline"] == 19 and len(list(tmp_path.glob(f"wandb/offline-run-*-{progress['id']}/*.wandb"))) == 2
    assert not (Path.cwd() / "wandb").exists()


def test_game_agent_and_network_are_tags_and_runs_that_differ_in_seed_a_group(log, tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text(
        "name: pong\nenv: {name: envpool, id: Pong-v5}\nagent: {name: casa}\nnetwork: {name: atari}\n"
    )
    fake_wandb(tmp_path, monkeypatch)
    monkeypatch.setenv("WANDB_TAGS", "mine")
    JsonlSink(tmp_path / "metrics.jsonl").close()
    WandbSink(tmp_path, "project", "offline").close()
    (settings,) = rows(log)
    assert settings["group"] == "pong" and settings["tags"] == ["Pong-v5", "casa", "atari", "mine"]
    monkeypatch.setenv("WANDB_RUN_GROUP", "a sweep")
    WandbSink(tmp_path, "project", "offline").close()
    assert rows(log)[-1]["group"] == "a sweep"


def test_score_curve_and_film_are_sent_once_for_each_score(tmp_path):
    class Summary(dict[str, Any]):
        pass

    class Media:
        Image = staticmethod(lambda path: ("image", Path(path).name))
        Video = staticmethod(lambda path, format: ("film", Path(path).name, format))

    class Run:
        summary = Summary()

    assert add_results(Run, tmp_path, Media, None) is None
    (tmp_path / "evaluation.json").write_text('{"mean_return": 18.5, "policy": "greedy", "episodes": 100}')
    (tmp_path / "curve.png").touch()
    (tmp_path / "episode.mp4").touch()
    stamp = add_results(Run, tmp_path, Media, None)
    assert Run.summary == {
        "evaluation/mean_return": 18.5,
        "evaluation/episodes": 100,
        "curve": ("image", "curve.png"),
        "film": ("film", "episode.mp4", "mp4"),
    }
    assert stamp is not None and add_results(Run, tmp_path, Media, stamp) is None
