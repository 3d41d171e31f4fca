"""Which text is read by which voice in which style: the same list for the same seed, item by item."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxrl.speech.engine.facts import FACTS, mixed
from jaxrl.speech.engine.scripts import Script, clock_words, draw, draw_of, split_of
from jaxrl.speech.engine.voices import ASSISTANT, HELD_OUT_PAIRS, VOICES
from jaxrl.speech.tags import TAGS
from jaxrl.speech.tools import MEANINGS

# Shares of styles; the rest is neutral.
ATTRIBUTES = ("fast", "slow", "high", "low", "loud", "soft", "monotone", "lively", "whisper", "happy", "sad", "angry")
ACCENTED = ("scottish", "british", "caribbean", "new york")
STYLED, ACCENT, SUNG, RAPPED = 0.36, 0.04, 0.05, 0.05
TUNES = ("c3 e3 g3 c3", "g3 e3 c3", "c3 d3 e3 d3", "a2 c3 e3", "e3 d3 c3 d3 e3", "c3 c3 g3 g3")
HIGH_TUNES = ("c4 e4 g4 c4", "g3 a3 b3 c4", "e4 d4 c4", "a3 c4 e4")
# Of a rehearsal: shares of the assistant's own voice and of answers; tags that are twice as frequent, since roles have
# them.
OWN_VOICE, SHORT, OF_ROLES = 0.5, 0.5, ("slow", "high", "monotone")
ANSWERED = ("arithmetic", "fact", "memory", "spelling")  # kinds of scripts that have answers


class Job(NamedTuple):
    """One utterance to be made."""

    id: str
    split: str
    kind: str
    text: str
    answer: str
    voice: str
    tags: tuple[str, ...]
    seed: int


def plan(count: int, seed: int) -> list[Job]:
    """`count` utterances, and the spoken answers to the questions among them."""
    jobs: list[Job] = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        share, word = float(rng.random()), f"u{index:06d}"
        kind = "refrain" if share < SUNG else "rap" if share < SUNG + RAPPED else ""
        script = draw(rng, kind)
        split = split_of(script.text)
        voice = _voice(rng, split)
        tags = _tags(rng, script, voice, share)
        if any((tag, voice) in HELD_OUT_PAIRS for tag in tags) and split == "train":
            tags = ()
        jobs.append(Job(word, split, script.kind, script.text, script.answer, voice, tags, seed))
        if script.answer:
            jobs.append(Job(f"{word}a", split, "answer", script.answer, "", ASSISTANT, (), seed))
    return jobs


def rehearsal(count: int, seed: int) -> list[Job]:
    """The first `count` of what `plan` has little of and the assistant must say or hear: what tools answer, questions
    about facts and what sounds like them in all voices, and then texts of the training split under a tag, half of them
    answers of a word or two, half in its own voice."""
    names = [name for name, voice in VOICES.items() if voice.split == "train"]
    told = [("meaning", text, "", voice) for text in MEANINGS.values() for voice in names]
    hours = [f"it is {clock_words(minutes)}" for minutes in range(0, 12 * 60, 5)]
    told += [("clock", text, "", ASSISTANT) for text in hours if split_of(text) == "train"]
    asked = [(text, answer) for *forms, answer in FACTS for text in forms]
    asked += [(text, "") for text in mixed()]
    told += [("fact", *one, voice) for one in asked if split_of(one[0]) == "train" for voice in names]
    jobs = [
        Job(f"r{index:06d}", "train", kind, text, answer, voice, (), seed)
        for index, (kind, text, answer, voice) in enumerate(told)
    ]
    for index in range(count - len(jobs)):
        rng = np.random.default_rng([seed, index, 1])
        voice = ASSISTANT if rng.random() < OWN_VOICE else names[int(rng.integers(len(names)))]
        short = rng.random() < SHORT
        script = draw_of(rng, "train", ANSWERED[int(rng.integers(len(ANSWERED)))] if short else "")
        tags = [name for name in (*ATTRIBUTES, *OF_ROLES) if (name, voice) not in HELD_OUT_PAIRS]
        kind, text = ("answer", script.answer) if short else (script.kind, script.text)
        tag = tags[int(rng.integers(len(tags)))]
        jobs.append(Job(f"r{len(jobs):06d}", "train", kind, text, "", voice, (tag,), seed))
    return jobs[:count]


def _voice(rng: np.random.Generator, split: str) -> str:
    """Unseen sentences are read by seen and unseen voices, half and half."""
    wanted = split if split != "train" and rng.random() < 0.5 else "train"
    names = [name for name, voice in VOICES.items() if voice.split == wanted]
    return names[int(rng.integers(len(names)))]


def _tags(rng: np.random.Generator, script: Script, voice: str, share: float) -> tuple[str, ...]:
    if script.kind == "refrain":
        tunes = HIGH_TUNES if VOICES[voice].variant.startswith("f") else TUNES
        return (f"sing: {tunes[int(rng.integers(len(tunes)))]}",)
    if script.kind == "rap":
        return (f"rap {int(rng.choice([80, 90, 100, 110, 120]))}",)
    left = share - SUNG - RAPPED
    if left < ACCENT:
        return (ACCENTED[int(rng.integers(len(ACCENTED)))],)
    if left >= ACCENT + STYLED:
        return ()
    first, second = (ATTRIBUTES[int(index)] for index in rng.choice(len(ATTRIBUTES), 2, replace=False))
    apart = not TAGS[first].sets.keys() & TAGS[second].sets.keys() and "whisper" not in (first, second)
    return (first, second) if apart and rng.random() < 0.15 else (first,)
