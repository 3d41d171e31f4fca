"""Songs and raps: the syllables of a reading are moved to a grid of beats, and sung ones get the F0 of their note."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.speech.sound.world import PERIOD_MS, Parts, retime
from jaxrl.speech.tags import note_frequency

VOWELS = frozenset("aAeEiIoOuUV03@")
NOTE_SECONDS = 0.36
LEAD_S, TAIL_S = 0.1, 0.15  # before the first vowel and after the last
GLIDE_MS = 40.0


class Placed(NamedTuple):
    """A reading on a grid: its parts, phones with their new ends, the onsets of its syllables in seconds, and for songs
    the notes with the time where each ends."""

    parts: Parts
    phones: tuple[tuple[str, float], ...]
    onsets: tuple[float, ...]
    notes: tuple[tuple[int, float], ...]


def is_vowel(phone: str) -> bool:
    """Whether a phone carries a syllable."""
    return phone[:1] in VOWELS


def on_grid(parts: Parts, phones: Sequence[tuple[str, float]], beat: float, notes: Sequence[int] = ()) -> Placed:
    """Place each vowel's onset on a multiple of `beat` seconds; with `notes`, syllable k is sung on `notes[k % len]`.

    Consonants keep their duration where there is room, and vowels take the rest.
    """
    starts = (0.0, *(end for _, end in phones[:-1]))
    vowels = [(start, end) for start, (name, end) in zip(starts, phones, strict=True) if is_vowel(name)]
    onsets = [LEAD_S + min(vowels[0][0], LEAD_S) + index * beat for index in range(len(vowels))]
    source, target = [0.0], [max(onsets[0] - vowels[0][0], 0.0)]
    for index, (start, end) in enumerate(vowels):
        following = vowels[index + 1][0] if index + 1 < len(vowels) else None
        consonants = min(following - end, 0.6 * beat) if following is not None else 0.0
        source += [start, end]
        target += [onsets[index], max(onsets[index] + beat - consonants, onsets[index] + 0.3 * beat)]
    source.append(phones[-1][1] + 0.04)
    target.append(target[-1] + (source[-1] - vowels[-1][1]))
    grid = np.arange(0, target[-1], PERIOD_MS / 1000)
    moved = retime(parts, np.interp(grid, target, source))
    moved_phones = tuple((name, float(np.interp(end, source, target))) for name, end in phones)
    if not notes:
        return Placed(moved, moved_phones, tuple(onsets), ())
    ends = [*(onset - 0.02 for onset in onsets[1:]), target[-1] + TAIL_S]
    sung = tuple((notes[index % len(notes)], end) for index, end in enumerate(ends))
    return Placed(moved._replace(f0=_melody(moved.f0, sung)), moved_phones, tuple(onsets), sung)


def _melody(f0: np.ndarray, notes: Sequence[tuple[int, float]]) -> np.ndarray:
    """F0 in Hz of the notes where `f0` is voiced, with short glides between them."""
    times = np.arange(len(f0)) * PERIOD_MS / 1000
    ends = np.array([end for _, end in notes])
    numbers = np.array([number for number, _ in notes], float)[np.searchsorted(ends[:-1], times, side="right")]
    width = int(GLIDE_MS / PERIOD_MS) | 1
    smooth = np.convolve(np.pad(numbers, width // 2, mode="edge"), np.ones(width) / width, mode="valid")
    return np.where(f0 > 0, note_frequency(0.0) * 2.0 ** (smooth / 12.0), 0.0)
