"""The language model is a distribution: after any history the probabilities of all words sum to one."""

import itertools
import re

import pytest

from jaxrl.speech.sound.ngrams import arpa

SENTENCES = ["turn on the lamp", "turn off the lamp", "turn on the fan", "the lamp is on"]
WORDS = ["turn", "on", "off", "the", "lamp", "fan", "is", "radio"]


def read_arpa(text: str) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:
    """Probabilities and weights of backing off."""
    probability, weight = {}, {}
    for line in text.splitlines():
        if match := re.fullmatch(r"(-\d+\.\d+) (.*?)(?: (-?\d+\.\d+))?", line):
            words = tuple(match.group(2).split())
            probability[words] = 10 ** float(match.group(1))
            if match.group(3):
                weight[words] = 10 ** float(match.group(3))
    return probability, weight


def of(word, history, probability, weight):
    """As a recogniser reads the file."""
    if (*history, word) in probability:
        return probability[(*history, word)]
    return weight.get(history, 1.0) * of(word, history[1:], probability, weight)


@pytest.mark.parametrize("order", [2, 3])
def test_it_sums_to_one_after_every_history(order):
    probability, weight = read_arpa(arpa(SENTENCES, WORDS, order))
    for history in [("turn",), ("<s>",), ("radio",), *itertools.product(["<s>", "turn", "lamp"], WORDS)]:
        history = history[-(order - 1) :]
        total = sum(of(word, history, probability, weight) for word in [*WORDS, "</s>"])
        assert abs(total - 1) < 1e-3, history


def test_what_was_said_is_likelier_and_sizes_are_counted():
    text = arpa(SENTENCES, WORDS, 3)
    probability, weight = read_arpa(text)
    assert of("on", ("<s>", "turn"), probability, weight) > of("off", ("<s>", "turn"), probability, weight) > 0.1
    assert of("radio", ("turn", "on"), probability, weight) > 0
    for order in (1, 2, 3):
        assert f"ngram {order}={sum(len(words) == order for words in probability)}\n" in text
