"""What is asked on each axis: a dialogue, its twin with text alone, and what makes an answer right.

The twin of a question in speech is the same one typed; of a text to be spoken in some way it is the text alone, whose
reading is right only where the neutral one is. Texts and questions are of the test split, which no training saw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.speech.chat import Turn
from jaxrl.speech.engine.jobs import HIGH_TUNES, TUNES
from jaxrl.speech.engine.scripts import draw_of
from jaxrl.speech.engine.singing import NOTE_SECONDS
from jaxrl.speech.engine.voices import ASSISTANT, VOICES
from jaxrl.speech.manifest import Item
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.library import Library, Utterance
from jaxrl.speech.rl.asks import neutral_of
from jaxrl.speech.sound.judges import error_rate
from jaxrl.speech.sound.measures import Measured, beats_share, notes_share, onsets, relative
from jaxrl.speech.suite.hearing import Answered
from jaxrl.speech.tags import BEATS_BAND, NOTES_BAND, TAGS, bands_of, parse_note, style_of

Right = Callable[[Answered], float]
ATTRIBUTES = ("fast", "slow", "high", "low", "loud", "soft", "monotone", "lively", "whisper")
EMOTIONS = ("happy", "sad", "angry")
TEMPOS = (80, 100, 120)


class Question(NamedTuple):
    """One of them.

    Args:
        turns: of the dialogue that the assistant goes on from.
        twin: the same with text alone; None where the text alone is the answer.
        right: how right an answer is, in [0, 1].
        voice: whose name the decoder is given.
        title: for people.
        control: the tag that is asked for and the neutral reading, where it is one of numbers.
        wrong: how right an answer is of which something else was wanted; `right` of the answer to the next question,
            unless given.
    """

    turns: Sequence[Turn]
    twin: Sequence[Turn] | None
    right: Right
    voice: str = ASSISTANT
    title: str = ""
    control: tuple[str, Measured] | None = None
    wrong: Right | None = None


class Sheet(NamedTuple):
    """Questions of a row of the table: its axis, its name, and who judges."""

    axis: str
    name: str
    judge: str
    questions: list[Question]


def error_share(said: str, heard: str, characters: bool = False) -> float:
    """1 - min(1, errors / what was said), in words or characters."""
    return 1 - min(1.0, error_rate([(said, heard)], characters))


def in_bands(tags: Sequence[str], neutral: Measured, heard: Answered) -> float:
    """1 where every attribute of the tags is within its band, measured against the neutral reading."""
    if heard.measured is None:
        return 0.0
    told = relative(heard.measured, neutral)
    return float(all(band.holds(told[band.attribute]) for band in bands_of(tags)))


def asked_and_heard(question: Question, heard: Answered) -> list[dict[str, str | float]]:
    """What a tag asks for and what the meters say, attribute by attribute; nothing where nothing is heard."""
    if question.control is None or heard.measured is None:
        return []
    tag, neutral = question.control
    told, style = relative(heard.measured, neutral), style_of((tag,))
    asked = {"rate": style.rate, "pitch": style.pitch, "loudness": style.loudness, "spread": style.spread}
    asked["voicing"] = 0.0 if style.whisper else 1.0
    return [
        {"tag": tag, "attribute": band.attribute, "asked": value, "heard": told[band.attribute]}
        for band in bands_of((tag,))
        if (value := asked[band.attribute]) is not None
    ]


def notes_heard(f0: np.ndarray, notes: Sequence[int], length: float = NOTE_SECONDS) -> float:
    """Share of the voiced frames within 50 cents of the note that is due, at the best start of the song."""
    if not (f0 > 0).any():
        return 0.0
    count = int(len(f0) * 0.005 / length) + 2
    sung = [notes[index % len(notes)] for index in range(count)]
    starts = np.arange(0, length + 0.3, 0.02)
    return max(
        notes_share(f0, [(note, start + (index + 1) * length) for index, note in enumerate(sung)]) for start in starts
    )


def sheets(items: Sequence[Item], library: Library, count: int, seed: int) -> list[Sheet]:
    """All rows, with about `count` questions together.

    Args:
        items: of the test split.
        library: of the same.
        count: questions.
        seed: of what is drawn.
    """
    rng = np.random.default_rng(seed)
    plain = [item for item in items if not item.tags and VOICES[item.voice].split == "train" and item.kind != "answer"]
    each = max(count // 12, 2)
    shown = [
        Sheet("instruction", "tags", "meters", _controlled(plain, ATTRIBUTES, 2 * each, rng)),
        Sheet("instruction", "held-out sentences", "meters", _controlled(plain, ATTRIBUTES, each, rng, said=True)),
        Sheet("emotion", "happy, sad, angry", "meters", _controlled(plain, EMOTIONS, each, rng)),
        Sheet("speaking", "unseen sentences", "recogniser", [_spoken(item) for item in _some(plain, 2 * each, rng)]),
        Sheet("understanding", "voices of training", "text", _written(library.all, "train", each, rng)),
        Sheet("understanding", "other voices", "text", _written(library.all, "", each, rng)),
        Sheet("logic", "sums", "text", _answered(library, ("arithmetic",), each, rng)),
        Sheet("knowledge", "facts and spelling", "text", _answered(library, ("fact", "spelling"), each, rng)),
        Sheet("knowledge", "spoken answers", "recogniser", _answered(library, (), each, rng, aloud=True)),
        Sheet("gaming", "a number remembered", "text", _answered(library, ("memory",), each // 2 + 1, rng)),
        Sheet("singing", "notes within 50 cents", "meters", _sung(plain, each // 2 + 1, rng)),
        Sheet("creativity", "raps on the beat", "meters", _rapped(plain, each // 2 + 1, rng)),
    ]
    return [sheet for sheet in shown if sheet.questions]


def _some(among: Sequence[Item], count: int, rng: np.random.Generator) -> list[Item]:
    return [among[int(place)] for place in rng.permutation(len(among))[:count]]


def _controlled(
    plain: Sequence[Item], tags: Sequence[str], count: int, rng: np.random.Generator, said: bool = False
) -> list[Question]:
    """Texts under each tag in turn, or under sentences for it that training never saw."""
    found = []
    for index in range(count if plain else 0):
        item, tag, other = plain[int(rng.integers(len(plain)))], tags[index % len(tags)], tags[(index + 1) % len(tags)]
        sentences = [TAGS[tag].held_out[index % len(TAGS[tag].held_out)]]
        asked = asking.to_say(item.text, (tag,), item.voice)
        if said:
            asked = asking.to_say_so(item.text, sentences, item.voice)
        neutral = neutral_of(item)
        found.append(
            Question(
                asked,
                asking.to_say(item.text, (), item.voice),
                lambda heard, tag=tag, neutral=neutral: in_bands((tag,), neutral, heard),
                item.voice,
                f"({tag}) {item.text}" if not said else f"{sentences[0]}: {item.text}",
                (tag, neutral),
                lambda heard, other=other, neutral=neutral: in_bands((other,), neutral, heard),
            )
        )
    return found


def _spoken(item: Item) -> Question:
    asked = asking.to_say(item.text, (), item.voice)
    return Question(asked, None, lambda heard: error_share(item.text, heard.words), item.voice, item.text)


def _written(told: Sequence[Utterance], split: str, count: int, rng: np.random.Generator) -> list[Question]:
    """Speech to be written down, of voices of training or of the others."""
    some = [one for one in told if (VOICES[one.voice].split == "train") == bool(split) and one.kind != "answer"]
    chosen = [some[int(place)] for place in rng.permutation(len(some))[:count]]
    return [
        Question(
            asking.to_write(one.speech),
            None,
            lambda heard, one=one: error_share(one.text, heard.text, characters=True),
            title=one.text,
        )
        for one in chosen
    ]


def _answered(
    library: Library, kinds: Sequence[str], count: int, rng: np.random.Generator, aloud: bool = False
) -> list[Question]:
    """Spoken questions of some kinds or of all, answered in text, or aloud; the twin is typed."""
    some = [one for one in library.questions if not kinds or one.kind in kinds]
    how = asking.BOTH if aloud else asking.IN_TEXT
    return [
        Question(
            asking.to_answer(one.speech, how),
            asking.to_answer(one.text, how),
            lambda heard, one=one: float((heard.words if aloud else heard.text) == one.answer),
            title=f"{one.text}? {one.answer}",
        )
        for one in (some[int(place)] for place in rng.permutation(len(some))[:count])
    ]


def _sung(plain: Sequence[Item], count: int, rng: np.random.Generator) -> list[Question]:
    found = []
    for index, item in enumerate(_some(plain, count, rng)):
        tunes: Mapping[bool, Sequence[str]] = {True: HIGH_TUNES, False: TUNES}
        choice = tunes[VOICES[item.voice].variant.startswith("f")]
        tune = choice[index % len(choice)]
        text, notes = draw_of(rng, "test", "refrain").text, [parse_note(name) for name in tune.split()]
        found.append(
            Question(
                asking.to_say(text, (f"sing: {tune}",), item.voice),
                asking.to_say(text, (), item.voice),
                lambda heard, notes=notes: float(notes_heard(heard.f0, notes) >= NOTES_BAND.low),
                item.voice,
                f"(sing: {tune}) {text}",
            )
        )
    return found


def _rapped(plain: Sequence[Item], count: int, rng: np.random.Generator) -> list[Question]:
    found = []
    for index, item in enumerate(_some(plain, count, rng)):
        text, bpm = draw_of(rng, "test", "rap").text, TEMPOS[index % len(TEMPOS)]
        found.append(
            Question(
                asking.to_say(text, (f"rap {bpm}",), item.voice),
                asking.to_say(text, (), item.voice),
                lambda heard, bpm=bpm: float(
                    heard.wave.size > 0 and beats_share(onsets(heard.wave), 30 / bpm) >= BEATS_BAND.low
                ),
                item.voice,
                f"(rap {bpm}) {text}",
            )
        )
    return found
