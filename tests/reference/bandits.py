"""Exploration once more, in slow NumPy and in the formulas as printed: the bandits' vote, the behaviour families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Bandit:
    """`(mode, low, high, lr, d, acc, width, offset)`, the last two one per tiling."""

    argmax: bool
    low: float
    high: float
    lr: float
    d: int
    num_blocks: int
    widths: list[float]
    offsets: list[float]
    ucb: float = 1.0
    weights: list[np.ndarray] = field(init=False)
    counts: list[np.ndarray] = field(init=False)
    num_updates: int = 0

    def __post_init__(self) -> None:
        self.acc = (self.high - self.low) / self.num_blocks
        self.weights = [np.zeros(self.num_blocks) for _ in self.widths]  # as many as there can be tiles
        self.counts = [np.zeros(self.num_blocks) for _ in self.widths]
        middles = [self.low + (i + 0.5) * self.acc for i in range(self.num_blocks)]
        self.covering = [[self.tile(x, k) for x in middles] for k in range(len(self.widths))]  # of blocks [K][n]

    def clip(self, x: float) -> float:
        return min(max(x, self.low), self.high)

    def block(self, x: float) -> int:
        return min(int(np.floor((self.clip(x) - self.low) / self.acc)), self.num_blocks - 1)

    def tile(self, x: float, tiling: int) -> int:
        return int(np.floor((self.clip(x - self.offsets[tiling]) - self.low) / self.widths[tiling]))

    def values(self) -> np.ndarray:
        return sum(w[tiles] for w, tiles in zip(self.weights, self.covering, strict=True)) / len(self.widths)

    def visits(self) -> np.ndarray:
        return sum(n[tiles] for n, tiles in zip(self.counts, self.covering, strict=True)) / len(self.widths)

    def scores(self) -> np.ndarray:
        value = self.values()
        equal = value.min() == value.max()  # then the computed std may be 1e-17
        exploit = np.zeros_like(value) if equal else (value - value.mean()) / value.std()
        return exploit + self.ucb * np.sqrt(np.log(1 + self.num_updates) / (1 + self.visits()))

    def candidates(self, gumbel: np.ndarray, within: np.ndarray) -> list[float]:
        score = self.scores().tolist()
        preference = score if self.argmax else [s + g for s, g in zip(score, gumbel, strict=True)]
        best_last = sorted(range(self.num_blocks), key=lambda i: (preference[i], gumbel[i]))
        return [self.low + (i + u) * self.acc for i, u in zip(best_last[-self.d :], within, strict=True)]

    def update(self, x: float, episode_return: float) -> None:
        error = episode_return - self.values()[self.block(x)]
        for k in range(len(self.widths)):
            j = self.tile(x, k)
            self.weights[k][j] += self.lr * error
            self.counts[k][j] += 1
        self.num_updates += 1


@dataclass
class Vote:
    """M bandits that propose and learn together."""

    bandits: list[Bandit]

    def draw(self, gumbel: np.ndarray, within: np.ndarray, vote: int) -> float:
        """x from the recorded random numbers of one draw."""
        proposals = [b.candidates(g, u) for b, g, u in zip(self.bandits, gumbel, within, strict=True)]
        return [x for proposal in proposals for x in proposal][vote]

    def update(self, x: float, episode_return: float) -> None:
        for bandit in self.bandits:
            bandit.update(x, episode_return)


def softmax(x: np.ndarray) -> np.ndarray:
    weight = np.exp(x - x.max(-1, keepdims=True))
    return weight / weight.sum(-1, keepdims=True)


def policy_of(family: str, preferences: np.ndarray, drawn: Sequence[np.ndarray], temperature: float) -> np.ndarray:
    """Probabilities [..., A] of a behaviour family; what it drew are arrays [...]."""
    preferences = np.asarray(preferences, np.float64)
    drawn = [np.asarray(c, np.float64)[..., None] for c in drawn]
    if family == "plain":
        return softmax(preferences)
    if family == "fixed":
        return softmax(preferences / temperature)
    if family == "bandit":
        return softmax(preferences * np.expm1(drawn[0]))
    if family == "mixture":
        epsilon, x_1, x_2 = drawn
        return epsilon * softmax(preferences * np.expm1(x_1)) + (1 - epsilon) * softmax(preferences * np.expm1(x_2))
    best = preferences == preferences.max(-1, keepdims=True)
    return drawn[0] / preferences.shape[-1] + (1 - drawn[0]) * best / best.sum(-1, keepdims=True)
