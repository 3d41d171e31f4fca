"""Utterances on disk while more are made: a file for each shard of jobs, arrays and JSON, no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrl.record.files import replacing
from jaxrl.speech import extra
from jaxrl.speech.engine.jobs import Job
from jaxrl.speech.engine.reading import Reading
from jaxrl.speech.speech_error import SpeechError

SPEECH = Path(__file__).parents[1]
_MAKING = (".", "engine", "sound")  # folders of code that an utterance may depend on; models come after it


class Made(NamedTuple):
    """What became of a job: the reading, what was heard, and why it is not taken, if so."""

    job: Job
    reading: Reading
    heard: str
    objection: str


def sources(speech: Path = SPEECH) -> list[Path]:
    """The files of the package in the folder `speech` whose code can change an utterance."""
    return sorted(path for folder in _MAKING for path in (speech / folder).glob("*.py"))


def fingerprint(speech: Path = SPEECH) -> str:
    """A digest of all that makes an utterance, code and packages: shards of another one are not gone on with."""
    packages = [name for name in ("numpy", *extra.PACKAGES.values()) if name not in extra.missing()]
    digest = hashlib.sha256(json.dumps([[name, version(name)] for name in packages]).encode())
    for path in sources(speech):
        digest.update(f"\n{path.relative_to(speech)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:8]


def write_shard(path: Path, made: Sequence[Made]) -> None:
    """Replace the file in one step."""
    records = [(one.job, one.reading._replace(samples=None), *one[2:]) for one in made]
    waves = [one.reading.samples for one in made]
    with replacing(path) as scratch, scratch.open("wb") as file:
        np.savez(
            file,
            records=np.frombuffer(json.dumps(records).encode(), np.uint8),
            samples=np.concatenate(waves),
            ends=np.cumsum([len(wave) for wave in waves]),
        )


def read_shard(path: Path) -> list[Made]:
    """What was written there; raises `SpeechError` where it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            waves = np.split(file["samples"], file["ends"])[:-1]
            return [
                _made(wave, *record) for wave, record in zip(waves, json.loads(bytes(file["records"])), strict=True)
            ]
    except Exception:  # of the zip, the arrays, the JSON or its fields
        raise SpeechError(f"{path} is damaged; remove it, and its utterances are made again") from None


def _made(wave: np.ndarray, job: list, reading: list, heard: str, objection: str) -> Made:
    plain, read = Job(*job), Reading(*reading)
    phones = tuple((name, end) for name, end in read.phones)
    return Made(plain._replace(tags=tuple(plain.tags)), read._replace(samples=wave, phones=phones), heard, objection)
