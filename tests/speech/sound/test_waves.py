"""Waves: files, resampling, levels."""

import numpy as np
import pytest

from jaxrl.speech.sound.waves import active_level, active_span, read_wave, resample, to_level, write_wave
from jaxrl.speech.speech_error import SpeechError


def tone(rate: int, frequency: float = 440.0, seconds: float = 0.5) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


def test_files_come_back(tmp_path):
    write_wave(tmp_path / "a.wav", tone(16000))
    np.testing.assert_allclose(read_wave(tmp_path / "a.wav"), tone(16000), atol=1 / 32767)


def test_a_tone_survives_resampling():
    got = resample(tone(22050), 22050)[1000:7000]
    np.testing.assert_allclose(got, tone(16000)[1000:7000], atol=1e-3)


def test_levels_are_set_and_silence_is_not_counted():
    padded = np.concatenate([np.zeros(8000), tone(16000), np.zeros(8000)])
    assert abs(active_level(to_level(padded, -26.0)) + 26.0) < 0.1
    start, end = active_span(padded)
    assert abs(start - 8000) <= 320 and abs(end - 16000) <= 320
    assert active_span(np.zeros(1600)) == (0, 0)


def test_what_is_no_wave_is_one_sentence(tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(SpeechError, match="no file"):
        read_wave(path)
    path.write_bytes(b"RIFF")
    with pytest.raises(SpeechError, match="no wave file"):
        read_wave(path)
    path.write_text("hello, this is text and no wave at all, but long enough for a header")
    with pytest.raises(SpeechError, match="no wave file"):
        read_wave(path)
    write_wave(path, np.zeros(1600))
    with pytest.raises(SpeechError, match="silent"):
        read_wave(path)
    data = bytearray(path.read_bytes())
    data[24:28] = (22050).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(SpeechError, match="at 22050 Hz; it must be"):
        read_wave(path)
    write_wave(path, tone(16000))
    path.write_bytes(path.read_bytes()[:-1001])  # in the middle of a sample
    with pytest.raises(SpeechError, match="is cut off: it holds 7499 samples of 8000"):
        read_wave(path)
