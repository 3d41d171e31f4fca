"""One checkpoint on disk: the arrays in one file that NumPy reads, everything else in a manifest of checksums.

    arrays.npz      every leaf by its path; `numpy.load` reads it without jaxrl
    manifest.json   paths, kinds, dtypes and shapes, counters, and the SHA-256 of the arrays and of itself

Written synchronously: when `write` returns, everything is on the disk. Format 1, of before, had its arrays from orbax;
it is read, and no longer written.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxrl.record.leaves import Leaf

MANIFEST, ARRAYS = "manifest.json", "arrays.npz"
_FORMAT = 2
EPOCH = (1980, 1, 1, 0, 0, 0)  # of members of a zip: the same content gives the same bytes


class DamagedError(Exception):
    """A checkpoint is not what was written; the message says which file."""


def write(folder: Path, step: int, leaves: Sequence[Leaf], counters: Mapping[str, Any]) -> None:
    """Fill the existing, empty `folder`; raises `OSError` where the disk is full or not writable."""
    arrays = folder / ARRAYS
    with arrays.open("wb") as file:
        np.savez(file, **{leaf.path: leaf.array for leaf in leaves if leaf.array is not None})  # type: ignore
    sync(arrays)
    write_manifest(folder, step, leaves, counters)
    sync(folder)


def write_manifest(folder: Path, step: int, leaves: Sequence[Leaf], counters: Mapping[str, Any]) -> None:
    """Say what `folder` holds; what has no manifest is no checkpoint."""
    described = [
        {"path": leaf.path, "kind": leaf.kind}
        | ({} if leaf.array is None else {"dtype": leaf.array.dtype.name, "shape": list(leaf.array.shape)})
        for leaf in leaves
    ]
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in counters.items()}
    files = {ARRAYS: _digest_of(folder / ARRAYS)}
    body = {"format": _FORMAT, "step": step, "counters": plain, "leaves": described, "files": files}
    text = json.dumps({"sha256": _digest(body), **body}, indent=1)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    sync(folder / MANIFEST)


def read(folder: Path) -> tuple[dict[str, Any], list[Leaf]]:
    """The counters and the leaves; raises `DamagedError` where a file is missing, changed, or of an unknown format."""
    content = _read_manifest(folder)
    for name, expected in content["files"].items():
        try:
            found = _digest_of(folder / name)
        except OSError as error:
            raise DamagedError(f"{name} cannot be read") from error
        if found != expected:
            raise DamagedError(f"{name} is damaged")
    try:
        if content["format"] == 1:
            from jaxrl.record.format1 import read_leaves  # rarely needed, and slow to load

            return content["counters"], read_leaves(folder, content["leaves"])
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            return content["counters"], [read_leaf(entry, arrays) for entry in content["leaves"]]
    except Exception as error:  # zipfile, NumPy and tensorstore raise many kinds
        raise DamagedError(f"its arrays cannot be read: {str(error).splitlines()[:1]}") from error


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        body = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        digest, known = body.pop("sha256"), body["format"] in (1, _FORMAT)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{MANIFEST} cannot be read") from error
    if digest != _digest(body):
        raise DamagedError(f"{MANIFEST} is damaged")
    if not known:
        raise DamagedError(f"its format is {body['format']}, and this version reads 1 to {_FORMAT}")
    return body


def read_leaf(entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Leaf:
    """The leaf that `entry` describes by path, kind and dtype."""
    if entry.get("dtype") is None:
        return Leaf(entry["path"], entry["kind"], None)
    # A dtype that NumPy does not know, such as bfloat16, comes back as bytes without a name.
    return Leaf(entry["path"], entry["kind"], arrays[entry["path"]].view(np.dtype(entry["dtype"])))


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Force a file or folder to the disk, so that a power cut after the rename finds it whole."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def add(file: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add bytes under a name to a zip, which has the same bytes on every day."""
    file.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)


def add_array(file: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    """Add an array as `NAME.npy`, which `numpy.load` reads, without pickle."""
    held = io.BytesIO()
    np.save(held, array, allow_pickle=False)
    add(file, f"{name}.npy", held.getvalue())
