"""What the policy is asked in reinforcement learning, each with what a program can check in the answer.

Texts to be spoken come from the engine's utterances, and with them what its own reading measured: an answer has to
sound as far from the neutral reading as that one did. Questions for tools come with what the right call returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.speech.chat import encode_prompt
from jaxrl.speech.engine.phrasings import phrasing
from jaxrl.speech.engine.scripts import draw_of
from jaxrl.speech.engine.voices import ASSISTANT, VOICES
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.manifest import Item
from jaxrl.speech.policy import asking
from jaxrl.speech.sound.measures import Measured
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tags import TAGS
from jaxrl.speech.tools import MEANINGS, TOOLS, run_tool

TOKENS_A_SECOND = 1000 / 24  # 5 a block of 120 ms
SPARE = 1.4  # room for an answer, beside what the engine's reading takes
IN_SENTENCES, FOR_TOOLS = 0.2, 0.15  # shares of tagged asks, and of all
ATTRIBUTES = ("rate", "pitch", "loudness", "spread", "voicing")


class Ask(NamedTuple):
    """A prompt, and what its answer is judged by.

    Args:
        prompt: ids, up to the opening of the assistant's turn.
        text: words that must be heard; empty where a tool must be called.
        voice: of the engine.
        wanted: attributes of the engine's reading, as in `measures.relative`; a `spread` beside them.
        neutral: the neutral reading of the text in this voice.
        result: what the called tool must return.
        clock: minutes since midnight in this dialogue.
        title: for people.
    """

    prompt: tuple[int, ...]
    text: str
    voice: str
    wanted: Mapping[str, float]
    neutral: Measured | None
    result: str = ""
    clock: int = 0
    title: str = ""


def neutral_of(item: Item) -> Measured:
    """What the neutral reading measured, from an utterance that was compared with it; 0 Hz where that is not known."""
    told = item.measured
    return Measured(
        told["seconds"] * told["relative_rate"],
        told["f0"] / 2 ** (told["relative_pitch"] / 12),
        told["spread"],
        told["level"] - told["relative_loudness"],
        min(told["voicing"] / max(told["relative_voicing"], 1e-3), 1.0),
    )


def wanted_of(item: Item) -> dict[str, float]:
    """The attributes of an utterance; without those of the voice, where it has none."""
    told = item.measured
    found = {name: told.get(f"relative_{name}", told.get(name, 0.0)) for name in ATTRIBUTES}
    return found if told["f0"] > 0 else {name: found[name] for name in ("rate", "loudness", "voicing")}


def to_speak(item: Item, vocabulary: Vocabulary, room: int, sentences: Sequence[str] = ()) -> Ask | None:
    """An utterance to be read out under its tags, or under `sentences` in their place; None where it does not fit into
    `room` tokens."""
    turns = asking.to_say(item.text, item.tags, item.voice)
    if sentences:
        turns = asking.to_say_so(item.text, sentences, item.voice)
    answer = int(SPARE * item.measured["seconds"] * TOKENS_A_SECOND) + 8
    try:
        prompt = encode_prompt(turns, vocabulary, room - answer)
    except SpeechError:
        return None
    title = " ".join((*(f"({tag})" for tag in item.tags), item.text, f"[{item.voice}]"))
    return Ask(tuple(prompt), item.text, item.voice, wanted_of(item), neutral_of(item), title=title)


def to_call(rng: np.random.Generator, vocabulary: Vocabulary, room: int, split: str) -> Ask:
    """A question that a tool answers: a sum of the split, the clock, or a word."""
    clock, kind = int(rng.integers(24 * 60)), int(rng.integers(3))
    if kind == 0:
        question = asking.CLOCK_QUESTIONS[int(rng.integers(len(asking.CLOCK_QUESTIONS)))]
    elif kind == 1:
        form = asking.MEANING_QUESTIONS[int(rng.integers(len(asking.MEANING_QUESTIONS)))]
        question = form.format(list(MEANINGS)[int(rng.integers(len(MEANINGS)))])
    else:
        question = draw_of(rng, split, "arithmetic").text
    call = asking.call_for(question)
    assert call is not None, question
    prompt = encode_prompt(asking.to_answer(question, tools=tuple(TOOLS)), vocabulary, room)
    return Ask(tuple(prompt), "", ASSISTANT, {}, None, run_tool(call, clock), clock, question)


class Asks:
    """All that can be asked of one split.

    Args:
        items: of manifests.
        split: train, valid or test.
        vocabulary: of the tokens.
        room: most tokens of a prompt and its answer.

    Raises:
        SpeechError: nothing of the split fits.
    """

    def __init__(self, items: Sequence[Item], split: str, vocabulary: Vocabulary, room: int):
        self._vocabulary, self._room, self._split = vocabulary, room, split
        self._items = [
            item
            for item in items
            if item.split == split
            and VOICES[item.voice].split == "train"
            and all(tag in TAGS for tag in item.tags)
            and to_speak(item, vocabulary, room)
        ]
        if not self._items:
            raise SpeechError(f"no {split} utterance and its prompt fit into {room} tokens; raise rl.tokens")

    def draw(self, rng: np.random.Generator, count: int) -> list[Ask]:
        """`count` of them, drawn independently."""
        return [self._draw(rng) for _ in range(count)]

    def fixed(self, count: int) -> list[Ask]:
        """The same `count` at every call, as far as there are; one in eight is a question for tools."""
        rng = np.random.default_rng(5)
        questions = [to_call(rng, self._vocabulary, self._room, self._split) for _ in range(count // 8)]
        places = rng.permutation(len(self._items))[: count - len(questions)]
        spoken = (to_speak(self._items[int(place)], self._vocabulary, self._room) for place in places)
        return [*filter(None, spoken), *questions]

    def _draw(self, rng: np.random.Generator) -> Ask:
        if rng.random() < FOR_TOOLS:
            return to_call(rng, self._vocabulary, self._room, self._split)
        item = self._items[int(rng.integers(len(self._items)))]
        sentences: list[str] = []
        if item.tags and rng.random() < IN_SENTENCES:
            sentences = [phrasing(rng, tag) for tag in item.tags]
        ask = to_speak(item, self._vocabulary, self._room, sentences) or to_speak(item, self._vocabulary, self._room)
        assert ask is not None  # the second form was seen to fit
        return ask
