"""An n-gram model of sentences in ARPA form, which recognisers read; interpolated absolute discounting (Ney, 1994).

    p(w | h) = max(c(h w) - D, 0) / c(h) + D n(h) / c(h) p(w | h')

where n(h) counts the distinct words after h, and h' is h without its first word.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

DISCOUNT = 0.5
START, END = "<s>", "</s>"


def arpa(sentences: Iterable[str], words: Sequence[str], order: int = 3) -> str:
    """The model as text.

    Args:
        sentences: words with spaces.
        words: the vocabulary; each has a probability, seen or not.
        order: longest sequence of words that is counted, at least 2.
    """
    after: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        line = (START, *sentence.split(), END)
        for place in range(1, len(line)):
            for length in range(min(order, place + 1)):
                after[line[place - length : place]][line[place]] += 1
    vocabulary = sorted({*words, END})
    after[()].update(vocabulary)  # one more of each, so that nothing is impossible
    tables = [[history for history in sorted(after) if len(history) == length] for length in range(order)]
    sizes = [len(vocabulary) + 1, *(sum(len(after[history]) for history in table) for table in tables[1:])]
    lines = ["\\data\\", *(f"ngram {length}={size}" for length, size in enumerate(sizes, 1))]
    for length, table in enumerate(tables, 1):
        lines += ["", f"\\{length}-grams:"]
        lines += [f"-99.0 {START} {_log(_spare(after[(START,)]))}"] if length == 1 else []
        for history in table:
            for word in sorted(after[history]):
                whole = (*history, word)
                weight = f" {_log(_spare(after[whole]))}" if length < order and whole in after else ""
                lines.append(f"{_log(_probability(after, history, word))} {' '.join(whole)}{weight}")
    return "\n".join([*lines, "", "\\end\\", ""])


def _probability(after: dict[tuple[str, ...], Counter[str]], history: tuple[str, ...], word: str) -> float:
    counts = after[history]
    if not history:
        return counts[word] / counts.total()
    seen = max(counts[word] - DISCOUNT, 0.0) / counts.total()
    return seen + _spare(counts) * _probability(after, history[1:], word)


def _spare(counts: Counter[str]) -> float:
    """What the shorter history gets: D n(h) / c(h)."""
    return DISCOUNT * len(counts) / counts.total()


def _log(value: float) -> str:
    return f"{math.log10(value):.5f}"
