"""The run folder: everything that a run leaves behind, and where."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from jaxrl.config.sections import RecordConfig
from jaxrl.errors import TRY_AGAIN, UserError

_log = logging.getLogger(__name__)
STAMP = re.compile(r"-(?P<stamp>\d{8}-\d{6})-s(?P<seed>\d+)(\.\d+)?$")
_NAME = re.compile(r"[\w.+=-]+")


class RunDirError(UserError, RuntimeError):
    """A run folder cannot be made, found or written; the message is one sentence that says what to do."""


class BusyError(RunDirError):
    """Another process writes in the run folder, and will end."""

    status = TRY_AGAIN


def write_error(path: Path, error: OSError, instead: str = "another with --record.runs_dir") -> RunDirError:
    """One sentence for a failed write to `path`; `instead` is what else the user may choose."""
    reason = error.strerror or str(error)
    return RunDirError(
        f"cannot write {path}: {reason}; free space there or make the folder writable, or choose {instead}"
    )


class RunDir:
    """`runs/<name>-<YYYYmmdd-HHMMSS>-s<seed>/`: paths only, the writers are the sinks and `Checkpoints`."""

    def __init__(self, path: Path):
        self.path = path
        self.config = path / "config.yaml"  # the resolved config
        self.versions = path / "versions.json"  # what the run ran on
        self.metrics = path / "metrics.jsonl"  # one JSON object a report
        self.episodes = path / "episodes.jsonl"  # one JSON object a finished episode
        self.checkpoints = path / "checkpoints"  # a folder
        self.resumptions = path / "resumptions.jsonl"  # one JSON object a resumption: at which update, what changed
        self._lock = path / "writer.lock"

    @property
    def times_resumed(self) -> int:
        """How often the run went on."""
        return self.resumptions.read_bytes().count(b"\n") if self.resumptions.exists() else 0

    @classmethod
    def create(
        cls,
        runs_dir: str | Path,
        name: str,
        seed: int,
        config: str,
        versions: Mapping[str, Any],
        now: datetime | None = None,
    ) -> RunDir:
        """Make a new folder with `config` (YAML text) and `versions` (see `jaxrl.record.versions`) in it.

        An existing folder is never written into: a second run of the same second, name and seed gets `.1` appended.

        Raises:
            RunDirError: the name is no folder name, or the disk is full or not writable.
        """
        check_name(name)
        stamp = (now or datetime.now()).strftime("%Y%m%d-%H%M%S")
        base = Path(runs_dir).expanduser() / f"{name}-{stamp}-s{seed}"
        path = base
        try:
            base.parent.mkdir(parents=True, exist_ok=True)
            for attempt in range(1, 1000):
                try:
                    path.mkdir()
                    break
                except FileExistsError:
                    path = base.with_name(f"{base.name}.{attempt}")
            else:
                raise RunDirError(f"{base} and 999 more like it exist; choose another --name")
            run = cls(path)
            run.checkpoints.mkdir()
            run.config.write_text(config, encoding="utf-8")
            run.versions.write_text(json.dumps(dict(versions), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise write_error(path, error) from error
        return run

    @classmethod
    def find(cls, word: str) -> RunDir:
        """What a user names: a run folder, or `latest` for the newest in the default folder; raises `RunDirError`."""
        return cls.latest(RecordConfig().runs_dir) if word == "latest" else cls.open(word)

    @classmethod
    def open(cls, path: str | Path) -> RunDir:
        """An existing run folder; raises `RunDirError` where there is none, or it holds no config.yaml."""
        folder = Path(path).expanduser()
        if not folder.is_dir():
            raise RunDirError(f"there is no run folder {folder}; run folders are made by `jaxrl train` under runs/")
        if not (folder / "config.yaml").is_file():
            raise RunDirError(
                f"{folder} is not a run folder: it holds no config.yaml; give a folder made by `jaxrl train`"
            )
        return cls(folder)

    @classmethod
    def latest(cls, runs_dir: str | Path, name: str | None = None, seed: int | None = None) -> RunDir:
        """The run folder that was started last, among those of `name` and of `seed` where these are given.

        Raises:
            RunDirError: `runs_dir` holds no such run folder.
        """
        found = []
        folder = Path(runs_dir).expanduser()
        if folder.is_dir():
            for entry in folder.iterdir():
                match = STAMP.search(entry.name)
                if match is None or name not in (None, entry.name[: match.start()]):
                    continue
                if seed in (None, int(match["seed"])) and (entry / "config.yaml").is_file():
                    found.append((*_started(entry, match["stamp"]), entry.name, entry))
        if not found:
            wanted = "run" if name is None else f"run called {name}"
            wanted += "" if seed is None else f" with seed {seed}"
            raise RunDirError(f"there is no {wanted} in {folder}; start one with `jaxrl train`, or name its folder")
        return cls(max(found)[-1])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """This process alone writes in the folder while the block runs; the lock ends with it, however it ends.

        Raises:
            BusyError: another process writes there.
            RunDirError: the disk is full or not writable.
        """
        with ExitStack() as opened:
            try:
                file = opened.enter_context(self._lock.open("a", encoding="utf-8"))
                lock(file.fileno(), self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(file.fileno(), 0)  # unbuffered: a failed write would come again where the file is closed
                os.write(file.fileno(), f"process {os.getpid()} on {platform.node()}".encode())
            except BlockingIOError:
                raise BusyError(
                    f"{self} is being written by {self._lock.read_text(encoding='utf-8')}; wait for its end, or end it"
                ) from None
            except OSError as error:
                raise write_error(self._lock, error) from error
            yield

    def writer(self) -> str:
        """Who writes in the folder now, such as `process 12 on host`; empty where nobody does."""
        with suppress(FileNotFoundError), self._lock.open(encoding="utf-8") as file:
            try:
                lock(file.fileno(), self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read() or "a process that is just starting"
        return ""

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __str__(self) -> str:
        return str(self.path)


def _started(folder: Path, stamp: str) -> tuple[float, int]:
    """When a run began, in seconds since 1970 whatever the time zone was; in the same second the later file decides."""
    versions = folder / "versions.json"
    try:
        text = json.loads(versions.read_text(encoding="utf-8"))["started"]
    except (OSError, ValueError, LookupError, TypeError):  # a copy without it; the folder's name has local time
        text = datetime.strptime(stamp, "%Y%m%d-%H%M%S").isoformat()
    written = versions if versions.exists() else folder / "config.yaml"
    return datetime.fromisoformat(text).timestamp(), written.stat().st_mtime_ns


def lock(file: int, path: Path, kind: int) -> None:
    """Take a lock of `fcntl.flock` on the open file `path`; on a file system without locks, as some of clusters, warn.

    Raises:
        BlockingIOError: another process has it, and `kind` says not to wait.
    """
    try:
        fcntl.flock(file, kind)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
            raise
        _log.warning(
            "The file system of %s has no locks (%s): see yourself that one process at a time writes there.",
            path,
            error.strerror,
        )


def check_name(name: str) -> None:
    """Raises `RunDirError` where no run folder can be called so."""
    if not _NAME.fullmatch(name):
        raise RunDirError(f"the run name {name!r} cannot name a folder; use letters, digits, '-', '_', '.' in --name")
