"""Reports to Weights & Biases, in a process of its own: whatever W&B or the network does, the run goes on.

`WandbSink` only puts reports into a bounded queue. A daemon thread feeds them through a pipe to a child process (`main`
below), which alone imports wandb. A thread would not be enough: wandb installs exit hooks that can hold up the end of
the interpreter for as long as its own service hangs. A child can be killed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import netrc
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

_log = logging.getLogger(__name__)
_QUEUE_SIZE = 1000  # reports that wait while W&B is slow; beyond that they are dropped and counted


class WandbSink:
    """Sends each report to W&B; never raises, and never waits except in `close`.

    Args:
        run_dir: W&B's files go to its `wandb` folder, its messages to `wandb.log`.
        project: that the run is filed under.
        config: the resolved config, for W&B's table of runs; must be writable as JSON.
        mode: `auto` is `online` where an API key is set and `offline` otherwise. Offline makes no connection at all.
        close_timeout: seconds that `close` waits for W&B to finish.
    """

    def __init__(
        self,
        run_dir: Path,
        project: str,
        config: Mapping[str, Any] | None = None,
        mode: Literal["auto", "online", "offline"] = "auto",
        close_timeout: float = 15.0,
    ):
        self.dropped = 0
        self._folder = run_dir
        self._log_path = run_dir / "wandb.log"
        self._close_timeout = close_timeout
        self._queue: queue.Queue[str | None] = queue.Queue(_QUEUE_SIZE)
        self._warned = False
        self._closed = False
        self._child: subprocess.Popen[str] | None = None
        self.mode = ("online" if has_api_key() else "offline") if mode == "auto" else mode
        first = {
            "project": project,
            "name": run_dir.name,
            "dir": str(run_dir),
            "mode": self.mode,
            "config": config or {},
        }
        try:
            greeting = json.dumps(first, default=str)
            with self._log_path.open("a") as log:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "jaxrl.record.wandb"],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    text=True,
                    env=_environment(self.mode),
                    start_new_session=True,  # Ctrl-C is for the run, which then closes W&B in order
                )
        except (OSError, ValueError) as error:
            self._warn(f"cannot start: {error}")
            return
        self._queue.put(greeting)
        self._thread = threading.Thread(target=self._feed, name="wandb", daemon=True)
        self._thread.start()

    def write(self, env_steps: int, values: Mapping[str, float]) -> None:
        """Hand over one report; dropped and counted in `dropped` where W&B is too far behind."""
        if self._closed or self._child is None:
            return
        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        try:
            self._queue.put_nowait(json.dumps({"env_steps": int(env_steps), **finite}))
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Let W&B finish, for at most `close_timeout` seconds, then end it; a second call does nothing."""
        if self._closed or self._child is None:
            return
        self._closed = True
        deadline = time.monotonic() + self._close_timeout
        if self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=self._close_timeout)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        try:
            status = self._child.wait(max(0.0, deadline - time.monotonic()))
            if status != 0:
                self._warn(f"W&B ended with status {status} ({self._last_message()})")
        except subprocess.TimeoutExpired:
            self._warn(f"W&B did not finish within {self._close_timeout:g} s and was ended")
        # Also after a good end: W&B's own service process belongs to the group and must not outlive the run.
        with contextlib.suppress(OSError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._thread.join(5.0)  # returns at once: nobody reads the pipe any more, so that the thread's write fails
        if self.dropped:
            self._warn(f"W&B was too slow and missed {self.dropped} reports")

    def _feed(self) -> None:
        """Body of the thread: pass the queue on, until None or until the child is gone."""
        assert self._child is not None and self._child.stdin is not None
        pipe = self._child.stdin
        try:
            while (line := self._queue.get()) is not None:
                pipe.write(line + "\n")
                pipe.flush()
        except OSError:  # nobody reads any more
            if not self._closed:
                self._warn(f"W&B has ended ({self._last_message()})")
        finally:
            with contextlib.suppress(OSError):
                pipe.close()

    def _warn(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            _log.warning("W&B logging is incomplete: %s; the run folder %s has everything.", reason, self._folder)

    def _last_message(self) -> str:
        try:
            lines = self._log_path.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else "no message"


def has_api_key() -> bool:
    """Whether W&B would find a key: in WANDB_API_KEY, or in the netrc file under its host."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _environment(mode: str) -> dict[str, str]:
    """The child's environment: no crash reports over the network, no prompts, no capture of the (empty) output."""
    quiet = {"WANDB_MODE": mode, "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true", "WANDB_CONSOLE": "off"}
    search_path = os.pathsep.join(path for path in sys.path if path)  # the child must find the same jaxrl and wandb
    return {**os.environ, **quiet, "PYTHONPATH": search_path}


def main() -> None:
    """Body of the child: the first line of standard input says how to start, every other one is a report."""
    first = json.loads(sys.stdin.readline())
    import wandb  # here only: slow to import, and optional

    run = wandb.init(
        project=first["project"], name=first["name"], dir=first["dir"], config=first["config"], mode=first["mode"]
    )
    run.define_metric("env_steps")
    run.define_metric("*", step_metric="env_steps")
    for line in sys.stdin:
        run.log(json.loads(line))
    run.finish()


if __name__ == "__main__":
    main()
