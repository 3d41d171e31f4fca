"""Checkpoints: atomic to write, checked when read, bit for bit.

    checkpoints/<sequence>-<step>/arrays.npz      the leaves by their paths
    checkpoints/<sequence>-<step>/manifest.json   what they are, counters, and a checksum of every file

A checkpoint is written under a name that starts with a dot and then renamed, so that a crash at any moment leaves
either the whole of it or nothing that could be taken for one. The newest is the one written last, not the one with the
highest step: a run that went back to an older checkpoint goes on from there.
"""

from __future__ import annotations

import itertools
import logging
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxrl.errors import UserError
from jaxrl.record import leaves, store
from jaxrl.record.rundir import RunDir
from jaxrl.types import PyTree, TrainState

_log = logging.getLogger(__name__)
_NAME = re.compile(r"(?P<sequence>\d{6,})-(?P<step>\d+)")
_SCRATCH, _DISCARDED, _DAMAGED = ".unfinished", ".discarded", ".damaged"

Counters = dict[str, int | float | str]


class CheckpointError(UserError, RuntimeError):
    """A checkpoint cannot be written, read or used; the message is one sentence that says what to do."""


class Checkpoint(NamedTuple):
    """One that was read and found intact: its counters, and its arrays for whoever knows their structure."""

    step: int
    counters: Counters
    path: Path
    saved: list[leaves.Leaf]

    def state(self, template: TrainState) -> TrainState:
        """What the learner owned; `template` is, for example, `agent.init(key)` or `jax.eval_shape` of it.

        Raises:
            CheckpointError: the template does not fit; one sentence that says where.
        """
        if isinstance(template.progress, tuple) or any(leaf.path == "state/progress" for leaf in self.saved):
            return self._fit("state", template)
        state = self._fit("state", template.replace(progress=()))  # of a version that scheduled by updates
        return state.replace(progress=jnp.broadcast_to(state.updates, template.progress.shape).astype(jnp.float32))

    def standing(self, template: PyTree) -> PyTree:
        """What was saved beside the state; takes and raises like `state`."""
        return self._fit("standing", template)

    def _fit(self, part: str, template: PyTree) -> Any:
        saved = [leaf for leaf in self.saved if leaf.path.partition("/")[0] == part]
        try:
            return leaves.unflatten({part: template}, saved)[part]
        except leaves.MismatchError as error:
            raise CheckpointError(
                f"checkpoint {self.path} belongs to another setup: {error}; use the settings in "
                f"{self.path.parents[1] / 'config.yaml'}, or start a new run"
            ) from error


class _Entry(NamedTuple):
    sequence: int
    step: int
    path: Path


class Checkpoints:
    """The checkpoints of one run; one process at a time may save.

    Args:
        keep: how many of the newest stay on disk, at least 1.
    """

    def __init__(self, run_dir: RunDir, keep: int = 2):
        if keep < 1:
            raise CheckpointError(
                f"a run must keep at least one checkpoint, not {keep}; set --record.keep_checkpoints 1"
            )
        self._folder = run_dir.checkpoints
        self._keep = keep

    def steps(self) -> list[int]:
        """Steps of the checkpoints on disk, oldest first; not checked for damage."""
        return [entry.step for entry in self._entries()]

    def save(
        self,
        step: int,
        state: TrainState,
        standing: PyTree = None,
        counters: Mapping[str, int | float | str] | None = None,
    ) -> Path:
        """Write one checkpoint, then remove those beyond `keep`; everything is on disk on return.

        Args:
            step: the update or env step that names it.
            standing: arrays, PRNG keys, numbers and None in any structure, such as where the actors stand.
            counters: what else a run must know to go on; written as JSON.

        Raises:
            CheckpointError: the disk is full or not writable, or a leaf is no array. Earlier checkpoints are intact.
        """
        entries = self._entries()
        sequence = entries[-1].sequence + 1 if entries else 0
        target = self._folder / f"{sequence:06d}-{step}"
        scratch = self._folder / f"{_SCRATCH}-{target.name}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            scratch.mkdir()
            saved = leaves.flatten({"state": state, "standing": standing})
            store.write(scratch, step, saved, counters or {})
            scratch.rename(target)
            store.sync(self._folder)
        except BaseException as error:
            shutil.rmtree(scratch, ignore_errors=True)
            if not isinstance(error, Exception):
                raise  # Ctrl-C
            raise CheckpointError(
                f"cannot save a checkpoint in {self._folder}: {_reason(error)}; the earlier checkpoints are intact, "
                "so free space or make the folder writable, then go on with --resume"
            ) from error
        for entry in self._entries()[: -self._keep]:
            _discard(entry.path)
        return target

    def open(self) -> Checkpoint | None:
        """The newest intact checkpoint, read whole; None where the run has none.

        A damaged one is passed over with a warning, in favour of the one before; nothing is changed on disk.

        Raises:
            CheckpointError: all are damaged.
        """
        entries = self._entries()
        for entry in reversed(entries):
            try:
                counters, saved = store.read(entry.path)
            except store.DamagedError as error:
                if not entry.path.exists():  # the run, which trains, has saved newer ones since
                    return self.open()
                _log.warning("Checkpoint %s is damaged (%s); trying the one before.", entry.path, error)
                continue
            return Checkpoint(entry.step, counters, entry.path, saved)
        if entries:
            raise CheckpointError(
                f"every checkpoint in {self._folder} is damaged ({len(entries)} tried, none deleted): put back a "
                "copy of one, or start a new run without --resume"
            )
        return None

    def set_aside_newer(self, step: int) -> None:
        """Rename the damaged checkpoints newer than that of `step`, which `open` passed over.

        They stay for whoever wants to look into them, and no longer count towards `keep`.

        Raises:
            CheckpointError: the folder is not writable.
        """
        for entry in reversed(self._entries()):
            if entry.step == step:
                return
            places = (entry.path.with_name(f"{_DAMAGED}{number}-{entry.path.name}") for number in itertools.count(1))
            try:
                entry.path.rename(next(place for place in places if not place.exists()))
            except OSError as error:
                raise CheckpointError(f"cannot rename the damaged checkpoint {entry.path}: {_reason(error)}") from error

    def _entries(self) -> list[_Entry]:
        """Finished checkpoints, oldest first."""
        found = []
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                match = _NAME.fullmatch(path.name)
                if match and path.is_dir():
                    found.append(_Entry(int(match["sequence"]), int(match["step"]), path))
        return sorted(found)

    def _sweep(self) -> None:
        """Remove what a crashed `save` left behind."""
        for prefix in (_SCRATCH, _DISCARDED):
            for path in self._folder.glob(f"{prefix}-*"):
                shutil.rmtree(path, ignore_errors=True)


def _discard(path: Path) -> None:
    """Remove a checkpoint without a moment in which a half-removed folder could be taken for one."""
    hidden = path.with_name(f"{_DISCARDED}-{path.name}")
    try:
        path.rename(hidden)
    except OSError as error:  # one too many is no reason to end a run
        _log.warning("Cannot remove the old checkpoint %s: %s", path, error)
        return
    shutil.rmtree(hidden, ignore_errors=True)


def _reason(error: BaseException) -> str:
    """The first line of what went wrong."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
