"""Files that are whole or absent: written beside their place, then moved into it in one step."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from jaxrl.record.rundir import write_error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A scratch path with the suffix of `path`: it replaces `path` where the block ends, and is removed if that raises.

    A reader, or a process killed at any moment, finds the old file or the new one. A link stays, and what it points to
    is replaced.

    Raises:
        RunDirError: the disk is full, the folder may not be written to, or `path` is one itself, or a device.
    """
    path = path.resolve()
    scratch = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is a folder or a device")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield scratch
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(path, error, "another place") from error


def check_writable(path: Path) -> None:
    """Raise the errors of `replacing` before the work whose result goes to `path`; nothing is left there."""
    with suppress(_Rehearsed), replacing(path) as scratch:
        scratch.touch()
        raise _Rehearsed


class _Rehearsed(Exception):
    """All but the replacement was done."""


def tail(path: Path, size: int) -> str:
    """The last `size` bytes of a text that may be written at this moment; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def newest(folder: Path, endings: Collection[str]) -> Path | None:
    """The file with one of these endings that was written last, whole."""
    found = [path for path in folder.iterdir() if path.suffix in endings and not path.name.startswith(".")]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def replace_json(path: Path, content: Any, indent: int = 2) -> None:
    """Write JSON, as `replace_text` does."""
    replace_text(path, json.dumps(content, indent=indent) + "\n")


def replace_text(path: Path, text: str) -> None:
    """Write a text; what a crash of the machine leaves is the old or the new, too. Errors as for `replacing`."""
    with replacing(path) as scratch, scratch.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
