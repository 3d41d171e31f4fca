"""Error rates against a plain definition; what the recogniser hears and does not hear."""

import numpy as np
import pytest

from jaxrl.speech.sound.judges import Recogniser, edit_distance, error_rate, word_errors


def plain_distance(first, second):
    """By the recursion itself."""
    if not first or not second:
        return len(first) + len(second)
    return min(
        plain_distance(first[1:], second[1:]) + (first[0] != second[0]),
        plain_distance(first[1:], second) + 1,
        plain_distance(first, second[1:]) + 1,
    )


def test_edit_distance_is_the_recursion():
    rng = np.random.default_rng(0)
    for _ in range(40):
        first, second = (rng.integers(3, size=rng.integers(6)).tolist() for _ in range(2))
        assert edit_distance(first, second) == plain_distance(first, second)


def test_error_rates():
    assert word_errors("turn on the lamp", "turn the lamp now") == (2, 4)
    assert error_rate([("a b", "a b"), ("a b", "")]) == 0.5
    assert error_rate([("ab", "ac")], characters=True) == 0.5 and error_rate([]) == 0.0


@pytest.mark.usefixtures("speech_extra")
def test_the_recogniser_hears_words_and_no_words_in_what_is_none():
    from jaxrl.speech.engine.espeak import speak

    sentences = ["turn on the lamp", "set the oven to ten", "open the door"]
    judge = Recogniser(sentences * 5, sorted({word for sentence in sentences for word in sentence.split()}))
    spoken = speak("open the door", "").samples * 0.3
    assert judge.hear(spoken) == "open the door"
    assert judge.hear(np.zeros(16000)) == "" == judge.hear(np.zeros(0))
    assert word_errors("open the door", judge.hear(spoken[::-1].copy()))[0] >= 2
