"""What is said: numbers and times in words, splits that never mix, a domain that is large enough."""

import numpy as np

from jaxrl.speech.engine.facts import FACTS, mixed
from jaxrl.speech.engine.scripts import KINDS, clock_words, corpus, draw, number_words, split_of, vocabulary
from jaxrl.speech.ids import encode_text


def test_numbers_and_times():
    assert [number_words(n) for n in (0, 19, 40, 42, -7)] == ["zero", "nineteen", "forty", "forty two", "minus seven"]
    assert number_words(205) == "two hundred five"
    assert clock_words(0) == "twelve o'clock" and clock_words(13 * 60 + 15) == "quarter past one"
    assert clock_words(12 * 60 + 30) == "half past twelve" and clock_words(23 * 60 + 40) == "twenty to twelve"
    assert len({clock_words(5 * step) for step in range(144)}) == 144


def test_arithmetic_is_right():
    sign = {"plus": "+", "minus": "-", "times": "*"}
    value = {number_words(n): n for n in range(100)}
    rng = np.random.default_rng(0)
    for _ in range(100):
        script = draw(rng, "arithmetic")
        words = script.text.removeprefix("what is ").removeprefix("how much is ")
        name = next(name for name in sign if f" {name} " in words)
        first, second = words.split(f" {name} ")
        assert number_words(eval(f"{value[first]}{sign[name]}{value[second]}")) == script.answer


def test_every_sentence_can_be_written_and_has_one_split():
    texts = corpus(2000)
    assert all(encode_text(text) for text in texts) and {split_of(text) for text in texts} == {"train", "valid", "test"}
    shares = np.mean([split_of(text) == "test" for text in set(texts)])
    assert 0.05 < shares < 0.15
    assert len(vocabulary()) < 220 and len({answer for *_, answer in FACTS}) > 15


def test_what_sounds_like_a_fact_is_none_and_has_its_words():
    known = {text for *forms, _ in FACTS for text in forms}
    assert len(mixed()) > 60 and not known & set(mixed())
    assert {word for text in mixed() for word in text.split()} <= set(vocabulary())


def test_the_domain_has_a_hundred_thousand_sentences():
    """By how rarely two draws are equal: with N equally likely sentences n draws have n^2 / 2 N pairs at least."""
    rng = np.random.default_rng(0)
    texts = [draw(rng, "digits").text for _ in range(3000)]
    pairs = len(texts) - len(set(texts))
    assert 3000**2 / 2 / max(pairs, 1) > 3e3  # of short ones; six digits alone are a million
    assert set(KINDS) == {draw(rng, kind).kind for kind in KINDS}
