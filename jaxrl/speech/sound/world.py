"""WORLD: a wave as F0, spectral envelope and aperiodicity, and back (Morise et al., 2016; package `pyworld`).

Frames are 5 ms apart.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxrl.speech import extra
from jaxrl.speech.sound.waves import RATE

PERIOD_MS = 5.0
F0_FLOOR, F0_CEILING = 60.0, 500.0


class Parts(NamedTuple):
    """F0 in Hz [T], 0 where unvoiced; power envelope [T, 513]; aperiodicity in [0, 1] [T, 513]."""

    f0: np.ndarray
    envelope: np.ndarray
    aperiodicity: np.ndarray


def pitch_track(samples: np.ndarray) -> np.ndarray:
    """F0 in Hz of every 5 ms, 0 where unvoiced, by DIO with refinement."""
    pyworld = extra.load("pyworld")
    wave = np.ascontiguousarray(samples, np.float64)
    f0, times = pyworld.dio(wave, RATE, f0_floor=F0_FLOOR, f0_ceil=F0_CEILING, frame_period=PERIOD_MS)
    return pyworld.stonemask(wave, f0, times, RATE)


def analyse(samples: np.ndarray, aperiodicity: bool = True) -> Parts:
    """The three parts of a wave; without `aperiodicity` voiced frames are taken as periodic, which is much faster."""
    pyworld = extra.load("pyworld")
    wave = np.ascontiguousarray(samples, np.float64)
    f0 = pitch_track(wave)
    times = np.arange(len(f0)) * (PERIOD_MS / 1000)
    envelope = pyworld.cheaptrick(wave, f0, times, RATE)
    if aperiodicity:
        return Parts(f0, envelope, pyworld.d4c(wave, f0, times, RATE))
    return Parts(f0, envelope, plain_aperiodicity(f0, envelope.shape[1]))


def plain_aperiodicity(f0: np.ndarray, bins: int) -> np.ndarray:
    """Noise in unvoiced frames; in voiced ones a little, more above 4 kHz, [T, bins]."""
    voiced = np.where(np.linspace(0, RATE / 2, bins) < 4000, 0.03, 0.3)
    return np.where(f0[:, None] > 0, voiced, 1.0)


def synthesise(parts: Parts) -> np.ndarray:
    """The wave [N] of its parts."""
    pyworld = extra.load("pyworld")
    f0, envelope, aperiodicity = (np.ascontiguousarray(part, np.float64) for part in parts)
    return pyworld.synthesize(f0, np.maximum(envelope, 1e-12), np.clip(aperiodicity, 0.0, 1.0), RATE, PERIOD_MS)


def warp_formants(parts: Parts, factor: float) -> Parts:
    """Another throat: every formant at `factor` times its frequency."""
    bins = parts.envelope.shape[1]
    source = np.minimum(np.arange(bins) / factor, bins - 1)
    return parts._replace(
        envelope=np.exp(_take_columns(np.log(parts.envelope + 1e-12), source)),
        aperiodicity=_take_columns(parts.aperiodicity, source),
    )


def retime(parts: Parts, seconds: np.ndarray) -> Parts:
    """The parts as they were at the times `seconds` [T'] of the source, one for each new frame."""
    place = np.clip(seconds / (PERIOD_MS / 1000), 0, len(parts.f0) - 1)
    return Parts(
        parts.f0[np.rint(place).astype(int)],
        np.exp(_take_rows(np.log(parts.envelope + 1e-12), place)),
        _take_rows(parts.aperiodicity, place),
    )


def scale_pitch(parts: Parts, median: float, spread: float = 1.0) -> Parts:
    """Move the median F0 to `median` Hz, and scale its distance in semitones by `spread`."""
    voiced = parts.f0 > 0
    if not voiced.any():
        return parts
    distance = np.log(np.where(voiced, parts.f0, 1.0) / np.median(parts.f0[voiced]))
    return parts._replace(f0=np.where(voiced, median * np.exp(spread * distance), 0.0))


def whisper(parts: Parts) -> Parts:
    """The same throat without its voice."""
    return parts._replace(f0=np.zeros_like(parts.f0), aperiodicity=np.ones_like(parts.aperiodicity))


def _take_columns(table: np.ndarray, place: np.ndarray) -> np.ndarray:
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, table.shape[1] - 1)
    return table[:, low] + (table[:, high] - table[:, low]) * (place - low)


def _take_rows(table: np.ndarray, place: np.ndarray) -> np.ndarray:
    return _take_columns(table.T, place).T
