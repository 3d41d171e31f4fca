"""Dialogues of all tasks, drawn from the engine's utterances: what the policy is trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.speech.chat import Call, Speech, Turn
from jaxrl.speech.engine.facts import FACTS
from jaxrl.speech.engine.phrasings import phrasing
from jaxrl.speech.engine.scripts import clock_words, draw_of, vocabulary
from jaxrl.speech.engine.voices import ASSISTANT
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.library import Library, Utterance
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tags import TAGS
from jaxrl.speech.tools import MEANINGS, TOOLS, answer_turn, run_tool

Maker = Callable[[np.random.Generator, Library], list[Turn]]  # no turns: the library lacks what it needs
MAX_TURNS = 3
OWN_ROLES = 0.6  # share of roles that the assistant plays in its own voice, beside those in any
# Questions that neither a tool nor the table of facts answers.
BEYOND = (
    "what is the capital of {}",
    "name the capital of {}",
    "what colour is the {}",
    "tell me the colour of the {}",
    "how many legs has a {}",
    "what follows {}",
)
WORDS = [word for word in vocabulary() if word.isalpha() and word not in MEANINGS]  # that the dictionary lacks
STRANGE = [word for word in WORDS if not any(word in text.split() for row in FACTS for text in row)]  # and the facts


def tts(rng: np.random.Generator, library: Library) -> list[Turn]:
    """A text under its tags, in its voice."""
    one = _one(rng, library.all)
    return [*asking.to_say(one.text, one.tags, one.voice), Turn("assistant", (_said(rng, one),))]


def control(rng: np.random.Generator, library: Library) -> list[Turn]:
    """The same under plain sentences in place of tags, which the assistant writes first: one token in which it has to
    say what a sentence means, where hundreds of codes say so by the way."""
    if not library.tagged:
        return []
    one = _one(rng, library.tagged)
    if not all(tag in TAGS for tag in one.tags):  # notes and beats have no sentences
        return [*asking.to_say(one.text, one.tags, one.voice), Turn("assistant", (_said(rng, one),))]
    sentences = [phrasing(rng, tag) for tag in one.tags]
    asked = asking.to_say_so(one.text, sentences, one.voice)
    return [*asked, Turn("assistant", (asking.under(one.tags), _said(rng, one)))]


def naming(rng: np.random.Generator, library: Library) -> list[Turn]:
    """The same with an answer in text, which is the tags alone: in the tokens of one reading there is place for several
    sentences."""
    one = _one(rng, library.tagged) if library.tagged else None
    if one is None or not all(tag in TAGS for tag in one.tags):
        return []
    asked = asking.to_name(one.text, [phrasing(rng, tag) for tag in one.tags])
    return [*asked, Turn("assistant", (asking.under(one.tags),))]


def asr(rng: np.random.Generator, library: Library) -> list[Turn]:
    """Speech, and what it says."""
    one = _one(rng, library.all)
    return [*asking.to_write(_heard(rng, one)), Turn("assistant", (one.text,))]


def cloning(rng: np.random.Generator, library: Library) -> list[Turn]:
    """Two texts in one voice, the first of which is the prompt; the voice has another throat half of the times."""
    throats = [told for told in library.throats.values() if len(told) > 1]
    if throats and rng.random() < 0.5:
        (first, spoken), (second, answer) = _two(rng, _one(rng, throats))
        return [*asking.to_clone(first, spoken, second), Turn("assistant", (answer,))]
    voices = [told for told in library.plain.values() if len(told) > 1]
    if not voices:
        return []
    one, other = _two(rng, _one(rng, voices))
    return [*asking.to_clone(one.text, _said(rng, one), other.text), Turn("assistant", (_said(rng, other),))]


def questions(rng: np.random.Generator, library: Library) -> list[Turn]:
    """A spoken or typed question, and an answer in text, in speech, or in text and then speech."""
    if not library.questions:
        return []
    one = _one(rng, library.questions)
    (asked, heard), how = _asked(rng, one), _how(rng, one.answer, library)
    return [*asking.to_answer(asked, how), _reply(rng, one.answer, how, library, heard)]


def sums(rng: np.random.Generator, library: Library) -> list[Turn]:
    """A typed sum that nobody read out: of these there are without end."""
    script = draw_of(rng, "train", "arithmetic")
    return [*asking.to_answer(script.text, asking.IN_TEXT), Turn("assistant", (script.answer,))]


def tools(rng: np.random.Generator, library: Library) -> list[Turn]:
    """Questions with some tools at hand: called where they answer them, and only there."""
    at_hand = list(TOOLS) if rng.random() < 0.6 else [name for name in TOOLS if rng.random() < 0.5]
    asked = [_with_tools(rng, library, at_hand) for _ in range(1 + int(rng.integers(MAX_TURNS)))]
    return [*asking.system(tools=at_hand), *(turn for turns in asked for turn in turns)]


def _with_tools(rng: np.random.Generator, library: Library, at_hand: Sequence[str]) -> list[Turn]:
    question, answer, clock = _tool_question(rng, library)
    call = asking.call_for(question if isinstance(question, str) else question.text)
    asked, heard = (question, "") if isinstance(question, str) else _asked(rng, question)
    how = _how(rng, answer, library)
    first = asking.to_answer(asked, how)
    if call is None or not asking.needs(call, at_hand):
        known = answer if call is None or call.text.startswith("calc") else asking.UNKNOWN
        return [*first, _reply(rng, known, how if known == answer else asking.IN_TEXT, library, heard)]
    called = Turn("assistant", (heard, call) if heard else (call,))
    return [*first, called, answer_turn(call, clock), _reply(rng, answer, how, library)]


def personas(rng: np.random.Generator, library: Library) -> list[Turn]:
    """Up to three turns in a role, whose rule holds in all of them; where it is a tag, that is written first."""
    name = _one(rng, list(asking.PERSONAS))
    persona = asking.PERSONAS[name]
    turns: list[Turn] = []
    if persona.tag:
        voices = [voice for voice, tag in library.under if tag == persona.tag]
        if not voices:
            return []
        own = ASSISTANT in voices and rng.random() < OWN_ROLES
        voice = ASSISTANT if own else _one(rng, voices)
        turns += asking.system(voice, persona=name)
        for _ in range(MAX_TURNS):
            one = _one(rng, library.under[voice, persona.tag])
            turns += [*asking.to_say(one.text), Turn("assistant", (asking.under(one.tags), _said(rng, one)))]
        return turns
    if not library.questions:
        return []
    turns += asking.system(persona=name)
    for _ in range(MAX_TURNS):
        one = _one(rng, library.questions)
        asked, heard = _asked(rng, one)
        turns += asking.to_answer(asked, asking.IN_TEXT)
        turns += [Turn("assistant", (heard + one.answer + persona.ending,))]
    return turns


def several(rng: np.random.Generator, library: Library) -> list[Turn]:
    """Questions one after another."""
    return [turn for _ in range(2) for turn in questions(rng, library)]


class Task(NamedTuple):
    """What makes its dialogues, and its shares of them: in a first course, most of which is speaking and writing, and
    in a second one for those who can do that, half of whose dialogues are a line of text and its answer."""

    make: Maker
    first: float
    second: float


TASKS: Mapping[str, Task] = {
    "tts": Task(tts, 0.42, 0.09),
    "asr": Task(asr, 0.27, 0.08),
    "questions": Task(questions, 0.06, 0.05),
    "control": Task(control, 0.04, 0.09),
    "naming": Task(naming, 0.04, 0.24),
    "sums": Task(sums, 0.04, 0.24),
    "cloning": Task(cloning, 0.04, 0.06),
    "tools": Task(tools, 0.04, 0.09),
    "personas": Task(personas, 0.03, 0.04),
    "several": Task(several, 0.02, 0.02),
}


def draw_dialogue(
    rng: np.random.Generator, library: Library, tasks: Sequence[str] = tuple(TASKS), second: bool = False
) -> list[Turn]:
    """One dialogue of some tasks, by their shares in the first or the second course; of text to speech where the
    library lacks what the task needs.

    Raises:
        SpeechError: the library is empty.
    """
    if not library.all:
        raise SpeechError("a split has no utterance; raise engine.utterances or policy.utterances")
    shares = np.array([TASKS[name].second if second else TASKS[name].first for name in tasks])
    return TASKS[tasks[int(rng.choice(len(tasks), p=shares / shares.sum()))]].make(rng, library) or tts(rng, library)


def _one(rng: np.random.Generator, among):
    return among[int(rng.integers(len(among)))]


def _two(rng: np.random.Generator, among):
    return (among[int(index)] for index in rng.choice(len(among), 2, replace=False))


def _said(rng: np.random.Generator, one: Utterance) -> Speech:
    """In its own voice, as the assistant may say it."""
    return _one(rng, one.codings)


def _heard(rng: np.random.Generator, one: Utterance) -> Speech:
    """As the assistant may hear it: half of the times in another throat, where there are any."""
    return _one(rng, one.throats) if one.throats and rng.random() < 0.5 else _said(rng, one)


def _asked(rng: np.random.Generator, one: Utterance) -> tuple[str | Speech, str]:
    """A question, typed or spoken, and what the assistant writes of it before it answers: what it heard."""
    return (one.text, "") if rng.random() < 0.35 else (_heard(rng, one), one.text + asking.HEARD)


def _how(rng: np.random.Generator, answer: str, library: Library) -> str:
    """How an answer may be wanted: in speech only where somebody read it out."""
    if answer not in library.replies:
        return asking.IN_TEXT
    return _one(rng, (asking.BOTH, asking.BOTH, asking.IN_TEXT, asking.IN_SPEECH))


def _reply(rng: np.random.Generator, answer: str, how: str, library: Library, heard: str = "") -> Turn:
    """An answer behind what was `heard`; asked for speech alone, nothing is written."""
    if how == asking.IN_TEXT:
        return Turn("assistant", (heard + answer,))
    speech = _one(rng, library.replies[answer])
    return Turn("assistant", (heard + answer, speech) if how == asking.BOTH else (speech,))


def _tool_question(rng: np.random.Generator, library: Library) -> tuple[str | Utterance, str, int]:
    """A question, its answer with every tool at hand, and the minutes of the dialogue's clock. A quarter are such that
    no tool answers, of which some nobody can: what nothing was ever said of is no reason for a call."""
    clock, kind = int(rng.integers(24 * 60)), rng.random()
    if kind < 0.32:
        return _one(rng, asking.CLOCK_QUESTIONS), f"it is {clock_words(clock)}", clock
    if kind < 0.44:
        word = _one(rng, list(MEANINGS)) if rng.random() < 0.7 else _one(rng, WORDS)
        told = run_tool(Call(f"define {word}"), clock)
        question = _one(rng, asking.MEANING_QUESTIONS).format(word)
        return question, asking.UNKNOWN if told.startswith("error") else told, clock
    if kind < 0.75:
        if library.sums and kind > 0.58:
            one = _one(rng, library.sums)
            return one, one.answer, clock
        script = draw_of(rng, "train", "arithmetic")
        return script.text, script.answer, clock
    if library.not_sums and kind > 0.87:
        one = _one(rng, library.not_sums)
        return one, one.answer, clock
    if kind > 0.82:
        return _one(rng, BEYOND).format(_one(rng, STRANGE)), asking.UNKNOWN, clock
    script = draw_of(rng, "train", _one(rng, ("fact", "memory", "spelling")))
    return script.text, script.answer, clock
