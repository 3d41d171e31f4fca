"""The closed domain: what is said, drawn from small grammars of about 200 words and far over 100,000 sentences.

Splits are by sentence: a sentence belongs to one split for ever, by a digest of its text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from jaxrl.speech.engine.facts import FACTS

ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
ONES += ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
THINGS = ["lamp", "light", "radio", "heater", "fan", "oven", "screen", "alarm"]
ROOMS = ["kitchen", "bedroom", "garden", "hall", "office", "bathroom"]
OPENINGS = ["door", "window", "curtain", "gate"]
LETTERS = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima"]
LETTERS += ["mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey"]
LETTERS += ["xray", "yankee", "zulu"]
SPELLING = {word[0]: word for word in LETTERS}
SPELT = ["lamp", "fan", "oven", "hall", "door", "gate", "bee", "cow", "sky", "sun", "day", "year", "song", "river"]
SPELT += ["honey", "snow"]
NAMES = ["sun", "moon", "river", "garden", "summer", "winter", "honey", "snow"]
VERBS = ["sing", "dance", "shine", "run", "sleep", "fall"]
RAPS = (
    "money in the {a} and a beat in the {b}",
    "i turn on the {c} and i run to the {b}",
    "we walk in the {a} and we dance in the {b}",
    "give me the {c} and give me the {a}",
)


class Script(NamedTuple):
    """What is said, and what answers it where it is a question."""

    kind: str
    text: str
    answer: str = ""


def number_words(number: int) -> str:
    """A whole number from -99 to 999 in words."""
    if number < 0:
        return f"minus {number_words(-number)}"
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10 - 2] + (f" {ONES[number % 10]}" if number % 10 else "")
    rest = f" {number_words(number % 100)}" if number % 100 else ""
    return f"{ONES[number // 100]} hundred{rest}"


def clock_words(minutes: int) -> str:
    """The time of day in words, in steps of five minutes: `ten past four`."""
    hour, minute = minutes // 60 % 12 or 12, minutes % 60 // 5 * 5
    after = ONES[hour % 12 + 1]
    if minute == 0:
        return f"{ONES[hour]} o'clock"
    if minute == 30:
        return f"half past {ONES[hour]}"
    words = {15: "quarter"}.get(min(minute, 60 - minute), number_words(min(minute, 60 - minute)))
    return f"{words} past {ONES[hour]}" if minute < 30 else f"{words} to {after}"


def _pick(rng: np.random.Generator, words: list[str] | tuple[str, ...]) -> str:
    return words[int(rng.integers(len(words)))]


def _home(rng: np.random.Generator) -> Script:
    what, room = _pick(rng, THINGS), _pick(rng, ROOMS)
    kind = int(rng.integers(4))
    if kind == 0:
        text = f"turn {_pick(rng, ['on', 'off'])} the {what} in the {room}"
    elif kind == 1:
        text = f"{_pick(rng, ['open', 'close'])} the {_pick(rng, OPENINGS)} of the {room}"
    elif kind == 2:
        text = f"set the {what} to {number_words(int(rng.integers(10, 100)))}"
    else:
        text = f"is the {what} in the {room} {_pick(rng, ['on', 'off'])}"
    return Script("home", text + (" please" if rng.random() < 0.3 else ""))


def _digits(rng: np.random.Generator) -> Script:
    return Script("digits", " ".join(ONES[int(digit)] for digit in rng.integers(10, size=int(rng.integers(3, 7)))))


def _arithmetic(rng: np.random.Generator) -> Script:
    sign = int(rng.integers(3))
    first, second = (int(rng.integers(2, 10)) if sign == 2 else int(rng.integers(1, 50)) for _ in range(2))
    if sign == 1 and first < second:
        first, second = second, first
    result = (first + second, first - second, first * second)[sign]
    asked = f"{number_words(first)} {('plus', 'minus', 'times')[sign]} {number_words(second)}"
    return Script("arithmetic", f"{_pick(rng, ['what is', 'how much is'])} {asked}", number_words(result))


def _clock(rng: np.random.Generator) -> Script:
    return Script("clock", f"it is {clock_words(5 * int(rng.integers(144)))}")


def _spelling(rng: np.random.Generator) -> Script:
    word = _pick(rng, SPELT)
    return Script("spelling", f"{_pick(rng, ['spell', 'please spell'])} {word}", " ".join(SPELLING[c] for c in word))


def _fact(rng: np.random.Generator) -> Script:
    first, second, answer = FACTS[int(rng.integers(len(FACTS)))]
    return Script("fact", first if rng.random() < 0.5 else second, answer)


def _memory(rng: np.random.Generator) -> Script:
    number = number_words(int(rng.integers(10, 100)))
    return Script("memory", f"remember the number {number}", f"i remember {number}")


def _refrain(rng: np.random.Generator) -> Script:
    first, second = _pick(rng, NAMES), _pick(rng, NAMES)
    kind = int(rng.integers(3))
    if kind == 0:
        return Script("refrain", f"the {first} will {_pick(rng, VERBS)} in the {second}")
    if kind == 1:
        return Script("refrain", f"we {_pick(rng, VERBS)} all {_pick(rng, ['day', 'night'])} like the {first}")
    return Script("refrain", f"sing a song of {first} and {second}")


def _rap(rng: np.random.Generator) -> Script:
    line = RAPS[int(rng.integers(len(RAPS)))]
    return Script("rap", line.format(a=_pick(rng, OPENINGS), b=_pick(rng, ROOMS), c=_pick(rng, THINGS)))


KINDS: Mapping[str, Callable[[np.random.Generator], Script]] = {
    "home": _home,
    "digits": _digits,
    "arithmetic": _arithmetic,
    "clock": _clock,
    "spelling": _spelling,
    "fact": _fact,
    "memory": _memory,
    "refrain": _refrain,
    "rap": _rap,
}
SPOKEN_SHARES = {"home": 0.3, "digits": 0.2, "arithmetic": 0.2, "clock": 0.12, "spelling": 0.05, "fact": 0.08}
SPOKEN_SHARES |= {"memory": 0.05}


def draw(rng: np.random.Generator, kind: str = "") -> Script:
    """One script of a kind, or of any that is spoken."""
    if not kind:
        kind = str(rng.choice(list(SPOKEN_SHARES), p=list(SPOKEN_SHARES.values())))
    return KINDS[kind](rng)


def split_of(text: str) -> str:
    """The split that a sentence belongs to: 80 % train, 10 % valid, 10 % test."""
    digit = hashlib.sha256(text.encode()).digest()[0] % 10
    return {8: "valid", 9: "test"}.get(digit, "train")


def draw_of(rng: np.random.Generator, split: str, kind: str = "") -> Script:
    """The next script of a split, of a kind or of any."""
    while split_of((script := draw(rng, kind)).text) != split:
        pass
    return script


def corpus(count: int, seed: int = 0) -> list[str]:
    """Sentences and answers of all kinds, for the recogniser's language model."""
    rng = np.random.default_rng(seed)
    texts = []
    for index in range(count):
        script = draw(rng, tuple(KINDS)[index % len(KINDS)])
        texts += [script.text] + ([script.answer] if script.answer else [])
    return texts


def vocabulary() -> list[str]:
    """Every word that can be said, sorted."""
    said = {word for text in corpus(20_000) for word in text.split()}
    return sorted(said | {word for row in FACTS for text in row for word in text.split()} | {"hundred", *ONES, *TENS})
