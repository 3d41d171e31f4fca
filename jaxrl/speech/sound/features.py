"""What tokenizer and decoder see of a wave: log-mel, coded envelope, F0, voicing, energy, phones, in blocks of 120 ms.

A block holds 12 frames of log-mel (100 Hz), 6 of the envelope and of phones (50 Hz), and 3 values of F0, voicing and
energy (25 Hz), one for each semantic code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrl.record.files import replacing
from jaxrl.speech import extra
from jaxrl.speech.interleave import BLOCK_MS
from jaxrl.speech.sound.waves import RATE, frame_levels, from_int16
from jaxrl.speech.sound.world import F0_CEILING, pitch_track
from jaxrl.speech.speech_error import SpeechError

BLOCK_SAMPLES = RATE * BLOCK_MS // 1000
MELS, MEL_FRAMES, FRAMES, SEMANTIC_FRAMES = 80, 12, 6, 3
ENVELOPE = 32  # dimensions of the coded envelope
HOP, WINDOW, FFT, FLOOR = 160, 400, 512, 1e-3
FRAME_MS = BLOCK_MS / FRAMES
SILENCE_F0 = 100.0  # what log F0 is relative to


class Features(NamedTuple):
    """Utterances one after another, `starts` in blocks.

    mel [12 n, 80] and envelope [6 n, 32]; pitch [3 n], octaves above 100 Hz, interpolated where unvoiced; voiced [3 n]
    in [0, 1]; energy [3 n], units of 10 dB; phones [6 n] as numbers of `names`; starts [utterances + 1].
    """

    mel: np.ndarray
    envelope: np.ndarray
    pitch: np.ndarray
    voiced: np.ndarray
    energy: np.ndarray
    phones: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def utterance(self, index: int) -> Features:
        """One of them."""
        return self.blocks(int(self.starts[index]), int(self.starts[index + 1]))

    def blocks(self, first: int, end: int) -> Features:
        """Blocks from `first` to before `end`, as one utterance."""
        per_block = (MEL_FRAMES, FRAMES, SEMANTIC_FRAMES, SEMANTIC_FRAMES, SEMANTIC_FRAMES, FRAMES)
        parts = (part[first * n : end * n] for part, n in zip(self[:6], per_block, strict=True))
        return Features(*parts, starts=np.array([0, end - first]))


def mel_filters() -> np.ndarray:
    """Triangles on the mel scale from 0 to 8 kHz, [257, 80]."""
    mels = np.linspace(0.0, 2595 * np.log10(1 + RATE / 2 / 700), MELS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    bins = np.arange(FFT // 2 + 1) * RATE / FFT
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins[:, None] - low) / (centre - low), (high - bins[:, None]) / (high - centre)
    return np.maximum(np.minimum(rising, falling), 0.0)


def spectra(samples: np.ndarray) -> np.ndarray:
    """Magnitudes of every 10 ms, [N / 160, 257]; the wave is reflected at its ends."""
    padded = np.pad(np.asarray(samples, np.float64), WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: len(samples) : HOP]
    return np.abs(np.fft.rfft(frames * np.hanning(WINDOW), FFT))


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Log of the mel spectrum with a floor of 1e-3, [N / 160, 80]."""
    return np.log(np.maximum(spectra(samples) @ mel_filters(), FLOOR)).astype(np.float32)


