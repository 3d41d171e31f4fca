"""What is heard in an answer, by judges that no reward has: the recogniser's words, and pitch by another meter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxrl.speech.chat import Speech
from jaxrl.speech.policy.policy_report import Said
from jaxrl.speech.sound.measures import Measured, measure
from jaxrl.speech.suite.yin import yin


@dataclass(frozen=True)
class Ears:
    """Who listens.

    Args:
        wave: speech and the name of a voice to a wave.
        words: a wave to its words.
    """

    wave: Callable[[Speech, str], np.ndarray]
    words: Callable[[np.ndarray], str]


class Answered:
    """An answer; its wave is made and heard when it is asked for.

    Args:
        said: the assistant's turn.
        voice: whose name the decoder is given.
        ears: who listens.
    """

    def __init__(self, said: Said, voice: str, ears: Ears):
        self.said, self._voice, self._ears = said, voice, ears

    @property
    def text(self) -> str:
        """What is written in it."""
        return self.said.text

    @cached_property
    def wave(self) -> np.ndarray:
        """[N] in [-1, 1]; empty where nothing is spoken."""
        return self._ears.wave(self.said.speech, self._voice) if self.said.speech else np.zeros(0)

    @cached_property
    def words(self) -> str:
        """What the recogniser hears; nothing where nothing is spoken."""
        return self._ears.words(self.wave) if self.wave.size else ""

    @cached_property
    def f0(self) -> np.ndarray:
        """F0 in Hz of every 5 ms, by YIN; the reward's meter is DIO."""
        return yin(self.wave) if self.wave.size else np.zeros(0)

    @cached_property
    def measured(self) -> Measured | None:
        """What the meters say; None where nothing is spoken."""
        return measure(self.wave, self.f0) if self.wave.size else None
