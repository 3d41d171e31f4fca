"""Dialogues of all tasks, drawn from the engine's utterances: what the policy is trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from jaxrl.speech.chat import Call, Speech, Turn
from jaxrl.speech.engine.scripts import clock_words, draw_of, vocabulary
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.library import Library, Utterance
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tags import TAGS
from jaxrl.speech.tools import MEANINGS, TOOLS, answer_turn, run_tool

Maker = Callable[[np.random.Generator, Library], list[Turn]]  # no turns: the library lacks what it needs
MAX_TURNS = 3
WORDS = [word for word in vocabulary() if word.isalpha() and word not in MEANINGS]  # that the dictionary lacks


def tts(rng: np.random.Generator, library: Library) -> list[Turn]:
    """A text under its tags, in its voice."""
    one = _one(rng, library.all)
    return [*asking.to_say(one.text, one.tags, one.voice), Turn("assistant", (_said(rng, one),))]


def control(rng: np.random.Generator, library: Library) -> list[Turn]:
    """The same under plain sentences in place of tags."""
    if not library.tagged:
        return []
    one = _one(rng, library.tagged)
    if not all(tag in TAGS for tag in one.tags):  # notes and beats have no sentences
        return [*asking.to_say(one.text, one.tags, one.voice), Turn("assistant", (_said(rng, one),))]
    sentences = [_one(rng, TAGS[tag].sentences) for tag in one.tags]
    return [*asking.to_say_so(one.text, sentences, one.voice), Turn("assistant", (_said(rng, one),))]


def asr(rng: np.random.Generator, library: Library) -> list[Turn]:
    """Speech, and what it says."""
    one = _one(rng, library.all)
    return [*asking.to_write(_said(rng, one)), Turn("assistant", (one.text,))]


def cloning(rng: np.random.Generator, library: Library) -> list[Turn]:
    """Two texts in one voice, the first of which is the prompt."""
    voices = [name for name, told in library.plain.items() if len(told) > 1]
    if not voices:
        return []
    voice = _one(rng, voices)
    first, second = (library.plain[voice][int(i)] for i in rng.choice(len(library.plain[voice]), 2, replace=False))
    return [*asking.to_clone(first.text, _said(rng, first), second.text), Turn("assistant", (_said(rng, second),))]


def questions(rng: np.random.Generator, library: Library) -> list[Turn]:
    """A spoken or typed question, and an answer in text, in speech, or in text and then speech."""
    if not library.questions:
        return []
    one = _one(rng, library.questions)
    how = _how(rng, one.answer, library)
    return [*asking.to_answer(_asked(rng, one), how), _reply(rng, one.answer, how, library)]


def tools(rng: np.random.Generator, library: Library) -> list[Turn]:
    """A question with some tools at hand: called where they answer it, and only there."""
    at_hand = [name for name in TOOLS if rng.random() < 0.75]
    question, answer, clock = _tool_question(rng, library)
    call = asking.call_for(question if isinstance(question, str) else question.text)
    content = question if isinstance(question, str) else _asked(rng, question)
    how = _how(rng, answer, library)
    first = asking.to_answer(content, how, at_hand)
    if call is None or not asking.needs(call, at_hand):
        known = answer if call is None or call.text.startswith("calc") else asking.UNKNOWN
        return [*first, _reply(rng, known, how if known == answer else asking.IN_TEXT, library)]
    return [*first, Turn("assistant", (call,)), answer_turn(call, clock), _reply(rng, answer, how, library)]


def personas(rng: np.random.Generator, library: Library) -> list[Turn]:
    """Up to three turns in a role, whose rule holds in all of them."""
    name = _one(rng, list(asking.PERSONAS))
    persona = asking.PERSONAS[name]
    turns: list[Turn] = []
    if persona.tag:
        voices = [voice for voice, tag in library.under if tag == persona.tag]
        if not voices:
            return []
        voice = _one(rng, voices)
        turns += asking.system(voice, persona=name)
        for _ in range(MAX_TURNS):
            one = _one(rng, library.under[voice, persona.tag])
            turns += [*asking.to_say(one.text), Turn("assistant", (_said(rng, one),))]
        return turns
    if not library.questions:
        return []
    turns += asking.system(persona=name)
    for _ in range(MAX_TURNS):
        one = _one(rng, library.questions)
        asked = asking.to_answer(_asked(rng, one), asking.IN_TEXT)
        turns += [*asked, Turn("assistant", (one.answer + persona.ending,))]
    return turns


def several(rng: np.random.Generator, library: Library) -> list[Turn]:
    """Questions one after another."""
    return [turn for _ in range(2) for turn in questions(rng, library)]


# Shares of the tasks.
TASKS: Mapping[str, tuple[float, Maker]] = {
    "tts": (0.45, tts),
    "asr": (0.29, asr),
    "questions": (0.08, questions),
    "control": (0.04, control),
    "cloning": (0.04, cloning),
    "tools": (0.05, tools),
    "personas": (0.03, personas),
    "several": (0.02, several),
}


def draw_dialogue(rng: np.random.Generator, library: Library, tasks: Sequence[str] = tuple(TASKS)) -> list[Turn]:
    """One dialogue of some tasks, by their shares; of text to speech where the library lacks what the task needs.

    Raises:
        SpeechError: the library is empty.
    """
    if not library.all:
        raise SpeechError("a split has no utterance; raise engine.utterances or policy.utterances")
    shares = np.array([TASKS[name][0] for name in tasks])
    return TASKS[tasks[int(rng.choice(len(tasks), p=shares / shares.sum()))]][1](rng, library) or tts(rng, library)


def _one(rng: np.random.Generator, among):
    return among[int(rng.integers(len(among)))]


def _said(rng: np.random.Generator, one: Utterance) -> Speech:
    return _one(rng, one.codings)


def _asked(rng: np.random.Generator, one: Utterance) -> str | Speech:
    return one.text if rng.random() < 0.35 else _said(rng, one)


def _how(rng: np.random.Generator, answer: str, library: Library) -> str:
    """How an answer may be wanted: in speech only where somebody read it out."""
    if answer not in library.replies:
        return asking.IN_TEXT
    return _one(rng, (asking.BOTH, asking.BOTH, asking.IN_TEXT, asking.IN_SPEECH))


def _reply(rng: np.random.Generator, answer: str, how: str, library: Library) -> Turn:
    if how == asking.IN_TEXT:
        return Turn("assistant", (answer,))
    speech = _one(rng, library.replies[answer])
    return Turn("assistant", (answer, speech) if how == asking.BOTH else (speech,))


def _tool_question(rng: np.random.Generator, library: Library) -> tuple[str | Utterance, str, int]:
    """A question, its answer with every tool at hand, and the minutes of the dialogue's clock."""
    clock, kind = int(rng.integers(24 * 60)), rng.random()
    if kind < 0.25:
        return _one(rng, asking.CLOCK_QUESTIONS), f"it is {clock_words(clock)}", clock
    if kind < 0.5:
        word = _one(rng, list(MEANINGS)) if rng.random() < 0.7 else _one(rng, WORDS)
        told = run_tool(Call(f"define {word}"), clock)
        question = _one(rng, asking.MEANING_QUESTIONS).format(word)
        return question, asking.UNKNOWN if told.startswith("error") else told, clock
    if kind < 0.75 or not library.questions:  # typed sums there are without end
        script = draw_of(rng, "train", "arithmetic")
        return script.text, script.answer, clock
    one = _one(rng, library.questions)
    return one, one.answer, clock
