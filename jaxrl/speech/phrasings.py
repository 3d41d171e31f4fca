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

FRAMES = (
    "say it {}",
    "read it {}",
    "speak {}",
    "talk {}",
    "say this {}",
    "read this {}",
    "let me hear it {}",
    "do it {}",
)
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
IDIOMS: Mapping[str, tuple[str, ...]] = {
    "fast": (
        *("get on with it", "pick up speed", "make it quick", "do it quickly", "go faster", "about twice as fast"),
        *("do not be slow", "do not take your time", "do not wait", "be swift about it", "be fast", "rush it", "rush"),
    ),
    "slow": (
        *(
            "slow down",
            "there is no rush",
            "do not hurry",
            "never rush",
            "go slower",
            "give it time",
            "be slow about it",
        ),
        *(
            "do not rush",
            "do not be quick",
            "do not speed up",
            "do not hurry it",
            "no need to rush it",
            "never rush it",
        ),
    ),
    "high": (
        *("go up", "make it higher", "move your pitch up", "let your voice rise", "your voice must be higher"),
        *("go up with your pitch", "go up with your tone", "make your pitch higher", "make your tone higher"),
        *("do not speak low", "do not be deep", "up with your voice", "bring your voice up"),
    ),
    "low": (
        *("go down", "make it deeper", "move your pitch down", "let your voice sink", "your voice must be deeper"),
        *("go down with your pitch", "go down with your tone", "make your pitch deeper", "make your tone deeper"),
        *("do not speak high", "do not be high", "down with your voice", "bring your voice down"),
    ),
    "loud": (
        *("more volume", "volume up", "make it louder", "raise the volume", "turn it up", "shout a little", "be loud"),
        *("do not be quiet", "do not be soft", "turn the sound up", "turn your volume up", "be much louder than that"),
    ),
    "soft": (
        *("less volume", "volume down", "make it quieter", "lower the volume", "turn it down", "do not be loud"),
        *("do not shout", "be quiet", "be soft", "turn the sound down", "turn your volume down", "be less loud"),
    ),
    "monotone": (
        *("keep your pitch", "do not vary your tone", "never change your tone", "your pitch must not change"),
        *("be a robot", "you are a machine", "do not change your tone", "do not vary your pitch", "never change pitch"),
        *("do not move your pitch", "do not be lively", "no melody", "sound like a robot", "sound like a computer"),
    ),
    "lively": (
        *("vary your tone", "change your pitch a lot", "your pitch must vary", "show some energy", "energy please"),
        *("put some life into it", "vary your tone a lot", "put some life in your tone", "do not keep one tone"),
        *("do not be flat", "do not sound like a robot", "put energy in your voice", "change your tone a lot"),
    ),
    "whisper": (
        *("it is a secret", "nobody must hear you", "tell me in secret", "keep your voice off", "only whisper"),
        *("tell me like a secret", "tell it in a whisper", "do not use your voice", "do it under your breath"),
    ),
    "happy": (
        *("you are happy", "your mood is good", "smile", "show joy", "be happy", "do not be sad", "be in a happy mood"),
        *("sound like you are glad", "sound like you have joy"),
    ),
    "sad": (
        *("you are sad", "your mood is bad", "cry", "show sorrow", "be sad", "do not be happy", "be in a sad mood"),
        *("sound like you are in tears", "sound like you are unhappy"),
    ),
    "angry": (
        *("you are angry", "show your temper", "be mad", "show anger", "be angry", "do not be nice", "lose your calm"),
        *("sound like you are mad", "sound like you are in a rage"),
    ),
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
