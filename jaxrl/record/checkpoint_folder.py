"""One checkpoint on disk: arrays by orbax, everything else in the manifest."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxrl.record import manifest
from jaxrl.record.leaves import Leaf

_ARRAYS = "arrays"
_FORMAT = 1


def write(folder: Path, step: int, leaves: Sequence[Leaf], counters: Mapping[str, Any]) -> None:
    """Fill the existing, empty `folder`.

    Raises:
        OSError: the disk is full or not writable; where orbax notices it, its own errors.
    """
    _require_space(folder, sum(leaf.array.nbytes for leaf in leaves if leaf.array is not None))
    # Names inside orbax are positions: parameter names may hold any character, and the manifest has them anyway.
    arrays = {f"{index:05d}": leaf.array for index, leaf in enumerate(leaves) if _stored(leaf)}
    if arrays:
        with _quiet(), _checkpointer() as checkpointer:  # synchronous; leaves no thread
            checkpointer.save((folder / _ARRAYS).resolve(), arrays)
    described = [
        {"path": leaf.path, "kind": leaf.kind}
        | ({} if leaf.array is None else {"dtype": leaf.array.dtype.name, "shape": list(leaf.array.shape)})
        for leaf in leaves
    ]
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in counters.items()}
    manifest.write(folder, {"format": _FORMAT, "step": step, "counters": plain, "leaves": described})


def read(folder: Path) -> tuple[dict[str, Any], list[Leaf]]:
    """The counters and the leaves.

    Raises:
        manifest.DamagedError: not everything is as it was written.
    """
    content = manifest.read(folder)
    if content.get("format") != _FORMAT:
        raise manifest.DamagedError(f"its format is {content.get('format')}, this version reads {_FORMAT}")
    leaves = [_empty(entry) for entry in content["leaves"]]
    names = {f"{index:05d}": index for index, leaf in enumerate(leaves) if _stored(leaf)}
    if names:
        as_numpy = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
        try:
            with _quiet(), _checkpointer() as checkpointer:
                arrays = checkpointer.restore((folder / _ARRAYS).resolve(), restore_args=as_numpy)
        except Exception as error:  # orbax and tensorstore raise many kinds
            raise manifest.DamagedError(f"orbax cannot read it: {str(error).splitlines()[:1]}") from error
        for name, index in names.items():
            leaves[index] = leaves[index]._replace(array=np.asarray(arrays[name]))
    return content["counters"], leaves


def _checkpointer() -> ocp.Checkpointer:
    """Of this process alone: where several hosts train together one saves, and orbax would wait for the others."""
    this = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=this, active_processes={this}, barrier_sync_key_prefix=f"host-{this}"
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def _require_space(folder: Path, size: int) -> None:
    """Ask before writing: orbax's threads that run into a full disk print tracebacks which nobody can catch."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(
            errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({size / 1e6:.1f} MB wanted, {free / 1e6:.1f} MB free)"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep orbax from logging a traceback beside the error that it raises and that becomes one sentence."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _stored(leaf: Leaf) -> bool:
    """Whether orbax gets the leaf: it refuses arrays without elements, for which dtype and shape say everything."""
    return leaf.array is not None and leaf.array.size > 0


def _empty(entry: Mapping[str, Any]) -> Leaf:
    """A leaf with the right dtype and shape, its numbers still to be read."""
    path = re.sub(r"^state/extra(?=/|$)", "state/agent_state", entry["path"])  # its name before
    if "shape" not in entry:
        return Leaf(path, entry["kind"], None)
    return Leaf(path, entry["kind"], np.empty(entry["shape"], np.dtype(entry["dtype"])))
