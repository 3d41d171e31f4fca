"""Checkpoints that were written before arrays.npz was: everything in them comes back, under the names of today."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from jaxrl.record import leaves
from jaxrl.record.checkpoints import CheckpointError, Checkpoints
from jaxrl.record.rundir import RunDir
from jaxrl.types import Snapshot, TrainState

STATE = TrainState(
    params={"kernel": jnp.arange(6.0).reshape(2, 3), "half": jnp.ones(3, jnp.bfloat16), "no": np.zeros((0, 4), "i1")},
    opt_state=(None,),
    hypers={"learning_rate": 0.25},
    agent_state=[jnp.int32(7)],
    key=jax.random.key(3),
    updates=jnp.int32(5),
)
STANDING = {"snapshots": [Snapshot(None, np.arange(3))]}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_format_1(folder: Path, tree: Any, counters: dict[str, int]) -> None:
    """What `Checkpoints.save` wrote."""
    saved = leaves.flatten(tree)
    arrays = {f"{i:05d}": leaf.array for i, leaf in enumerate(saved) if leaf.array is not None and leaf.array.size}
    with ocp.PyTreeCheckpointer() as checkpointer:
        checkpointer.save(folder / "arrays", arrays)
    entries = [
        {"path": leaf.path.replace("agent_state", "extra").replace("standing", "extras"), "kind": leaf.kind}
        | ({} if leaf.array is None else {"dtype": leaf.array.dtype.name, "shape": list(leaf.array.shape)})
        for leaf in saved
    ]
    files = {p.relative_to(folder).as_posix(): digest(p.read_bytes()) for p in folder.rglob("*") if p.is_file()}
    body = {"format": 1, "step": 5, "counters": counters, "leaves": entries, "files": files}
    sha256 = digest(json.dumps(body, sort_keys=True).encode())
    (folder / "manifest.json").write_text(json.dumps({"sha256": sha256, **body}))


def test_it_comes_back_bit_for_bit_and_damage_is_seen(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, "test", 0, "", {})
    folder = run.checkpoints / "000000-5"
    write_format_1(folder, {"state": STATE, "standing": STANDING}, {"env_steps": 9})
    found = Checkpoints(run).open()
    assert found is not None and (found.step, found.counters) == (5, {"env_steps": 9})
    both = {"state": found.state(STATE), "standing": found.standing(STANDING)}
    for new, old in zip(leaves.flatten(both), leaves.flatten({"state": STATE, "standing": STANDING}), strict=True):
        assert (new.path, new.kind) == (old.path, old.kind)
        if old.array is not None and new.array is not None:
            assert (new.array.dtype, new.array.tobytes()) == (old.array.dtype, old.array.tobytes())
    (folder / "arrays" / "manifest.ocdbt").write_bytes(b"")
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoints(run).open()
