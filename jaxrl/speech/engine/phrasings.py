"""Plain sentences for a tag, beside those of `tags.py`: the words of `wordings.py` in frames, and idioms.

Those that are held out there are in none: neither they nor what contains one of them is ever made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import product

import numpy as np

from jaxrl.speech.engine.wordings import IDIOMS, OPPOSITES, QUALITIES, WAYS
from jaxrl.speech.tags import TAGS

OPENINGS = ("", "please ", "now ", "could you ", "you should ", "can you ", "i want you to ", "try to ", "this time ")
ENDINGS = ("", " please", " now")
SAYING = ("{}", "say it {}", "read it {}", "speak {}", "talk {}", "say this {}", "read this {}", "let me hear it {}")
SAYING += ("say that {}", "say the words {}", "read it out {}", "do it {}", "answer {}", "tell me {}")
BEING = ("be {}", "be a bit {}", "be a little {}", "be very {}", "get {}", "become {}", "sound {}", "sound a bit {}")
BEING += (
    "{}",
    "be more {}",
    "be really {}",
    "{} than that",
    "{} than before",
    "more {}",
    "make it {}",
    "make it a bit {}",
    "make it sound {}",
    "stay {}",
)
NOT_BEING = ("do not be {}", "do not be so {}", "do not sound {}", "never be {}", "not so {}", "less {}", "not {}")
NOT_BEING += ("that is too {}", "you are too {}", "it was too {}", "this sounds too {}", "stop being {}")


@cache
def idioms(tag: str) -> tuple[str, ...]:
    """The sentences of a tag and its idioms that training may use."""
    return _allowed(_framed(("", "please "), ("{}",), (*TAGS[tag].sentences, *IDIOMS.get(tag, ()))))


@cache
def sayings(tag: str) -> tuple[str, ...]:
    """The ways to speak of a tag in all frames, such as `could you say it in a hurry`; none for an accent."""
    return _allowed(_framed(OPENINGS, SAYING, WAYS.get(tag, ())))


@cache
def beings(tag: str) -> tuple[str, ...]:
    """What a voice is under a tag, such as `please be a bit quick`; none for an accent."""
    return _allowed(_framed(OPENINGS, BEING, QUALITIES.get(tag, ())))


@cache
def negations(tag: str) -> tuple[str, ...]:
    """What it is not, such as `you are too slow`; none for what has no opposite."""
    return _allowed(_framed(("", "please "), NOT_BEING, QUALITIES[OPPOSITES[tag]] if tag in OPPOSITES else ()))


# Kinds of sentences, and their shares among what is drawn where a tag has all.
KINDS: tuple[tuple[Callable[[str], tuple[str, ...]], float], ...] = (
    (idioms, 0.4),
    (sayings, 0.3),
    (beings, 0.15),
    (negations, 0.15),
)


def phrasing(rng: np.random.Generator, tag: str) -> str:
    """A sentence for a tag, of those that training may use."""
    kinds, shares = _there(tag)
    among = kinds[int(rng.choice(len(kinds), p=shares))]
    return among[int(rng.integers(len(among)))]


@cache
def _there(tag: str) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """The kinds of sentences that a tag has, and their shares."""
    there = [(kind(tag), share) for kind, share in KINDS if kind(tag)]
    shares = np.array([share for _, share in there])
    return [told for told, _ in there], shares / shares.sum()


def _framed(openings: Iterable[str], frames: Iterable[str], words: Iterable[str]) -> Iterable[str]:
    every = product(openings, frames, words, ENDINGS)
    return (opening + frame.format(one) + ending for opening, frame, one, ending in every)


def _allowed(told: Iterable[str]) -> tuple[str, ...]:
    """Those without a held-out sentence of any tag in them, each once."""
    held_out = [sentence for tag in TAGS.values() for sentence in tag.held_out]
    return tuple(dict.fromkeys(one for one in told if not any(held in one for held in held_out)))
