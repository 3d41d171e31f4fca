"""Measures of made-up pitch tracks, levels and beats, for which the truth is known."""

import numpy as np
import pytest

from jaxrl.speech.sound.measures import Measured, beats_share, measure, notes_share, onsets, relative
from jaxrl.speech.tags import note_frequency


def test_pitch_and_spread_of_a_known_track():
    track = np.concatenate([np.zeros(20), 200 * 2 ** (np.tile([-1.0, 1.0], 40) / 12)])
    wave = np.concatenate([np.zeros(1600), 0.1 * np.sin(np.arange(6400))])
    heard = measure(wave, track)
    assert abs(12 * np.log2(heard.f0 / 200)) < 1.01 and abs(heard.spread - 1.0) < 0.01
    assert abs(heard.seconds - 0.4) < 0.05 and heard.voicing == pytest.approx(0.4 / heard.seconds)


def test_a_track_that_is_nothing_but_jumps_has_no_melody():
    heard = measure(np.full(1600, 0.1), np.repeat([100.0, 800.0], 10))
    assert heard.spread == 0 and np.isfinite(heard).all()


def test_relative_is_against_the_neutral_reading():
    neutral, heard = Measured(2.0, 100.0, 2.0, -26.0, 0.8), Measured(1.0, 200.0, 3.0, -20.0, 0.4)
    assert relative(heard, neutral) == pytest.approx(
        {"rate": 2.0, "pitch": 12.0, "spread": 3.0, "loudness": 6.0, "voicing": 0.5}
    )
    assert relative(heard._replace(f0=0.0), neutral)["pitch"] == 0.0


def test_notes_count_only_within_fifty_cents():
    notes = [(60, 0.5), (64, 1.0)]
    f0 = np.concatenate([np.full(100, note_frequency(60.4)), np.full(100, note_frequency(64.6))])
    assert notes_share(f0, notes) == 0.5
    assert notes_share(np.zeros(10), notes) == 0.0


def test_beats_and_what_chance_would_be():
    assert beats_share(0.13 + 0.25 * np.arange(8), 0.25) == 1.0
    assert beats_share(np.random.default_rng(0).random(400) * 10, 0.25) < 0.6
    assert beats_share([], 0.25) == 0.0


def test_onsets_are_where_the_level_rises():
    wave = np.zeros(16000)
    for start in (0.2, 0.5, 0.8):
        wave[int(start * 16000) : int((start + 0.15) * 16000)] = 0.3 * np.sin(np.arange(2400) * 0.3)
    np.testing.assert_allclose(onsets(wave), [0.2, 0.5, 0.8], atol=0.03)
