"""The channels say what the meters hear in the wave that is made of them."""

import numpy as np
import pytest

from jaxrl.speech import extra
from jaxrl.speech.decoder.channel_meter import measure_channels
from jaxrl.speech.decoder.vocoder import to_wave
from jaxrl.speech.sound.measures import measure
from jaxrl.speech.sound.waves import RATE


def made_up_channels(pitch: float, spread: float, loudness: float) -> np.ndarray:
    """Channels of a second of a vowel in silence: F0 around `pitch` octaves above 100 Hz, a level in dB."""
    bins = np.linspace(0, 8000, 513)
    shape = sum(np.exp(-(((bins - peak) / 150) ** 2)) for peak in (500, 1500, 2500)) + 1e-4
    sounding = np.zeros(60, bool)
    sounding[6:54] = True
    power = np.where(sounding[:, None], shape * 10 ** (loudness / 10), 1e-9)
    contour = pitch + spread / 12 * np.sin(np.arange(60) / 12) * 2**0.5
    coded = extra.load("pyworld").code_spectral_envelope(np.ascontiguousarray(power), RATE, 32)
    return np.concatenate([coded, contour[:, None], sounding[:, None]], axis=1)


@pytest.mark.parametrize(("pitch", "spread", "loudness"), [(0.2, 0.0, 0.0), (0.35, 2.0, -12.0), (0.5, 3.5, 6.0)])
def test_both_meters_agree(pitch, spread, loudness, speech_extra):
    channels = made_up_channels(pitch, spread, loudness)
    told, heard = measure_channels(channels), measure(to_wave(channels))
    assert told.seconds == pytest.approx(heard.seconds, abs=0.04)
    assert 12 * abs(np.log2(told.f0 / heard.f0)) < 0.5 and told.spread == pytest.approx(heard.spread, rel=0.3, abs=0.3)
    assert told.level == pytest.approx(heard.level, abs=1.5) and told.voicing == pytest.approx(heard.voicing, abs=0.08)


def test_what_has_no_voice_has_no_pitch_and_silence_is_nothing(speech_extra):
    channels = made_up_channels(0.5, 1.0, 0.0)
    channels[:, -1] = 0
    told = measure_channels(channels)
    assert told.f0 == told.spread == told.voicing == 0 and told.seconds > 0.5
    silent = made_up_channels(0.5, 1.0, -90.0)
    assert measure_channels(silent).seconds == 0 and measure_channels(silent).level == -100
