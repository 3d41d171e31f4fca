"""Plain sentences for a tag, beside those of `tags.py`: ways to speak, put into frames, and idioms.

Those that are held out there are in none: neither they nor what contains one of them is ever made. Their words are, in
other sentences, since nobody could know what a word means that training never had.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import product

import numpy as np

from jaxrl.speech.tags import TAGS

FRAMES = ("say it {}", "read it {}", "speak {}", "talk {}", "say this {}", "read this {}", "let me hear it {}")
OPENINGS = ("", "please ", "now ", "could you ", "you should ")
# How something is said: what fits behind `say it`.
WAYS: Mapping[str, tuple[str, ...]] = {
    "fast": ("fast", "faster", "quickly", "more quickly", "at a high speed", "in a hurry", "quick", "in a rush"),
    "slow": ("slow", "slower", "slowly", "more slowly", "at a low speed", "without a hurry", "without any rush"),
    "high": ("high", "higher", "with a higher voice", "in a high voice", "at a high pitch", "with your voice up"),
    "low": ("low", "lower", "deep", "deeper", "with a deeper voice", "at a low pitch", "with your voice down"),
    "loud": ("loud", "louder", "loudly", "with more volume", "with force", "at full volume", "as loud as you can"),
    "soft": ("soft", "softly", "quietly", "quieter", "with less volume", "gently", "in a quiet voice"),
    "monotone": (
        "flat",
        "in one tone",
        "like a robot",
        "without melody",
        "as a machine would",
        "with the same pitch all the time",
    ),
    "lively": (
        "lively",
        "with life",
        "with a lot of melody",
        "with energy",
        "with a tone that changes",
        "with a lot of change in your pitch",
    ),
    "whisper": ("in a whisper", "under your breath", "without your voice", "as a secret", "with no voice at all"),
    "happy": ("happily", "with joy", "with a smile", "as if you were happy", "in a happy mood"),
    "sad": ("sadly", "with sorrow", "in tears", "as if you were sad", "in a sad mood"),
    "angry": ("angrily", "in a rage", "with anger", "as if you were angry", "in an angry mood"),
}
# None is a held-out sentence with a word changed: what is asked there is whether words are understood in others.
IDIOMS: Mapping[str, tuple[str, ...]] = {
    "fast": (
        "get on with it",
        "pick up speed",
        "make it quick",
        "do it quickly",
        "go faster",
        "about twice as fast",
        "do not be slow",
        "do not take your time",
        "do not wait",
        "rush",
    ),
    "slow": (
        "slow down",
        "there is no rush",
        "do not hurry",
        "never rush",
        "go slower",
        "give it time",
        "do not be quick",
        "do not speed up",
    ),
    "high": (
        "go up",
        "make it higher",
        "move your pitch up",
        "let your voice rise",
        "your voice must be higher",
        "do not speak low",
        "do not be deep",
        "bring your voice up",
    ),
    "low": (
        "go down",
        "make it deeper",
        "move your pitch down",
        "let your voice sink",
        "your voice must be deeper",
        "do not speak high",
        "do not be high",
        "bring your voice down",
    ),
    "loud": (
        "more volume",
        "volume up",
        "make it louder",
        "raise the volume",
        "turn it up",
        "shout a little",
        "do not be quiet",
        "do not be soft",
    ),
    "soft": (
        "less volume",
        "volume down",
        "make it quieter",
        "lower the volume",
        "turn it down",
        "do not be loud",
        "do not shout",
    ),
    "monotone": (
        "keep your pitch",
        "do not vary your tone",
        "never change your tone",
        "your pitch must not change",
        "be a robot",
        "you are a machine",
        "do not be lively",
        "no melody",
    ),
    "lively": (
        "vary your tone",
        "change your pitch a lot",
        "your pitch must vary",
        "show some energy",
        "put some life into it",
        "energy please",
        "do not be flat",
        "do not keep one tone",
    ),
    "whisper": (
        "it is a secret",
        "nobody must hear you",
        "tell me in secret",
        "keep your voice off",
        "only whisper",
        "do not use your voice",
    ),
    "happy": ("you are happy", "your mood is good", "smile", "show joy", "do not be sad"),
    "sad": ("you are sad", "your mood is bad", "cry", "show sorrow", "do not be happy"),
    "angry": ("you are angry", "show your temper", "be mad", "show anger", "do not be nice"),
}
IDIOMATIC = 0.5  # share of the idioms, which are fewer by far, among what is drawn


@cache
def idioms(tag: str) -> tuple[str, ...]:
    """The sentences of a tag and its idioms that training may use."""
    told = (opening + one for opening, one in product(("", "please "), (*TAGS[tag].sentences, *IDIOMS.get(tag, ()))))
    return _allowed(tag, told)


@cache
def framed(tag: str) -> tuple[str, ...]:
    """The ways to speak of a tag in all frames; none for an accent."""
    told = (opening + frame.format(way) for opening, frame, way in product(OPENINGS, FRAMES, WAYS.get(tag, ())))
    return _allowed(tag, told)


def phrasing(rng: np.random.Generator, tag: str) -> str:
    """A sentence for a tag, of those that training may use."""
    among = idioms(tag) if not framed(tag) or rng.random() < IDIOMATIC else framed(tag)
    return among[int(rng.integers(len(among)))]


def _allowed(tag: str, told: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in told if not any(held in one for held in TAGS[tag].held_out)))
