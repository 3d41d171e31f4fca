"""The checksum manifest of a checkpoint: it makes every kind of silent damage visible."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

NAME = "manifest.json"


class DamagedError(Exception):
    """A checkpoint is not what was written; the message says which file."""


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write `content` and the SHA-256 of every file in `folder`, and force it all to the disk."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = _digest(path.read_bytes())
            sync(path)
    body = {**content, "files": files}
    text = json.dumps({"sha256": _digest(_canonical(body)), **body}, indent=1)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")
    sync(folder / NAME)
    for path in [*(entry for entry in folder.rglob("*") if entry.is_dir()), folder]:
        sync(path)


def read(folder: Path) -> dict[str, Any]:
    """What `write` was given.

    Raises:
        DamagedError: a file is missing, short or changed, the manifest itself included.
    """
    try:
        body = json.loads((folder / NAME).read_text(encoding="utf-8"))
        digest = body.pop("sha256")
        files = body["files"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{NAME} cannot be read") from error
    if digest != _digest(_canonical(body)):
        raise DamagedError(f"{NAME} is damaged")
    for name, expected in files.items():
        try:
            found = _digest((folder / name).read_bytes())
        except OSError as error:
            raise DamagedError(f"{name} cannot be read") from error
        if found != expected:
            raise DamagedError(f"{name} is damaged")
    return body


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True).encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sync(path: Path) -> None:
    """Force a file or folder to the disk, so that a power cut after the rename finds it whole."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
