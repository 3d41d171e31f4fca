"""What the engine said and the tokenizer coded, as the policy's training asks for it: by voice, kind and text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from jaxrl.speech.chat import Speech
from jaxrl.speech.engine.voices import ASSISTANT
from jaxrl.speech.manifest import Item


class Utterance(NamedTuple):
    """A reading: its words, its codes, who read it and how, and what answers it, where it is a question; and codes of
    the same wave when it begins a little later, so that few are learnt by heart."""

    text: str
    speech: Speech
    kind: str
    voice: str
    tags: tuple[str, ...]
    answer: str
    later: tuple[Speech, ...] = ()

    @property
    def codings(self) -> tuple[Speech, ...]:
        """All of its codes."""
        return (self.speech, *self.later)


class Library:
    """Utterances of one split.

    Args:
        items: of manifests.
        speech: their codes.
        split: train, valid or test.
        later: codes of the same waves a little later, for each item; none for none.
    """

    def __init__(
        self, items: Sequence[Item], speech: Sequence[Speech], split: str, later: Sequence[tuple[Speech, ...]] = ()
    ):
        self.all: list[Utterance] = []
        self.tagged: list[Utterance] = []
        self.questions: list[Utterance] = []
        self.plain: dict[str, list[Utterance]] = defaultdict(list)  # by voice, without tags
        self.under: dict[tuple[str, str], list[Utterance]] = defaultdict(list)  # by voice and tag, one tag only
        self.replies: dict[str, list[Speech]] = defaultdict(list)  # in the assistant's voice, by text
        for item, codes, others in zip(items, speech, later or [()] * len(items), strict=True):
            if item.split == split:
                self.add(Utterance(item.text, codes, item.kind, item.voice, item.tags, item.answer, others))

    def add(self, one: Utterance) -> None:
        """One more."""
        self.all.append(one)
        if one.answer:
            self.questions.append(one)
        if one.tags:
            self.tagged.append(one)
            if len(one.tags) == 1:
                self.under[one.voice, one.tags[0]].append(one)
            return
        self.plain[one.voice].append(one)
        if one.voice == ASSISTANT:
            self.replies[one.text] += one.codings
