"""Whose voice speech has, from its codes alone: the tokenizer's envelope of voiced frames, without level and pitch.

The decoder is told the voice, so that its waves would have it whatever the policy said; what the tokenizer says of
codes has it only where the policy put it there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from jaxrl.speech.chat import Speech
from jaxrl.speech.tokenizer.codec_training import Tokenizer


def timbres(tokenizer: Tokenizer, speech: Sequence[Speech]) -> np.ndarray:
    """Mean envelope of the voiced frames of each, or of all where none is, without its level, [N, 31]."""
    found = []
    for envelope, _, voiced in tokenizer.decode_all(speech):
        where = np.repeat(voiced > 0.5, len(envelope) // len(voiced))
        found.append((envelope[where] if where.any() else envelope).mean(axis=0)[1:])
    return np.stack(found)


class Timbres:
    """Voices that are known by some of their speech.

    Args:
        tokenizer: trained.
        known: speech of each voice.
    """

    def __init__(self, tokenizer: Tokenizer, known: Mapping[str, Sequence[Speech]]):
        self._tokenizer = tokenizer
        told = {name: timbres(tokenizer, some) for name, some in known.items() if some}
        every = np.concatenate(list(told.values()))
        self._mean, self._scale = every.mean(axis=0), np.maximum(every.std(axis=0), 1e-3)
        self.voices = {name: self._direction(rows.mean(axis=0)) for name, rows in told.items()}

    def similarities(self, speech: Sequence[Speech]) -> list[dict[str, float]]:
        """Cosine between each piece of speech and each voice, in deviations from the mean of all."""
        directions = [self._direction(row) for row in timbres(self._tokenizer, speech)] if speech else []
        return [{name: float(one @ voice) for name, voice in self.voices.items()} for one in directions]

    def gaps(self, speech: Sequence[Speech], voices: Sequence[str]) -> list[float]:
        """How much liker its voice each is than the likest other one, in [0, 1]; 1/2 where they are as like or not
        known."""
        return [_gap(told, voice) for told, voice in zip(self.similarities(speech), voices, strict=True)]

    def _direction(self, row: np.ndarray) -> np.ndarray:
        standard = (row - self._mean) / self._scale
        return standard / max(float(np.linalg.norm(standard)), 1e-9)


def _gap(told: Mapping[str, float], voice: str) -> float:
    others = [value for name, value in told.items() if name != voice]
    if voice not in told or not others:
        return 0.5
    return float(np.clip((1 + told[voice] - max(others)) / 2, 0, 1))
