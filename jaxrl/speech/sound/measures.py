"""What can be measured in a wave: duration, F0, its spread, level, voicing, notes sung, syllables on the beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.speech.sound.waves import RATE, active_level, active_span, frame_levels
from jaxrl.speech.sound.world import PERIOD_MS, pitch_track
from jaxrl.speech.tags import note_frequency

BEAT_TOLERANCE_S, NOTE_TOLERANCE = 0.06, 0.5  # seconds, semitones


class Measured(NamedTuple):
    """Seconds from the first to the last sound, median F0 in Hz and its standard deviation in semitones (both 0 without
    voice), level in dB, and the share of those seconds that is voiced."""

    seconds: float
    f0: float
    spread: float
    level: float
    voicing: float


def measure(samples: np.ndarray, f0: np.ndarray | None = None) -> Measured:
    """Measure a wave [N] at 16 kHz; `f0` is its pitch track, where that is known already."""
    start, end = active_span(samples)
    seconds = (end - start) / RATE
    track = pitch_track(samples) if f0 is None else f0
    voiced = track[track > 0]
    if not voiced.size:
        return Measured(seconds, 0.0, 0.0, active_level(samples), 0.0)
    distance = 12 * np.log2(voiced / np.median(voiced))
    inner = distance[np.abs(distance) < 9]  # octave errors of the meter are no melody
    voicing = len(voiced) * PERIOD_MS / 1000 / max(seconds, 1e-3)
    spread = float(inner.std()) if inner.size else 0.0
    return Measured(seconds, float(np.median(voiced)), spread, active_level(samples), min(voicing, 1.0))


def relative(heard: Measured, neutral: Measured) -> Mapping[str, float]:
    """The attributes of `tags.Band`, measured against the neutral reading of the same text and voice."""
    voiced = heard.f0 > 0 and neutral.f0 > 0
    return {
        "rate": neutral.seconds / max(heard.seconds, 1e-3),
        "pitch": float(12 * np.log2(heard.f0 / neutral.f0)) if voiced else 0.0,
        "spread": heard.spread,
        "loudness": heard.level - neutral.level,
        "voicing": heard.voicing / max(neutral.voicing, 1e-3),
    }


def notes_share(f0: np.ndarray, notes: Sequence[tuple[int, float]]) -> float:
    """Share of the voiced frames within 50 cents of the note that is due, 0 where nothing is voiced.

    Args:
        f0: pitch track, a value every 5 ms.
        notes: MIDI number of each note, with the time in seconds where it ends.
    """
    times = np.arange(len(f0)) * PERIOD_MS / 1000
    ends = np.array([end for _, end in notes])
    due = np.array([note_frequency(number) for number, _ in notes])[np.searchsorted(ends[:-1], times, side="right")]
    voiced = f0 > 0
    if not voiced.any():
        return 0.0
    return float(np.mean(np.abs(12 * np.log2(f0[voiced] / due[voiced])) < NOTE_TOLERANCE))


def beats_share(onsets: Sequence[float], beat: float) -> float:
    """Share of the onsets, in seconds, within 60 ms of a grid of `beat` seconds, at the grid's best offset."""
    times = np.asarray(onsets)
    if not times.size:
        return 0.0
    offsets = np.arange(0, beat, 0.005)
    distance = np.abs((times - offsets[:, None] + beat / 2) % beat - beat / 2)
    return float((distance <= BEAT_TOLERANCE_S).mean(axis=1).max())


def onsets(samples: np.ndarray) -> list[float]:
    """Times in seconds where the level rises fastest, which is where vowels begin, at least 80 ms apart."""
    levels = np.maximum(frame_levels(samples, width=640), np.percentile(frame_levels(samples), 95) - 30)
    rise = np.zeros(len(levels))
    rise[2:-2] = levels[4:] - levels[:-4]
    found: list[int] = []
    for frame in np.argsort(-rise, kind="stable"):
        if rise[frame] < 4.0:
            break
        if all(abs(int(frame) - other) >= 8 for other in found):
            found.append(int(frame))
    return [frame * 0.01 for frame in sorted(found)]
