"""How the policy is asked, one function for each task: turns of a dialogue that the assistant goes on from.

Roles that it takes on each have a rule that a program can check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxrl.speech.chat import Call, Speech, Turn
from jaxrl.speech.engine.scripts import number_words
from jaxrl.speech.engine.voices import ASSISTANT
from jaxrl.speech.tools import TOOLS

SAY, WRITE = "say: ", "write: "
# How an answer is wanted; by default it is written, then spoken: the text is the inner monologue of the speech.
BOTH, IN_TEXT, IN_SPEECH = "", "answer in text: ", "answer in speech: "
UNKNOWN = "i do not know"
HEARD = "? "  # behind a spoken question, which the assistant writes down before it answers
CLOCK_QUESTIONS = ("what time is it", "tell me the time", "what is the time")
MEANING_QUESTIONS = ("what does {} mean", "what is the meaning of {}", "define {}")
NUMBERS = {number_words(number): number for number in range(100)}
SIGNS = {"plus": "+", "minus": "-", "times": "*"}


class Persona(NamedTuple):
    """A role: the tag under which it speaks, and what its written answers end with; either may be empty."""

    tag: str = ""
    ending: str = ""


PERSONAS: Mapping[str, Persona] = {
    "a robot": Persona(tag="monotone"),
    "a child": Persona(tag="high"),
    "a sloth": Persona(tag="slow"),
    "a butler": Persona(ending=" sir"),
}


def system(voice: str = ASSISTANT, tools: Sequence[str] = (), persona: str = "") -> list[Turn]:
    """The turn that says in whose voice, with which tools and as whom; none where all is as usual."""
    parts = [f"voice {voice}"] if voice != ASSISTANT else []
    parts += [f"tools {' '.join(tools)}"] if tools else []
    parts += [f"you are {persona}"] if persona else []
    return [Turn("system", (". ".join(parts),))] if parts else []


def under(tags: Sequence[str]) -> str:
    """Tags as they stand before a text, and before speech under plain sentences or in a role, of which the assistant
    first writes what they mean."""
    return "".join(f"({tag})" for tag in tags)


def written(turn: Turn) -> str:
    """What a turn says in writing, without the spoken question that it repeats."""
    return "".join(part for part in turn.content if isinstance(part, str)).rpartition(HEARD)[2].strip()


def to_say(text: str, tags: Sequence[str] = (), voice: str = ASSISTANT) -> list[Turn]:
    """Text to speech: in a voice, under tags without brackets."""
    return [*system(voice), Turn("human", (SAY + under(tags) + text,))]


def to_say_so(text: str, sentences: Sequence[str], voice: str = ASSISTANT) -> list[Turn]:
    """Text to speech under plain sentences, such as `speak up`."""
    return [*system(voice), Turn("human", (_so(text, sentences),))]


def to_name(text: str, sentences: Sequence[str]) -> list[Turn]:
    """The same with the tags that they mean as the whole answer."""
    return to_answer(_so(text, sentences), IN_TEXT)


def to_write(speech: Speech) -> list[Turn]:
    """Speech to text."""
    return [Turn("human", (WRITE, speech))]


def to_answer(question: str | Speech, how: str = BOTH, tools: Sequence[str] = (), persona: str = "") -> list[Turn]:
    """A question, typed or spoken."""
    content = (how + question,) if isinstance(question, str) else (how, question) if how else (question,)
    return [*system(tools=tools, persona=persona), Turn("human", content)]


def to_clone(voice_text: str, voice: Speech, text: str) -> list[Turn]:
    """`text` in the voice of a prompt that says `voice_text`."""
    return [*to_say(voice_text), Turn("assistant", (voice,)), *to_say(text)]


def call_for(question: str) -> Call | None:
    """The call that answers a question of the domain, as training has it; None where no tool does."""
    if question in CLOCK_QUESTIONS:
        return Call("clock")
    for form in MEANING_QUESTIONS:
        before, after = form.split("{}")
        if question.startswith(before) and question.endswith(after) and " " not in (word := _between(question, form)):
            return Call(f"define {word}")
    for word, sign in SIGNS.items():
        first, found, second = question.partition(f" {word} ")
        first = first.removeprefix("what is ").removeprefix("how much is ")
        if found and first in NUMBERS and second in NUMBERS:
            return Call(f"calc {NUMBERS[first]}{sign}{NUMBERS[second]}")
    return None


def needs(call: Call | None, tools: Sequence[str]) -> bool:
    """Whether the call can be made with these tools."""
    name = call.text.split()[0] if call else ""
    return name in tools and name in TOOLS


def _so(text: str, sentences: Sequence[str]) -> str:
    return f"{' and '.join(sentences)}: {text}"


def _between(text: str, form: str) -> str:
    before, after = form.split("{}")
    return text[len(before) : len(text) - len(after)]
