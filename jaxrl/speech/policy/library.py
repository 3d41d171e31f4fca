"""What the engine said and the tokenizer coded, as the policy's training asks for it: by voice, kind and text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.speech.chat import Speech
from jaxrl.speech.engine.voices import ASSISTANT
from jaxrl.speech.interleave import BLOCK_MS, LINGUISTIC_PER_BLOCK, SEMANTIC_PER_BLOCK
from jaxrl.speech.manifest import Item
from jaxrl.speech.sound.throats import sooner

BEGINNINGS = (0.25, 0.5, 0.75)  # blocks by which waves that are coded again begin later
PHONES = 96  # classes: nothing, the most frequent phones, and nothing else


class Utterance(NamedTuple):
    """A reading: its words, its codes, who read it and how, and what answers it, where it is a question; codes of the
    same wave when it begins a little later, so that few are learnt by heart; and codes of it in other throats, which
    are only listened to, since no voice of the decoder has them."""

    text: str
    speech: Speech
    kind: str
    voice: str
    tags: tuple[str, ...]
    answer: str
    later: tuple[Speech, ...] = ()
    throats: tuple[Speech, ...] = ()

    @property
    def codings(self) -> tuple[Speech, ...]:
        """All of its codes in its own voice."""
        return (self.speech, *self.later)


class Library:
    """Utterances of one split.

    Args:
        items: of manifests.
        speech: their codes.
        split: train, valid or test.
        later: codes of the same waves a little later, for each item; none for none.
        throats: for each item factors of speed, and codes of its wave played so much faster; none for none.
    """

    def __init__(
        self,
        items: Sequence[Item],
        speech: Sequence[Speech],
        split: str,
        later: Sequence[tuple[Speech, ...]] = (),
        throats: Sequence[Mapping[float, Speech]] = (),
    ):
        self.all: list[Utterance] = []
        self.tagged: list[Utterance] = []
        self.questions: list[Utterance] = []
        self.sums: list[Utterance] = []
        self.not_sums: list[Utterance] = []  # the other questions
        self.plain: dict[str, list[Utterance]] = defaultdict(list)  # by voice, without tags
        self.under: dict[tuple[str, str], list[Utterance]] = defaultdict(list)  # by voice and tag, one tag only
        self.replies: dict[str, list[Speech]] = defaultdict(list)  # in the assistant's voice, by text
        self.throats: dict[tuple[str, float], list[tuple[str, Speech]]] = defaultdict(list)  # untagged, by factor
        self.phones: dict[Speech, list[int]] = {}  # classes of the codes, in the order of a stream
        told = Counter(name for item in items if item.split == "train" for name, _ in item.phones)
        classes = {name: number for number, (name, _) in enumerate(told.most_common(PHONES - 1), 1)}
        given = zip(items, speech, later or [()] * len(items), throats or [{}] * len(items), strict=True)
        for item, codes, others, faster in given:
            if item.split != split:
                continue
            heard = tuple(faster.values())
            self.add(Utterance(item.text, codes, item.kind, item.voice, item.tags, item.answer, others, heard))
            for coding, begins in zip((codes, *others), (0.0, *BEGINNINGS), strict=False):
                self.phones[coding] = phones_of(item.phones, coding, classes, begins)
            for factor, coding in faster.items():
                self.phones[coding] = phones_of(sooner(item.phones, factor), coding, classes)
                if not item.tags:
                    self.throats[item.voice, factor].append((item.text, coding))

    def add(self, one: Utterance) -> None:
        """One more."""
        self.all.append(one)
        if one.answer:
            self.questions.append(one)
            (self.sums if one.kind == "arithmetic" else self.not_sums).append(one)
        if one.tags:
            self.tagged.append(one)
            if len(one.tags) == 1:
                self.under[one.voice, one.tags[0]].append(one)
            return
        self.plain[one.voice].append(one)
        if one.voice == ASSISTANT:
            self.replies[one.text] += one.codings


def phones_of(
    phones: Sequence[tuple[str, float]], speech: Speech, classes: Mapping[str, int], later: float = 0.0
) -> list[int]:
    """The class of the phone in the middle of each code's time, in the order of a stream; 0 for none.

    Args:
        phones: and their ends in seconds, as the synthesiser told them.
        speech: the codes.
        classes: by the name of a phone.
        later: blocks of silence before the wave that was coded.
    """
    blocks = np.arange(len(speech.linguistic) // LINGUISTIC_PER_BLOCK)[:, None]
    inside = [(np.arange(count) + 0.5) / count for count in (LINGUISTIC_PER_BLOCK, SEMANTIC_PER_BLOCK)]
    seconds = (blocks + np.concatenate(inside) - later).reshape(-1) * BLOCK_MS / 1000
    names = np.array([0, *(classes.get(name, 0) for name, _ in phones), 0])
    ends = np.array([0.0, *(end for _, end in phones)])
    return names[np.searchsorted(ends, seconds, side="right")].tolist()
