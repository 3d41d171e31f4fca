"""An agent in one file, to be scored, watched and inspected anywhere: weights, config, card. No pickle.

    state/.../....npy   the leaves of the train state by their paths, without optimiser and replay
    leaves.json         what they are
    config.yaml         the resolved config of the run
    card.json, CARD.md  how it was made and what it scored

It is a zip that `numpy.load` reads without jaxrl. Training cannot go on from it: that is what a run folder is for.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrl.record import leaves
from jaxrl.record.files import replacing
from jaxrl.record.store import add, add_array, read_leaf
from jaxrl.run.zoo.card import CARD, CONFIG, Card, ExportError, card_text, read_card, read_json, read_member
from jaxrl.types import TrainState

LEAVES = "leaves.json"


class Exported(NamedTuple):
    """What the file holds."""

    path: Path
    config: str  # YAML
    card: Card
    saved: list[leaves.Leaf]

    def state(self, template: TrainState) -> TrainState:
        """What acting needs of the train state, built like `template`; raises `ExportError` where that does not fit."""
        try:
            return leaves.unflatten({"state": without_learning(template)}, self.saved)["state"]
        except leaves.MismatchError as error:
            raise ExportError(
                f"{self.path} belongs to another setup: {error}; leave the settings as they are"
            ) from error


def without_learning(state: TrainState) -> TrainState:
    """`state` without what only the next update would read."""
    return state.replace(opt_state=(), replay=(), progress=())


def write_exported(path: Path, config: str, card: Card, state: TrainState) -> None:
    """Write the file; raises `RunDirError` where the disk is full or not writable."""
    saved = leaves.flatten({"state": without_learning(state)})
    described = [
        {"path": leaf.path, "kind": leaf.kind, "dtype": None if leaf.array is None else leaf.array.dtype.name}
        for leaf in saved
    ]
    texts = {CONFIG: config, CARD: json.dumps(card, indent=2) + "\n", "CARD.md": card_text(card)}
    texts[LEAVES] = json.dumps(described, indent=1) + "\n"
    with replacing(path) as scratch, zipfile.ZipFile(scratch, "w") as file:
        for leaf in saved:
            if leaf.array is not None:
                add_array(file, leaf.path, leaf.array)
        for name, text in texts.items():
            add(file, name, text.encode())


def read_exported(path: Path) -> Exported:
    """Read the file whole; raises `ExportError` where it is none or is damaged."""
    config, card, described = read_member(path, CONFIG), read_card(path), read_json(path, LEAVES)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Exported(path, config, card, [read_leaf(entry, arrays) for entry in described])
    except Exception as error:  # zipfile and NumPy raise many kinds
        raise ExportError(f"{path} is damaged: {str(error).splitlines()[:1]}") from error
