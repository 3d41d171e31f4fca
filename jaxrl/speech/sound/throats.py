"""Other throats: a wave played faster or slower, which moves pitch and formants together, and the times of its phones.

Ko et al., 2015, "Audio augmentation for speech recognition".
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from jaxrl.errors import ConfigError
from jaxrl.speech.sound.waves import RATE, resample

SPEEDS = (0.89, 0.92, 0.95, 1.05, 1.1, 1.15)


def check_throats(name: str, count: int) -> None:
    """Raise `ConfigError` unless the setting `name` may be `count`."""
    if not 0 <= count <= len(SPEEDS):
        raise ConfigError(f"{name} must be 0 to {len(SPEEDS)}, got {count}")


def speeds_of(number: int, count: int) -> list[float]:
    """The speeds of `count` throats of utterance `number`: far from each other, and all of them alike in the end."""
    return [SPEEDS[(number + one * len(SPEEDS) // count) % len(SPEEDS)] for one in range(count)]


def faster(wave: np.ndarray, speed: float) -> np.ndarray:
    """The wave at a multiple of its speed."""
    return resample(wave, round(RATE * speed))


def sooner(phones: Iterable[tuple[str, float]], speed: float) -> list[tuple[str, float]]:
    """Phones with the ends that they have in such a wave."""
    return [(name, end / speed) for name, end in phones]
