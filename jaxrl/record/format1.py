"""Checkpoints of format 1, whose arrays orbax wrote: read by tensorstore, which lies below it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore

from jaxrl.record.leaves import Leaf


def read_leaves(folder: Path, entries: Sequence[Mapping[str, Any]]) -> list[Leaf]:
    """The leaves that a manifest of format 1 names, their paths as they are today; raises what tensorstore raises."""
    base = f"file://{(folder / 'arrays').resolve()}/"
    return [_read(base, position, entry) for position, entry in enumerate(entries)]


def _read(base: str, position: int, entry: Mapping[str, Any]) -> Leaf:
    path = re.sub(r"^extras(?=/|$)", "standing", re.sub(r"^state/extra(?=/|$)", "state/agent_state", entry["path"]))
    if "shape" not in entry:
        return Leaf(path, entry["kind"], None)
    if 0 in entry["shape"]:  # was not written: dtype and shape say everything
        return Leaf(path, entry["kind"], np.empty(entry["shape"], np.dtype(entry["dtype"])))
    store = {"driver": "ocdbt", "base": base, "path": f"{position:05d}/"}
    array = tensorstore.open({"driver": "zarr", "kvstore": store}).result().read().result()
    return Leaf(path, entry["kind"], np.asarray(array))
