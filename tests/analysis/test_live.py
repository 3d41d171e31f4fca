"""The page about a run, over HTTP and in a real browser: what it says, that it goes on, and who gets in."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest

from jaxrl.analysis.live import FILMS, make_server, watch_training
from jaxrl.errors import ConfigError
from jaxrl.record.files import newest
from jaxrl.record.rundir import RunDir

CONFIG = "name: pong\nseed: 2\nenv_steps: 1000\nenv: {name: envpool, id: Pong-v5}\nagent: {name: casa}\n"


@pytest.fixture
def run(tmp_path):
    made = RunDir.create(tmp_path, "pong", 2, CONFIG, {})
    report(made, 100, -20.5)
    return made


def report(run, env_steps, value, end="\n"):
    with run.metrics.open("a") as file:
        file.write(json.dumps({"env_steps": env_steps, "episode/return": value, "rate/env_steps": 90.0}) + end)


@pytest.fixture
def get(run):
    """A function that asks the server of the page."""
    with make_server(run) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def ask(path, host=None, method="GET"):
            connection = http.client.HTTPConnection(*server.server_address, timeout=20)
            connection.request(method, path, headers={"Host": host} if host else {})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.headers)

        ask.address = f"http://{server.server_address[0]}:{server.server_address[1]}/"
        yield ask
        server.shutdown()
        thread.join()


def test_whoever_asked_and_is_gone_costs_no_traceback(run, get, capfd):
    (run.path / "episode.mp4").write_bytes(bytes(30_000_000))  # more than a socket holds
    host, port = get.address.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"GET /film HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # so that it is reset
    assert get("/run")[0] == 200
    time.sleep(0.5)
    assert not capfd.readouterr().err


def test_what_there_is_now(run, get):
    status, content, headers = get("/run")
    told = json.loads(content)
    assert status == 200 and headers["Cache-Control"] == "no-store"
    assert told["title"] == "Pong-v5: pong, seed 2" and told["total"] == 1000 and told["config"] == CONFIG
    assert told["running"] is False and told["evaluation"] is None and told["film"] is None
    (run.path / "evaluation.json").write_text('{"mean_return": 3.5}')
    (run.path.parent / "output.log").write_text("a line of the log")
    with run.locked():
        told = json.loads(get("/run")[1])
    assert told["running"] is True and told["evaluation"] == {"mean_return": 3.5} and "a line of the log" in told["log"]


def test_reports_go_on_where_the_page_stopped(run, get):
    first = json.loads(get("/metrics?from=0")[1])
    assert [row["env_steps"] for row in first["rows"]] == [100] and first["next"] == 1
    report(run, 200, -19.0)
    report(run, 300, -18.0, end="")  # a line that is still being written
    later = json.loads(get("/metrics?from=1")[1])
    assert [row["env_steps"] for row in later["rows"]] == [200] and later["next"] == 2
    assert json.loads(get("/metrics?from=2")[1])["rows"] == []


def test_damaged_lines_and_numbers_that_no_browser_reads(run, get):
    with run.metrics.open("a") as file:
        file.write('{"env_steps": 1, broken\n\n{"env_steps": 300, "loss/total": NaN}\n')
    (run.path / "evaluation.json").write_text('{"mean_return": NaN}')
    told = json.loads(get("/metrics")[1])
    assert told["rows"][-1] == {"env_steps": 300, "loss/total": None} and told["next"] == len(told["rows"]) + 2
    assert json.loads(get("/run")[1])["evaluation"] == {"mean_return": None}


def test_the_newest_film(run, get):
    assert get("/film")[0] == 404
    (run.path / "a.gif").write_bytes(b"GIF89a")
    assert get("/film?1")[1:2] == (b"GIF89a",) and get("/film")[2]["Content-Type"] == "image/gif"
    (run.path / ".scratch.mp4").write_bytes(b"half")
    assert newest(run.path, FILMS).name == "a.gif"


def test_nobody_else_gets_in_and_nothing_is_loaded_from_elsewhere(get):
    assert get("/run", host="evil.example:80")[0] == 403, "a page of the internet could read a run by a rebound name"
    assert get("/run", host="localhost:1")[0] == 200
    assert get("/../config.yaml")[0] == get("/config.yaml")[0] == 404
    assert get("/", method="POST")[0] == 501
    status, page, headers = get("/")
    assert status == 200 and b"://" not in page.replace(b"http://www.w3.org/2000/svg", b"")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert get.address.startswith("http://127.0.0.1:")


def test_a_port_that_is_taken_or_none(run, get):
    for port in (int(get.address.rstrip("/").rpartition(":")[2]), -1, 99999):
        with pytest.raises(ConfigError, match=f"--port {port} cannot be served"):
            watch_training(run, port)


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_curves(run, get):
    for step in range(200, 1000, 100):
        report(run, step, -20 + step / 50)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000", "--dump-dom"]
    done = subprocess.run([BROWSER, *options, get.address], capture_output=True, text=True, timeout=200)
    assert "Pong-v5: pong, seed 2" in done.stdout and "900 of 1,000 env steps (90.0 %)" in done.stdout, done.stderr
    assert 'data-metric="episode/return"' in done.stdout and "<polyline" in done.stdout
    assert '<div id="state">the server' not in done.stdout
