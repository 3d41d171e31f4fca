"""Scores of answers, every part in [0, 1] and verified by a program; and where in the answer each was earned.

    content    1 - min(1, character errors / characters) by the listener, earned block by block
    attribute  mean of exp(-|error| / band) over rate, pitch, loudness, spread and voicing, read off the decoder's
               channels; the meters of waves, like the recogniser, are in no score
    voice      (1 + similarity to the voice - similarity to the likest other one) / 2, in what the codes alone say
    tool       the call is run, and returns what the right one does
    format     ended, with one piece of speech or one call, as was asked
    length     exp(-|log(duration / expected)| / band)

Weights are those of `WEIGHTS` over the parts that an ask has. Content telescopes: after block k it is what the score
would be if nothing more were said, and block k earns the difference, so that the sum is the score of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxrl.speech import ids
from jaxrl.speech.chat import Call, Speech, parse
from jaxrl.speech.decoder.channel_meter import measure_channels
from jaxrl.speech.decoder.flow import CHANNELS
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.interleave import BLOCK, BLOCK_MS
from jaxrl.speech.policy.policy_report import Said
from jaxrl.speech.rl.asks import Ask
from jaxrl.speech.rl.listener import Heard, Listener
from jaxrl.speech.rl.timbre import Timbres
from jaxrl.speech.sound.measures import Measured, relative
from jaxrl.speech.tags import only_tags
from jaxrl.speech.tools import run_tool

WEIGHTS: Mapping[str, float] = {
    "content": 0.4,
    "attribute": 0.25,
    "voice": 0.1,
    "tool": 0.4,
    "format": 0.1,
    "length": 0.15,
}
WORDS_ONLY: Mapping[str, float] = {"content": 1.0, "tool": 1.0}
# Errors at which an attribute is worth 1/e: log of the rate, semitones, dB, semitones, share of the voiced frames.
BANDS: Mapping[str, float] = {"rate": 0.15, "pitch": 2.0, "loudness": 4.0, "spread": 1.0, "voicing": 0.3}
LENGTH_BAND = 0.3


class Score(NamedTuple):
    """An answer judged.

    Args:
        parts: by name; those that the ask has.
        total: their weighted mean.
        earned: what each token of the answer brought, [N]; the sum is `total`.
        measured: of the wave; None where nothing was spoken.
        heard: what the listener heard.
        said: the answer as a turn.
        channels: [6 n, 34] as the decoder makes them; empty where nothing was spoken.
    """

    parts: dict[str, float]
    total: float
    earned: np.ndarray
    measured: Measured | None
    heard: str
    said: Said
    channels: np.ndarray


def content_so_far(text: str, heard: Heard, blocks: int) -> np.ndarray:
    """`1 - min(1, errors / characters)` of what was heard up to the end of each block, [blocks]."""
    row = list(range(len(text) + 1))
    worth = np.zeros(blocks)
    for index, (letter, block) in enumerate(zip(heard.text, heard.blocks, strict=True), 1):
        above, row[0] = row[0], index
        for column, other in enumerate(text, 1):
            above, row[column] = row[column], min(above + (letter != other), row[column] + 1, row[column - 1] + 1)
        worth[block:] = 1 - min(1.0, row[-1] / max(len(text), 1))
    return worth


def attribute_score(ask: Ask, heard: Measured) -> dict[str, float]:
    """Each attribute that was wanted, in [0, 1]."""
    if ask.neutral is None:
        return {}
    told = relative(heard, ask.neutral)
    found = {}
    for name, want in ask.wanted.items():
        error = math.log(max(told[name], 1e-3) / max(want, 1e-3)) if name == "rate" else told[name] - want
        found[name] = math.exp(-abs(error) / BANDS[name])
    if heard.f0 <= 0 and "pitch" in found:  # nothing has a pitch, so that none is right
        found["pitch"] = found["spread"] = 0.0
    return found


class Scorer:
    """What judges answers.

    Args:
        listener: tokens to text.
        decode: pieces of speech and the names of their voices to channels.
        timbres: of the voices.
        vocabulary: of the tokens.
        weights: of the parts: `WEIGHTS`, or `WORDS_ONLY` to see what that does.
    """

    def __init__(
        self,
        listener: Listener,
        decode: Callable[[Sequence[Speech], Sequence[str]], list[np.ndarray]],
        timbres: Timbres,
        vocabulary: Vocabulary,
        weights: Mapping[str, float] = WEIGHTS,
    ):
        self._listener, self._decode, self._timbres = listener, decode, timbres
        self._vocabulary, self._weights = vocabulary, weights

    def score(self, asks: Sequence[Ask], answers: Sequence[Sequence[int]]) -> list[Score]:
        """Every answer; a stream always parses, whatever the policy was, as the grammar rules out all else."""
        said = [
            Said(parse([*ask.prompt, *answer], self._vocabulary)[0][-1], answer[-1:] == [ids.EOT])
            for ask, answer in zip(asks, answers, strict=True)
        ]
        heard = self._listener.hear([one.speech or Speech((), ()) for one in said])
        spoken = [(i, one.speech) for i, one in enumerate(said) if one.speech and asks[i].text]
        speech, voices = [one for _, one in spoken], [asks[i].voice for i, _ in spoken]
        made = zip(self._decode(speech, voices), self._timbres.gaps(speech, voices), strict=True) if spoken else ()
        sounds = dict(zip((i for i, _ in spoken), made, strict=True))
        parts = zip(asks, answers, said, heard, strict=True)
        return [self._one(*told, *sounds.get(i, (np.zeros((0, CHANNELS)), 0.0))) for i, told in enumerate(parts)]

    def _one(
        self, ask: Ask, answer: Sequence[int], said: Said, heard: Heard, channels: np.ndarray, gap: float
    ) -> Score:
        parts: dict[str, float] = {}
        earned, measured = np.zeros(len(answer)), None
        speech = said.speech if ask.text else None
        if ask.result:
            parts["tool"] = float(run_tool(Call(said.call), ask.clock) == ask.result)
        else:
            parts |= {"content": 0.0, "attribute": 0.0, "voice": 0.0, "length": 0.0}
        if speech is not None:
            measured = measure_channels(channels)
            attributes = attribute_score(ask, measured)
            parts["attribute"] = float(np.mean(list(attributes.values()))) if attributes else 0.0
            parts["voice"] = gap
            parts["length"] = self._length(ask, measured)
        parts["format"] = float(said.ended and _as_asked(said, bool(ask.result)))
        used = {name: self._weights[name] for name in parts if name in self._weights}
        weight = sum(used.values())
        if speech is not None:
            blocks = len(speech.linguistic) // 2
            gains = np.diff(content_so_far(ask.text, heard, blocks), prepend=0.0)
            codes = np.asarray(answer) >= self._vocabulary.first_linguistic
            first = int(np.argmax(codes)) + BLOCK - 1  # the last token of the first block
            earned[first : first + BLOCK * blocks : BLOCK] = used.get("content", 0.0) / weight * gains
            parts["content"] = float(gains.sum())
        whole = sum(weight * parts[name] for name, weight in used.items() if name != "content")
        if len(earned):
            earned[-1] += whole / weight
        return Score(parts, float(earned.sum()), earned, measured, heard.text, said, channels)

    @staticmethod
    def _length(ask: Ask, heard: Measured) -> float:
        if ask.neutral is None:
            return 0.0
        expected = ask.neutral.seconds / max(ask.wanted["rate"], 1e-3)
        return math.exp(-abs(math.log(max(heard.seconds, BLOCK_MS / 1000) / expected)) / LENGTH_BAND)


def _as_asked(said: Said, called: bool) -> bool:
    """Nothing but one call, or nothing but one piece of speech, before which tags may stand."""
    kinds = [type(part) for part in said.turn.content if not (isinstance(part, str) and only_tags(part))]
    return kinds == [Call if called else Speech]
