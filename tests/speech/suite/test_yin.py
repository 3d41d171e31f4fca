"""The suite's pitch meter on waves whose pitch is known."""

import numpy as np
import pytest

from jaxrl.speech.sound.waves import RATE
from jaxrl.speech.suite.yin import yin

TIMES = np.arange(RATE) / RATE


@pytest.mark.parametrize("pitch", [70.0, 121.3, 240.0, 410.0])
def test_a_buzz_has_its_pitch(pitch):
    """Ten harmonics, the fundamental the weakest, as on a telephone."""
    angles = 2 * np.pi * pitch * TIMES
    wave = 0.2 * np.sin(angles) + sum(np.sin(angles * n + n) for n in range(2, 12))
    f0 = yin(0.05 * wave)[5:-10]
    assert np.abs(12 * np.log2(f0 / pitch)).max() < 0.2


def test_noise_and_silence_have_none_and_a_glide_is_followed():
    rng = np.random.default_rng(0)
    assert (yin(0.1 * rng.normal(size=RATE)) > 0).mean() < 0.02
    assert not yin(np.zeros(4000)).any() and len(yin(np.zeros(4000))) == 51
    wanted = 120 * 2 ** (TIMES / 2)  # half an octave in a second
    phase = 2 * np.pi * np.cumsum(wanted) / RATE
    f0 = yin(np.sum([np.sin(n * phase) / n for n in range(1, 9)], axis=0) * 0.2)[5:-10]
    assert np.abs(12 * np.log2(f0 / wanted[400::80][: len(f0)])).max() < 0.5
