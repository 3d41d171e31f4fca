"""The settings of the evaluation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SuiteConfig:
    """The evaluation.

    Args:
        items: questions of all rows together, about; each is asked a second time as its text-only twin.
        seed: of what is asked and of what is sampled.
    """

    items: int = 200
    seed: int = 0
