"""Waves at 16 kHz: reading and writing files, resampling, levels."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np

from jaxrl.record.files import replacing
from jaxrl.speech.speech_error import SpeechError

RATE = 16_000


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """A wave [N] at `rate` as one at 16 kHz, by its whole spectrum; the ends are taken to meet in silence."""
    if rate == RATE:
        return np.asarray(samples, np.float64)
    step = rate // int(np.gcd(rate, RATE))
    padded = np.zeros(-(-len(samples) // step) * step)
    padded[: len(samples)] = samples
    count = len(padded) * RATE // rate
    spectrum = np.fft.rfft(padded)[: count // 2 + 1]
    return np.fft.irfft(spectrum, count) * (count / len(padded))


def frame_levels(samples: np.ndarray, hop: int = 160, width: int = 400) -> np.ndarray:
    """Level in dB of each 10 ms, over 25 ms around it, [ceil(N / hop)]; -100 is silence."""
    frames = -(-len(samples) // hop)
    padded = np.pad(samples, (width // 2, width))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[: frames * hop : hop]
    return 10 * np.log10(np.mean(np.square(windows, dtype=np.float64), axis=1) + 1e-10)


def active(levels: np.ndarray) -> np.ndarray:
    """Which frames of `frame_levels` hold sound: within 30 dB of the loud ones, bool [frames]."""
    return levels > max(np.percentile(levels, 95) - 30.0, -70.0)


def active_span(samples: np.ndarray) -> tuple[int, int]:
    """First sample of sound and the one after the last; (0, 0) for silence."""
    where = np.flatnonzero(active(frame_levels(samples)))
    return (int(where[0]) * 160, min(int(where[-1] + 1) * 160, len(samples))) if where.size else (0, 0)


def active_level(samples: np.ndarray) -> float:
    """Level in dB of what is not silence; -100 for silence."""
    levels = frame_levels(samples)
    sounding = active(levels)
    return float(10 * np.log10(np.mean(10 ** (levels[sounding] / 10)))) if sounding.any() else -100.0


def to_level(samples: np.ndarray, level: float) -> np.ndarray:
    """The wave with another active level in dB."""
    return samples * 10 ** ((level - active_level(samples)) / 20)


def to_int16(samples: np.ndarray) -> np.ndarray:
    """16-bit samples; what is beyond full scale is cut."""
    return np.clip(np.rint(np.asarray(samples) * 32767), -32768, 32767).astype(np.int16)


def from_int16(samples: np.ndarray) -> np.ndarray:
    """Samples in [-1, 1], float32."""
    return (np.asarray(samples) / 32767).astype(np.float32)


def write_wave(path: Path, samples: np.ndarray) -> None:
    """Write 16-bit mono at 16 kHz, in one step."""
    with replacing(path) as scratch:
        scratch.write_bytes(wave_bytes(samples))


def wave_bytes(samples: np.ndarray) -> bytes:
    """The content of a file of 16-bit mono at 16 kHz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(to_int16(samples).tobytes())
    return buffer.getvalue()


def read_wave(path: Path) -> np.ndarray:
    """Samples [N] of a 16-bit mono file at 16 kHz.

    Raises:
        SpeechError: it is no wave, has another format, is cut off, or is silent.
    """
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            count = file.getnframes()
            data = file.readframes(count)
    except FileNotFoundError:
        raise SpeechError(f"there is no file {path}") from None
    except (OSError, EOFError, ValueError, wave.Error) as error:  # a name may hold what none can
        raise SpeechError(f"{path} is no wave file ({str(error) or 'it is too short'}); give a .wav") from None
    if form != (1, 2, RATE):
        raise SpeechError(
            f"{path} has {form[0]} channels of {8 * form[1]} bits at {form[2]} Hz; it must be one of 16 bits at {RATE}"
        )
    if len(data) != 2 * count:
        raise SpeechError(f"{path} is cut off: it holds {len(data) // 2} samples of {count}; copy it again")
    samples = from_int16(np.frombuffer(data, np.int16))
    if not samples.size or np.abs(samples).max() < 1e-3:
        raise SpeechError(f"{path} is silent; record it again")
    return samples
