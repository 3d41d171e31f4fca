"""Vocoders: pitch and level of what is synthesised, streams that are as long as their codes."""

import numpy as np
import pytest

from jaxrl.speech.chat import Speech
from jaxrl.speech.decoder.griffin_lim import from_mel, invert_mel
from jaxrl.speech.resynthesis import pitch_errors
from jaxrl.speech.sound.features import log_mel, mel_filters, of_wave


def vowel(f0: float, seconds: float = 0.72) -> np.ndarray:
    """Harmonics of `f0` under a falling envelope."""
    times = np.arange(int(16000 * seconds)) / 16000
    waves = (np.sin(2 * np.pi * k * f0 * times) / k for k in range(1, int(4000 / f0)))
    return 0.1 * sum(waves)


def test_mel_spectra_are_inverted():
    rng = np.random.default_rng(0)
    mel = np.abs(rng.normal(size=(3, 257))) @ mel_filters()
    got = invert_mel(mel) @ mel_filters()
    assert np.median(np.abs(got - mel) / np.maximum(mel, 1e-3)) < 0.05


def test_griffin_lim_keeps_the_spectrum():
    wave = vowel(150.0)
    got = from_mel(log_mel(wave))
    assert len(got) == len(wave)
    difference = np.abs(log_mel(got) - log_mel(wave))[5:-5, :40]
    assert np.median(difference) < 0.5


def test_pitch_errors_are_those_of_frames_that_both_voice():
    true = np.array([100.0, 100.0, 100.0, 0.0, 100.0])
    made = np.array([100.0, 150.0, 100 * 2 ** (1 / 12), 90.0, 0.0])
    gross, fine = pitch_errors(true, made)
    assert gross == pytest.approx(1 / 3) and fine == pytest.approx(0.5)
    assert pitch_errors(np.zeros(3), made[:3]) == (1.0, 0.0)


@pytest.mark.usefixtures("speech_extra")
@pytest.mark.parametrize("f0", [110.0, 220.0])
def test_true_features_keep_the_pitch(f0):
    from jaxrl.speech.decoder.flow_training import channels_of
    from jaxrl.speech.decoder.vocoder import to_wave
    from jaxrl.speech.sound.measures import measure

    wave = vowel(f0)
    features = of_wave(wave)
    assert features.mel.shape == (72, 80) and features.envelope.shape == (36, 32) and features.pitch.shape == (18,)
    made = to_wave(channels_of(features))
    assert len(made) == len(wave)
    heard = measure(made)
    assert abs(12 * np.log2(heard.f0 / f0)) < 0.2 and abs(heard.level - measure(wave).level) < 3


@pytest.mark.usefixtures("speech_extra")
def test_a_stream_is_as_long_as_its_codes_and_begins_before_they_end():
    from jaxrl.speech.decoder import vocoder
    from jaxrl.speech.decoder.flow_training import channels_of

    truth = channels_of(of_wave(vowel(150.0, 1.2)))  # ten blocks
    asked = []

    class Truth:
        """A decoder that knows the answer."""

        def decode(self, speech, voice, first=0, bucket=16):
            asked.append((first, len(speech.linguistic) // 2))
            return truth[6 * first : 6 * (first + asked[-1][1])]

    speech = Speech((0,) * 20, (0,) * 30)
    pieces = list(vocoder.stream(Truth(), speech, np.zeros(34)))
    assert sum(map(len, pieces)) == 10 * 1920 and len(pieces) == 3
    assert asked == [(0, 5), (0, 9), (4, 6)]  # no more than a block ahead
    joined, whole = np.concatenate(pieces), vocoder.to_wave(truth)
    level = np.sqrt(np.mean(whole**2))
    jumps = np.abs(np.diff(joined)).max()
    assert jumps < 1.5 * np.abs(np.diff(whole)).max() and abs(np.sqrt(np.mean(joined**2)) / level - 1) < 0.15
