"""What the engine made, one JSON line for each utterance, the same bytes for the same config."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxrl.record.files import replace_text
from jaxrl.speech.speech_error import SpeechError

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Item:
    """One utterance.

    Args:
        id: name, unique within the manifest.
        split: train, valid or test.
        kind: of script: home, digits, arithmetic and so on.
        text: what is said, words with spaces.
        answer: what answers it, where it is a question.
        phones: names, with the time in seconds where each ends.
        voice: name of the voice.
        tags: of the style, without brackets.
        engine: which synthesiser made it.
        seed: of this item.
        parameters: what the synthesiser was told.
        measured: what was heard, also against the neutral reading, and the recogniser's text and its WER.
        file: of the wave, int16 samples one after another at 16 kHz, relative to the manifest.
        start: first sample in that file.
        samples: their number.
    """

    id: str
    split: str
    kind: str
    text: str
    answer: str
    phones: tuple[tuple[str, float], ...]
    voice: str
    tags: tuple[str, ...]
    engine: str
    seed: int
    parameters: dict[str, Any]
    measured: dict[str, Any]
    file: str
    start: int
    samples: int


def to_line(item: Item) -> str:
    """One line of JSON: sorted keys, floats as they are."""
    return json.dumps(asdict(item), sort_keys=True, separators=(",", ":"))


def from_line(line: str) -> Item:
    """The item of a line; raises `ValueError` or `TypeError` where it is not one."""
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise ValueError("not an object")
    fields["phones"] = tuple((str(name), float(end)) for name, end in fields["phones"])
    fields["tags"] = tuple(fields["tags"])
    item = Item(**fields)
    if item.split not in SPLITS:
        raise ValueError(f"no split {item.split}")
    return item


def write_manifest(path: Path, items: Iterable[Item]) -> None:
    """Replace the file in one step."""
    replace_text(path, "".join(to_line(item) + "\n" for item in items))


def read_manifest(path: Path) -> list[Item]:
    """All items.

    Raises:
        SpeechError: the file is not there, or a line is not an item.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise SpeechError(f"{path} cannot be read; make it with `launch/speech.sh`") from None
    items = []
    for number, line in enumerate(lines, 1):
        try:
            items.append(from_line(line))
        except (ValueError, TypeError, KeyError) as error:
            raise SpeechError(f"{path} line {number} is no utterance ({error}); make the data again") from None
    return items
