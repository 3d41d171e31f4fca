"""A page about one run, also while it trains: curves, newest film, score, config, log. For this machine only.

/                 the page (live.html)
/run              what there is now: state, score, config, log
/metrics?from=N   reports from line N on
/film             the newest film in the run folder
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jaxrl.analysis.runs import read_env, read_record, read_settings
from jaxrl.errors import ConfigError
from jaxrl.record.files import newest, tail
from jaxrl.record.metrics import METRICS
from jaxrl.record.rundir import RunDir

HOST = "127.0.0.1"
FILMS = {".mp4": "video/mp4", ".gif": "image/gif", ".webp": "image/webp"}
LOG_BYTES = 20_000  # of the end of a log
# The page may load from this server only, whatever stands in a run folder.
POLICY = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
POLICY += "img-src 'self'; media-src 'self'"


def describe(run: RunDir) -> dict[str, Any]:
    """State, score, config and log of a run, for the page."""
    settings, film = read_settings(run), newest(run.path, FILMS)
    logs = [path for path in (run.path.parent / "output.log", run.path / "wandb.log") if path.exists()]
    return {
        "name": run.path.name,
        "title": f"{read_env(run)}: {settings['name']}, seed {settings['seed']}",
        "total": settings["env_steps"],
        "running": bool(run.writer()),
        "evaluation": read_record(run, "evaluation.json"),
        "resumptions": run.times_resumed,
        "film": None if film is None else {"name": film.name, "stamp": film.stat().st_mtime_ns},
        "config": run.config.read_text(encoding="utf-8"),
        "log": "\n\n".join(f"{path.name}:\n{tail(path, LOG_BYTES)}" for path in logs),
        "meanings": {name: f"{metric.meaning} [{metric.unit}]" for name, metric in METRICS.items()},
    }


def reports(run: RunDir, first: int) -> dict[str, Any]:
    """The whole lines of metrics.jsonl from number `first` on, but what is no JSON; `next` is where to go on."""
    lines = run.metrics.read_bytes().split(b"\n")[:-1] if run.metrics.exists() else []
    rows = []
    for line in lines[first:]:
        with suppress(ValueError):
            rows.append(json.loads(line))
    return {"rows": rows, "next": len(lines)}


class Page(BaseHTTPRequestHandler):
    """Answers every GET about `run`."""

    def __init__(self, run: RunDir, *request: Any):
        self._run = run
        super().__init__(*request)  # which answers

    def do_GET(self) -> None:
        address, run = urlsplit(self.path), self._run
        if self.headers.get("Host", "").partition(":")[0] not in (HOST, "localhost"):  # a name that was rebound
            self.send_error(403)
        elif address.path == "/":
            self._send("text/html; charset=utf-8", Path(__file__).with_name("live.html").read_bytes())
        elif address.path == "/run":
            self._send_json(describe(run))
        elif address.path == "/metrics":
            first = parse_qs(address.query).get("from", ["0"])[0]
            self._send_json(reports(run, int(first) if first.isdecimal() else 0))
        elif address.path == "/film" and (film := newest(run.path, FILMS)) is not None:
            self._send(FILMS[film.suffix], film.read_bytes())
        else:
            self.send_error(404)

    def _send_json(self, content: Any) -> None:
        """Without NaN and infinities, which no browser reads."""
        finite = json.loads(json.dumps(content), parse_constant=lambda _: None)
        self._send("application/json", json.dumps(finite).encode())

    def _send(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        headers = {"Content-Type": kind, "Content-Length": str(len(content)), "Cache-Control": "no-store"}
        for name, value in {**headers, "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}.items():
            self.send_header(name, value)
        with suppress(ConnectionError):  # whoever asked is gone
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None: ...


def make_server(run: RunDir, port: int = 0) -> ThreadingHTTPServer:
    """A server of the page, not yet serving; port 0 takes a free one, and one that is taken raises `ConfigError`."""
    try:
        return ThreadingHTTPServer((HOST, port), partial(Page, run))
    except (OSError, OverflowError) as error:  # the latter where no port has such a number
        why = error.strerror if isinstance(error, OSError) else "ports are 0 to 65535"
        raise ConfigError(f"--port {port} cannot be served: {why}; leave it out to take a free one") from None


def watch_training(run: RunDir, port: int = 0, say: Callable[[str], None] = print) -> None:
    """Serve the page until Ctrl-C."""
    with make_server(run, port) as server:
        say(f"http://{HOST}:{server.server_address[1]} shows {run}; Ctrl-C ends the page, and no training")
        server.serve_forever()
