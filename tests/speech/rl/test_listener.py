"""The listener learns a code that spells, and says where it heard what."""

from __future__ import annotations

import numpy as np
import pytest

from jaxrl.speech.chat import Speech
from jaxrl.speech.rl.listener import LETTERS, Listener, ListenerConfig, train_listener
from jaxrl.speech.rl.timbre import Timbres
from jaxrl.speech.speech_error import SpeechError

SIZES = (6, 4)
CONFIG = ListenerConfig(width=16, steps=120, batch=8, learning_rate=1e-2, noise=0.02)


def spelt(text: str, rng: np.random.Generator) -> Speech:
    """A block for each letter: its first linguistic code is the letter, the second none; semantic ones are noise."""
    two = [code for letter in text for code in (1 + "abcd ".index(letter), 0)]
    return Speech(tuple(two), tuple(rng.integers(4, size=3 * len(text)).tolist()))


def test_a_code_that_spells_is_learnt_and_placed(tmp_path):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcd"), size=int(rng.integers(2, 7)))) for _ in range(60)]
    speech = [spelt(text, rng) for text in texts]
    state = train_listener(tmp_path, speech, texts, CONFIG, SIZES, lambda done, total: None)
    listener = Listener(state, CONFIG, SIZES)
    heard = listener.hear([*speech[:5], Speech((), ()), spelt("abba", rng)], batch=4)
    assert [one.text for one in heard[:5]] == texts[:5] and heard[5] == ("", ())
    assert heard[6].text == "abba" and heard[6].blocks == (0, 1, 2, 3)


def test_nothing_to_learn_from_is_one_sentence(tmp_path):
    assert LETTERS[0] == " "
    with pytest.raises(SpeechError, match=r"raise engine.utterances"):
        train_listener(tmp_path, [Speech((0,) * 100, (0,) * 150)], ["a"], CONFIG, SIZES, lambda done, total: None)


class _Throat:
    """A tokenizer whose first linguistic code is the voice."""

    def decode_all(self, speech: list[Speech]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        found = []
        for one in speech:
            blocks = len(one.linguistic) // 2
            envelope = np.zeros((6 * blocks, 32))
            envelope[:, 1 + one.linguistic[0]] = 1
            found.append((envelope, np.zeros(3 * blocks), np.ones(3 * blocks)))
        return found


def test_voices_are_told_apart_by_their_envelope():
    speech = {name: [Speech((code,) * 4, (0,) * 6)] for code, name in enumerate(("anna", "ben", "carl"))}
    timbres = Timbres(_Throat(), speech)  # pyright: ignore[reportArgumentType]
    for name, (one,) in speech.items():
        (told,) = timbres.similarities([one])
        assert max(told, key=lambda voice: told[voice]) == name
        assert timbres.gaps([one], [name])[0] > 0.9
    assert timbres.gaps([speech["anna"][0]] * 2, ["ben", "nobody"]) == [0, 0.5]
