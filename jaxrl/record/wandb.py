"""Reports to Weights & Biases, by a process that follows metrics.jsonl: whatever W&B does, the run goes on.

The child (`main` below, which alone imports wandb) hands on every line until its standard input closes, so nothing is
queued and nothing dropped. A thread would not do: wandb installs exit hooks that can hold up the end of the interpreter
for as long as its own service hangs. A child can be killed.

`wandb.json` in the run folder keeps W&B's id of the run and how far each mode has got, so that a resumed run goes on
under the same id, and one that was logged offline can still be uploaded. No step is logged twice: where a resumed run
falls back to a checkpoint, W&B keeps what it has of the steps that are trained again, and goes on after them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import netrc
import os
import secrets
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import yaml

from jaxrl.record.files import newest
from jaxrl.record.rundir import lock

_log = logging.getLogger(__name__)
LOOK_S = 1.0  # between two looks at the file


class WandbSink:
    """Starts the process that sends each report to W&B; never raises, and never waits except in `close`.

    Args:
        run_dir: whose reports are sent. W&B's files go to its `wandb` folder, its messages to `wandb.log`.
        mode: of `choose_mode`. Offline makes no connection at all.
    """

    def __init__(self, run_dir: Path, project: str, mode: str = "auto", close_timeout: float = 15.0):
        self.mode = choose_mode(mode)
        self.complete = True  # as far as is known
        self._folder, self._close_timeout = run_dir, close_timeout
        self._child: subprocess.Popen[bytes] | None = None
        if self.mode == "disabled":
            return
        try:
            with (run_dir / "wandb.log").open("a") as log:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "jaxrl.record.wandb", run_dir, project, self.mode, str(close_timeout)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env=_environment(self.mode),
                    start_new_session=True,  # Ctrl-C is for the run, which then closes W&B in order
                )
        except OSError as error:
            self._warn(f"W&B cannot start: {error}")

    def write(self, env_steps: int, values: Mapping[str, float]) -> None:
        """Look after the child, which finds the report in the file."""
        if self._child is not None and (status := self._child.poll()) is not None:
            self._warn(f"W&B ended with status {status} ({self._last_message()})")

    def close(self) -> None:
        """Let W&B finish, for at most `close_timeout` seconds, then end it; a second call does nothing."""
        child, self._child = self._child, None
        if child is None or child.stdin is None:
            return
        child.stdin.close()
        try:
            if status := child.wait(self._close_timeout):
                self._warn(f"W&B ended with status {status} ({self._last_message()})")
        except subprocess.TimeoutExpired:
            self._warn(f"W&B did not finish within {self._close_timeout:g} s and was ended")
        # Also after a good end: W&B's own service process belongs to the group and must not outlive the run.
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def _warn(self, reason: str) -> None:
        if self.complete:
            self.complete = False
            _log.warning("W&B logging is incomplete: %s; the run folder %s has everything.", reason, self._folder)

    def _last_message(self) -> str:
        lines = (self._folder / "wandb.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"


def choose_mode(setting: str) -> str:
    """`disabled` where WANDB_DISABLED or WANDB_MODE says so, else `setting`: `online`, `offline`, or `auto`, which is
    online where there is an API key and WANDB_MODE is not offline."""
    told = os.environ.get("WANDB_MODE", "")
    if told == "disabled" or os.environ.get("WANDB_DISABLED", "").lower() not in ("", "0", "false", "no"):
        return "disabled"
    if setting != "auto":
        return setting
    return "online" if has_api_key() and told not in ("offline", "dryrun") else "offline"


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


def follow(path: Path, is_over: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """The whole lines of a JSONL file that grows; ends with the file once `is_over()`."""
    part, over = b"", False
    with path.open("rb") as file:
        while not over:
            over = is_over()  # asked first: what was written before must still be read
            for line in file:
                part += line
                if part.endswith(b"\n"):
                    yield json.loads(part)
                    part = b""


def main(run_dir: str, project: str, mode: str, close_timeout: str) -> None:
    """Body of the child; its standard input closes when the run has ended, in order or not."""
    folder = Path(run_dir)
    file = os.open(path := folder / "wandb.json", os.O_RDWR | os.O_CREAT, 0o666)
    lock(file, path, fcntl.LOCK_EX)  # the child of a run that was killed may still be at work
    progress = json.loads(os.read(file, 1000) or "{}")
    progress.setdefault("id", os.environ.get("WANDB_RUN_ID") or secrets.token_hex(4))
    _keep(file, progress)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    import wandb  # here only: slow to import, and optional

    settings: dict[str, Any] = {"mode": mode, "id": progress["id"], "resume": "allow" if mode == "online" else None}
    settings |= {"group": os.environ.get("WANDB_RUN_GROUP") or config.get("name"), "tags": tags_of(config)}
    run = wandb.init(project=project, name=folder.name, dir=run_dir, config=config, **settings)
    run.define_metric("env_steps")
    run.define_metric("*", step_metric="env_steps")
    if mode == "online":  # what was handed over did not arrive where W&B hung, or was ended, before it was sent
        arrived = run.starting_step - 1 if run.resumed else -1
        progress[mode] = min(progress.get(mode, -1), arrived)
    for row in follow(folder / "metrics.jsonl", lambda: bool(select.select([sys.stdin], [], [], LOOK_S)[0])):
        if row["env_steps"] > progress.get(mode, -1):
            run.log({name: value for name, value in row.items() if value is not None}, row["env_steps"], commit=True)
            progress[mode] = row["env_steps"]
            _keep(file, progress)
    stamp = add_results(run, folder, wandb, progress.get(f"{mode}_results"))
    signal.alarm(round(float(close_timeout)) + 1)  # whoever would end it may have been killed
    run.finish()
    if stamp is not None:
        _keep(file, {**progress, f"{mode}_results": stamp})


def _keep(file: int, progress: Mapping[str, Any]) -> None:
    os.pwrite(file, f"{json.dumps(progress):300}\n".encode(), 0)  # one call, which no signal divides


def tags_of(config: Mapping[str, Any]) -> list[str]:
    """What runs are filtered by: the game, the agent and the network; those of WANDB_TAGS beside them."""
    parts = [config.get(section, {}) for section in ("env", "agent", "network")]
    names = [str(part.get("id") or part.get("name") or "") for part in parts]
    return [*filter(None, names), *filter(None, os.environ.get("WANDB_TAGS", "").split(","))]


def add_results(run: Any, folder: Path, wandb: Any, sent: float | None) -> float | None:
    """Put score, curve and newest film into the run's summary, where there is a score that was not `sent` yet.

    Returns:
        When the score was written, in seconds since 1970; None where there is nothing new.
    """
    path = folder / "evaluation.json"
    if not path.exists() or (stamp := path.stat().st_mtime) == sent:
        return None
    scores = json.loads(path.read_text(encoding="utf-8"))
    run.summary.update(
        {f"evaluation/{name}": value for name, value in scores.items() if isinstance(value, int | float)}
    )
    if (folder / "curve.png").exists():
        run.summary["curve"] = wandb.Image(str(folder / "curve.png"))
    if film := newest(folder, (".mp4", ".gif")):
        run.summary["film"] = wandb.Video(str(film), format=film.suffix[1:])
    return stamp


if __name__ == "__main__":
    main(*sys.argv[1:])
