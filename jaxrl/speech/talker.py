"""A trained assistant as one file: of a folder of `jaxrl speech` what speaking and listening read, a few megabytes.

    scale.json, policy/voices.json          as in the folder
    PART/leaves.json, PART/NUMBER.npy       the states of tokenizer, decoder and policy, without their optimisers

Matrices have 8 bits a weight and a scale for each of their last axis, everything else is as it was. It is a zip without
pickle; the same folder gives the same bytes. Unpacked it is a folder again, from which nothing can be trained on.
"""

from __future__ import annotations

import atexit
import io
import json
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from jaxrl.record import store
from jaxrl.record.files import replacing
from jaxrl.record.leaves import Leaf
from jaxrl.record.store import add, add_array
from jaxrl.speech import fitting
from jaxrl.speech.policy.assistant import VOICES_FILE
from jaxrl.speech.policy.at_hand import POLICY, SCALE, TRAINING, scale_of
from jaxrl.speech.speech_error import SpeechError

LEAVES = "leaves.json"
TEXTS = (SCALE, f"{POLICY}/{VOICES_FILE}")
LEVELS = 127


def at(path: Path) -> Path:
    """The folder at `path`, or where it is a packed file, one of it for as long as this process lives.

    Raises:
        SpeechError: it is a file that cannot be used.
    """
    if not path.is_file():
        return path
    try:
        path.open("rb").close()
        folder = Path(tempfile.mkdtemp(prefix="jaxrl-talker-"))
    except OSError as error:
        raise SpeechError(f"{path} cannot be opened, or there is no temporary folder for it: {error}") from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    unpack(path, folder)
    return folder


def pack(run: Path, file: Path) -> None:
    """Write the assistant of a folder, its teacher alone; raises `SpeechError` where it has no policy yet."""
    states = {part: fitting.read_trained(run / part) for part in _parts(run)}
    try:
        texts = {name: (run / name).read_bytes() for name in TEXTS}
    except OSError as error:
        raise SpeechError(
            f"{error.filename} cannot be read; run `jaxrl speech --until policy`, which makes it"
        ) from None
    with replacing(file) as scratch, zipfile.ZipFile(scratch, "w") as packed:
        for name, content in texts.items():
            add(packed, name, content)
        for part, leaves in states.items():
            add(packed, f"{part}/{LEAVES}", json.dumps([[leaf.path, leaf.kind] for leaf in leaves]).encode())
            for number, leaf in enumerate(leaves):
                for suffix, array in _in_bytes(leaf).items():
                    add_array(packed, f"{part}/{number}{suffix}", array)


def unpack(file: Path, folder: Path) -> None:
    """Make the folder of an assistant that `pack` wrote; raises `SpeechError` where it wrote no such file."""
    try:
        with file.open("rb") as opened, zipfile.ZipFile(opened) as packed:
            for name in TEXTS:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(packed.read(name))
            for part in _parts(folder):
                told = json.loads(packed.read(f"{part}/{LEAVES}"))
                leaves = [_leaf(packed, f"{part}/{number}", *one) for number, one in enumerate(told)]
                (folder / part).mkdir(parents=True)
                store.write(folder / part, 0, leaves, {"step": 0})
    except OSError as error:
        raise SpeechError(
            f"{file} cannot be unpacked into {folder}: {error}; set TMPDIR to a folder with room"
        ) from error
    except Exception as error:  # zipfile, zlib, NumPy and JSON raise many kinds
        raise SpeechError(f"{file} is no assistant that `jaxrl export` wrote, or is damaged: {error}") from error


def _parts(run: Path) -> list[str]:
    return ["tokenizer/state", f"decoder/{scale_of(run).decoder.kind}/state", f"{POLICY}/{TRAINING}/state"]


def _in_bytes(leaf: Leaf) -> dict[str, np.ndarray]:
    """A leaf as arrays, by what stands behind its number."""
    if leaf.array is None:
        return {}
    if not leaf.path.startswith("params/") or leaf.array.ndim < 2:
        return {"": leaf.array}
    if not np.isfinite(leaf.array).all():
        raise SpeechError(f"{leaf.path} holds numbers that are not finite, so the training diverged; train it again")
    most = np.abs(leaf.array).max(axis=tuple(range(leaf.array.ndim - 1)))
    scale = np.maximum(most, np.finfo(np.float32).tiny) / LEVELS
    return {"": np.rint(leaf.array / scale).astype(np.int8), ".scale": scale.astype(np.float32)}


def _leaf(packed: zipfile.ZipFile, name: str, path: str, kind: str) -> Leaf:
    def array(name: str) -> np.ndarray:
        return np.load(io.BytesIO(packed.read(name)), allow_pickle=False)

    if kind == "none":
        return Leaf(path, kind, None)
    if f"{name}.scale.npy" in packed.namelist():
        return Leaf(path, kind, array(f"{name}.npy") * array(f"{name}.scale.npy"))
    return Leaf(path, kind, array(f"{name}.npy"))
