"""A conversation with the assistant, line by line: typed text, tags, waves."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrl.speech.chat import Call, Turn, encode_prompt
from jaxrl.speech.engine.voices import ASSISTANT
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.assistant import Assistant, spoken_form
from jaxrl.speech.sound.waves import read_wave
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tags import parse_tagged
from jaxrl.speech.tools import TOOLS

ROOM = 120  # tokens of the context that are kept free for an answer


class Setting(NamedTuple):
    """What holds for all turns: a voice by name, a persona by name, and whether tools are at hand."""

    voice: str | None = None
    persona: str | None = None
    tools: bool = True


class Reply(NamedTuple):
    """What is shown and played: text, a wave or None, and notes about calls and about what was left out."""

    text: str
    wave: np.ndarray | None
    notes: list[str]


class Conversation:
    """The turns so far.

    Args:
        assistant: who answers.
        setting: see there.

    Raises:
        SpeechError: there is no such voice or persona.
    """

    def __init__(self, assistant: Assistant, setting: Setting):
        persona = setting.persona or ""
        if persona and persona not in asking.PERSONAS:
            raise SpeechError(f"there is no persona {persona!r}; the personas are {', '.join(asking.PERSONAS)}")
        self._assistant, self._voice = assistant, setting.voice or ASSISTANT
        assistant.voice_named(self._voice)
        self._system = asking.system(self._voice, tuple(TOOLS) if setting.tools else (), persona)
        self._reading = asking.system(self._voice, persona=persona)
        self._turns: list[Turn] = []

    def turn(self, line: str, clock: int) -> Reply:
        """The answer to one line; where it raises, the conversation is as it was before.

        Args:
            line: a question, `say: words` or `speak up: words`, tags and words, or the path of a `.wav`.
            clock: minutes since midnight.

        Raises:
            SpeechError: the line cannot be used; the message says why.
        """
        line = line.strip()
        line = line if _is_wave(line) else line.lower()
        asked, reads = self._heard(line), _reads(line)
        # What is read out belongs to no dialogue: no training has both in one.
        kept, notes = ([], []) if reads else self._fitting(asked)
        found = self._assistant.answer([*(self._reading if reads else self._system), *kept, asked], clock)
        for call, result in zip(found.turns, found.turns[1:], strict=False):
            notes += [f"{part.text} -> {result.content[0]}" for part in call.content if isinstance(part, Call)]
        spoken = found.speech if found.speech and found.speech.linguistic else None
        wave = self._assistant.wave(spoken, self._voice) if spoken else None
        if not reads:
            self._turns = [*kept, asked, *found.turns]
        return Reply(found.text, wave, notes)

    def _heard(self, line: str) -> Turn:
        if _is_wave(line):
            return Turn("human", (self._assistant.codes(read_wave(Path(line))),))
        if line.startswith(("(", asking.SAY.strip())):
            tagged = parse_tagged(line.removeprefix(asking.SAY.strip()))
            return asking.to_say(spoken_form(tagged.text), tagged.names)[-1]
        return Turn("human", (spoken_form(line),))

    def _fitting(self, asked: Turn) -> tuple[list[Turn], list[str]]:
        """The turns before that leave room for an answer, and a note where the oldest had to go."""
        policy, kept, dropped = self._assistant.policy, list(self._turns), 0
        while kept:
            try:
                encode_prompt([*self._system, *kept, asked], policy.vocabulary, policy.config.context - ROOM)
                break
            except SpeechError:
                kept.pop(0)
                while kept and kept[0].role != "human":
                    kept.pop(0)
                dropped += 1
        return kept, [f"{dropped} of the oldest questions no longer fit and are left out"] if dropped else []


def _is_wave(line: str) -> bool:
    return line.lower().endswith(".wav")


def _reads(line: str) -> bool:
    """Whether something is to be read out: `say: words`, tags and words, or how in a sentence, `speak up: words`."""
    answers = _is_wave(line) or line.startswith((asking.IN_TEXT.strip(), asking.IN_SPEECH.strip()))
    return line.startswith("(") or (":" in line and not answers)