def to_blocks(samples: np.ndarray) -> np.ndarray:
    """The wave with silence at its end, so that it fills whole blocks."""
    blocks = max(-(-len(samples) // BLOCK_SAMPLES), 1)
    return np.pad(samples, (0, blocks * BLOCK_SAMPLES - len(samples)))


def phone_labels(phones: Sequence[tuple[str, float]], names: Sequence[str], frames: int) -> np.ndarray:
    """Number of the phone at the middle of every 20 ms; 0 is silence and what `names` lacks."""
    ends = np.array([end for _, end in phones])
    numbers = np.array([names.index(name) if name in names else 0 for name, _ in phones] + [0])
    return numbers[np.searchsorted(ends, (np.arange(frames) + 0.5) * FRAME_MS / 1000)].astype(np.int16)


def of_wave(wave: np.ndarray, phones: Sequence[tuple[str, float]] = (), names: Sequence[str] = ("",)) -> Features:
    """Features of one wave, int16 or in [-1, 1]; without phones all of it is labelled as silence."""
    pyworld = extra.load("pyworld")
    samples = to_blocks(from_int16(wave) if wave.dtype == np.int16 else wave).astype(np.float64)
    blocks = len(samples) // BLOCK_SAMPLES
    track = pitch_track(samples)  # every 5 ms
    middle = (np.arange(blocks * FRAMES) + 0.5) * FRAME_MS / 1000
    near = track[np.minimum(np.rint(middle / 0.005).astype(int), len(track) - 1)]
    power = pyworld.cheaptrick(samples, near, middle, RATE)
    envelope = pyworld.code_spectral_envelope(np.ascontiguousarray(power), RATE, ENVELOPE)
    tokens = track[: blocks * SEMANTIC_FRAMES * 8].reshape(-1, 8)  # 40 ms each
    count = (tokens > 0).sum(axis=1)
    mean = np.where(tokens > 0, np.log2(np.maximum(tokens, 1.0) / SILENCE_F0), 0.0).sum(axis=1) / np.maximum(count, 1)
    levels = frame_levels(samples, width=640)[2::4]
    return Features(
        log_mel(samples),
        envelope.astype(np.float32),
        _fill(mean, count > 0).astype(np.float32),
        (count / 8).astype(np.float32),
        (np.maximum(levels, -70.0) / 10 + 4).astype(np.float32),
        phone_labels(phones, names, blocks * FRAMES),
        np.array([0, blocks]),
    )


def join(some: Sequence[Features]) -> Features:
    """All of their utterances one after another."""
    starts = np.cumsum([0, *(length for one in some for length in np.diff(one.starts))])
    return Features(*(np.concatenate(parts) for parts in list(zip(*some, strict=True))[:6]), starts=starts)


def extract(
    waves: Sequence[Callable[[], np.ndarray]],
    phones: Sequence[Sequence[tuple[str, float]]],
    names: Sequence[str],
    advance: Callable[[int, int], None],
) -> Features:
    """Features of many waves, each read when it is its turn; `advance` is told how many are done, and of how many."""
    done = []
    for wave, spoken in zip(waves, phones, strict=True):
        done.append(of_wave(wave(), spoken, names))
        advance(len(done), len(waves))
    return join(done)


def save(path: Path, features: Features, names: Sequence[str]) -> None:
    """Write them in one step."""
    with replacing(path) as scratch, scratch.open("wb") as file:
        np.savez(file, names=np.array(names), **features._asdict())


def load(path: Path) -> tuple[Features, list[str]]:
    """Features and the names of the phones; raises `SpeechError` where the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return Features(*(file[name] for name in Features._fields)), [str(name) for name in file["names"]]
    except Exception:
        raise SpeechError(f"{path} cannot be read; remove it, and it is made again") from None


def to_parts(envelope: np.ndarray, pitch: np.ndarray, voiced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F0 in Hz and the power envelope [T, 513] every 5 ms, from envelope [6 n, 32], pitch and voicing [3 n].

    Values lie in the middle of their 20 or 40 ms; between them lines are drawn.
    """
    blocks = len(envelope) // FRAMES
    times = np.arange(blocks * BLOCK_MS // 5) * 0.005
    middle = (np.arange(blocks * FRAMES) + 0.5) * FRAME_MS / 1000
    coded = np.stack([np.interp(times, middle, column) for column in np.asarray(envelope, np.float64).T], axis=1)
    power = to_power(coded)
    tokens = (np.arange(blocks * SEMANTIC_FRAMES) + 0.5) * 0.04
    f0 = SILENCE_F0 * 2 ** np.interp(times, tokens, pitch)
    speaking = np.interp(times, tokens, voiced) > 0.5
    return np.where(speaking, np.clip(f0, 40.0, F0_CEILING), 0.0), power


def to_power(envelope: np.ndarray) -> np.ndarray:
    """The power envelope [T, 513] of a coded one [T, 32]."""
    coded = np.ascontiguousarray(envelope, np.float64)
    return extra.load("pyworld").decode_spectral_envelope(coded, RATE, 1024)


def _fill(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Unknown values by lines between known ones; 0 where none is known."""
    if not known.any():
        return np.zeros_like(values)
    places = np.arange(len(values))
    return np.interp(places, places[known], values[known])
