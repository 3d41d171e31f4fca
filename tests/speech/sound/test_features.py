"""Features of several utterances stay those of each."""

import numpy as np

from jaxrl.speech.sound.features import join
from tests.speech.made_up import made_up_features


def test_joined_features_keep_their_utterances():
    one, two = made_up_features(3), made_up_features(2)
    both = join([one, join([two, one])])
    assert len(both) == 2 * len(one) + len(two) and both.starts[-1] == len(both.pitch) / 3
    pairs = zip(range(len(one) + len(two), len(both)), range(len(one)), strict=True)
    for number, own in pairs:
        np.testing.assert_array_equal(both.utterance(number).mel, one.utterance(own).mel)
