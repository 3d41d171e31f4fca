"""Probes on codes whose content is known."""

import numpy as np
import pytest

from jaxrl.speech.tokenizer.probes import histogram_accuracy, map_accuracy, mean_error, usage


def test_usage_counts_codes_and_their_spread():
    assert usage([[0, 1], [1, 0]], 4) == pytest.approx((0.5, 2.0))
    assert usage([[3, 3, 3]], 4) == pytest.approx((0.25, 1.0))


def test_codes_that_are_the_label_tell_it_and_random_ones_do_not():
    rng = np.random.default_rng(0)
    labels, noise = rng.integers(5, size=2000), rng.integers(20, size=2000)
    codes = labels * 4 + rng.integers(4, size=2000)
    half = slice(0, 1000), slice(1000, 2000)
    assert map_accuracy(codes[half[0]], labels[half[0]], codes[half[1]], labels[half[1]]) == 1.0
    assert map_accuracy(noise[half[0]], labels[half[0]], noise[half[1]], labels[half[1]]) < 0.4
    values = labels * 1.0
    assert mean_error(codes[half[0]], values[half[0]], codes[half[1]], values[half[1]]) == pytest.approx(0.0)
    assert mean_error(noise[half[0]], values[half[0]], noise[half[1]], values[half[1]]) > 0.5


def test_a_code_that_training_never_saw_is_told_by_the_mean():
    codes, values = np.array([0, 0, 1]), np.array([1.0, 3.0, 5.0])
    assert mean_error(codes, values, np.array([7]), np.array([3.0])) == 0.0


def test_histograms_tell_who_uses_which_codes():
    rng = np.random.default_rng(1)
    speakers = rng.integers(3, size=90)
    codes = [rng.integers(4, size=30) + 3 * speaker for speaker in speakers]
    fitted = np.arange(90) % 3 > 0
    assert histogram_accuracy(codes, speakers.tolist(), 10, fitted) > 0.9
    shuffled = rng.permutation(speakers).tolist()
    assert histogram_accuracy(codes, shuffled, 10, fitted) < 0.7
