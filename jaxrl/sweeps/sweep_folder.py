"""The folder of a sweep, and the manifest that makes it resumable.

    manifest.json              the plan: every run, its config, settings and members; written by the launcher only
    runs/<id>/state.json       how far one run is; written only by the process that looks after it
    runs/<id>/output.log       what its attempts printed
    runs/<id>/<run folder>     what `jaxrl train` made

One writer a file and atomic replacement: nothing is locked but the launcher itself, also where every run is a job on
another host, and a process killed at any moment leaves the state before or the state after.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from jaxrl.errors import UserError
from jaxrl.record.files import replace_json
from jaxrl.record.rundir import RunDir, RunDirError, lock, write_error
from jaxrl.sweeps.expand import Run

Status = Literal["waiting", "queued", "running", "interrupted", "failed", "finished"]
FORMAT = 1
PATIENCE_S = 10.0  # for a launcher that was hung up, and lets its runs save


class SweepError(UserError, RuntimeError):
    """A sweep cannot be started or gone on with; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class State:
    """How far one run is."""

    status: Status = "waiting"
    attempts: int = 0  # times it was started
    exit_status: int | None = None  # of the last attempt; negative for a signal
    seconds: float = 0.0  # over all attempts
    job: str | None = None  # of the scheduler
    last_lines: tuple[str, ...] = ()  # of a failed one; of a finished one why it was stopped early


@dataclass(frozen=True)
class SweepFolder:
    """Paths and records of one sweep."""

    path: Path

    def of(self, run_id: str) -> Path:
        """The folder that belongs to one run."""
        return self.path / "runs" / run_id

    def made(self, run_id: str) -> RunDir | None:
        """What `jaxrl train` made for one run; None before it has."""
        try:
            return RunDir.latest(self.of(run_id))
        except RunDirError:
            return None

    def writer(self, run_id: str) -> str:
        """Which process writes in there, as one whose launcher was killed does until it has saved; or empty."""
        made = self.made(run_id)
        return made.writer() if made else ""

    def log(self, run_id: str) -> Path:
        """Everything that its attempts printed."""
        return self.of(run_id) / "output.log"

    def write_plan(self, runs: Sequence[Run]) -> None:
        """Replace the plan; the states of runs that stay in it stay."""
        rows = [dataclasses.asdict(run) for run in runs]
        replace_json(self.path / "manifest.json", {"format": FORMAT, "runs": rows}, indent=1)

    def plan(self) -> list[Run]:
        """The runs of the plan, in order; raises `SweepError` where there is none, or one of another version."""
        path = self.path / "manifest.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise SweepError(
                    f"{path} has format {content['format']}, this version reads {FORMAT}; choose another --out"
                )
            return [_run(row) for row in content["runs"]]
        except OSError:
            raise SweepError(f"there is no sweep in {self.path}; start one with `jaxrl sweep FILE`") from None
        except (ValueError, TypeError, LookupError, AttributeError):
            raise SweepError(f"{path} is damaged; remove it and start the sweep again, finished runs stay") from None

    def state(self, run_id: str) -> State:
        """The state of one run; waiting where nothing was written yet."""
        try:
            content = json.loads((self.of(run_id) / "state.json").read_text(encoding="utf-8"))
            return State(**{**content, "last_lines": tuple(content["last_lines"])})
        except (OSError, ValueError, TypeError, KeyError):
            return State()

    def set_state(self, run_id: str, state: State) -> None:
        replace_json(self.of(run_id) / "state.json", dataclasses.asdict(state), indent=1)

    def change(self, run_id: str, **changes: Any) -> State:
        state = replace(self.state(run_id), **changes)
        self.set_state(run_id, state)
        return state

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One launcher at a time, or `SweepError`; the lock ends with the process."""
        path = self.path / "launcher.lock"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = path.open("w")
        except OSError as error:
            raise write_error(self.path, error) from error
        with file:
            limit = time.monotonic() + PATIENCE_S
            while True:
                try:
                    lock(file.fileno(), path, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > limit:
                        at_work = f"a launcher is at work in {self.path} already"
                        raise SweepError(f"{at_work}; end it, or choose another --out") from None
                time.sleep(0.1)
            yield


def _run(row: Mapping[str, Any]) -> Run:
    members = tuple(_run(member) for member in row.get("members", ()))
    return Run(**{**row, "words": tuple(row["words"]), "members": members})
