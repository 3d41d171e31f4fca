"""A wave from a mel spectrum alone, the plain comparison: Griffin and Lim, 1984, with momentum (Perraudin, 2013)."""

from __future__ import annotations

import numpy as np

from jaxrl.speech.sound.features import FFT, HOP, WINDOW, mel_filters

ROUNDS, INVERSIONS, MOMENTUM = 40, 60, 0.99


def from_mel(log_mel: np.ndarray, seed: int = 0) -> np.ndarray:
    """The wave [160 T] of log-mel [T, 80]."""
    magnitudes = invert_mel(np.exp(np.asarray(log_mel, np.float64)))
    rng = np.random.default_rng(seed)
    phases = np.exp(2j * np.pi * rng.random(magnitudes.shape))
    before = np.zeros_like(phases)
    for _ in range(ROUNDS):
        rebuilt = _analyse(_synthesise(magnitudes * phases), len(magnitudes))
        moved = rebuilt - MOMENTUM / (1 + MOMENTUM) * before
        phases, before = moved / np.maximum(np.abs(moved), 1e-12), rebuilt
    return _synthesise(magnitudes * phases)[WINDOW // 2 :][: len(magnitudes) * HOP]


def invert_mel(mel: np.ndarray) -> np.ndarray:
    """Magnitudes [T, 257] whose mel spectrum is `mel` [T, 80], by multiplicative updates (Lee and Seung, 2001)."""
    filters = mel_filters()
    magnitudes = np.maximum(mel @ filters.T, 1e-6)
    for _ in range(INVERSIONS):
        magnitudes *= (mel @ filters.T) / np.maximum(magnitudes @ filters @ filters.T, 1e-9)
    return magnitudes


def _analyse(wave: np.ndarray, frames: int) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP][:frames]
    return np.fft.rfft(windows * np.hanning(WINDOW), FFT)


def _synthesise(spectra: np.ndarray) -> np.ndarray:
    window = np.hanning(WINDOW)
    pieces = np.fft.irfft(spectra, FFT)[:, :WINDOW] * window
    wave, weight = np.zeros((len(pieces) - 1) * HOP + WINDOW), np.full((len(pieces) - 1) * HOP + WINDOW, 1e-6)
    for index, piece in enumerate(pieces):
        wave[index * HOP : index * HOP + WINDOW] += piece
        weight[index * HOP : index * HOP + WINDOW] += window**2
    return wave / weight
