"""Random inputs of the traces, hard on purpose: long and short, on and off policy, with every kind of boundary."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LENGTHS = (*range(1, 9), 11, 16, 20, 23, 32, 45, 50, 64, 77, 80, 99, 100, 128, 150, 175, 199, 200)
WIDTH = 40  # 25 lengths of 40 columns: 1,000 inputs


class Sequences(NamedTuple):
    """In the order of `dr_trace`'s arguments."""

    value: np.ndarray  # float64 [T+1, B]
    q_taken: np.ndarray  # float64 [T, B]
    reward: np.ndarray
    discount: np.ndarray
    ratio: np.ndarray
    mask: np.ndarray  # bool

    @property
    def without_q(self) -> tuple[np.ndarray, ...]:
        """In the order of `vtrace`'s arguments."""
        return (self.value, *self[2:])


def draw(rng: np.random.Generator, length: int, width: int = WIDTH) -> Sequences:
    """Every column has its own share of terminations, masked rows and extreme ratios; some have none."""
    shape = (length, width)

    def share(highest: float) -> np.ndarray:
        return rng.uniform(0, highest, width) * (rng.random(width) < 0.7)

    ratio = np.exp(rng.normal(size=shape) * rng.uniform(0, 2, width))
    ratio[rng.random(shape) < share(0.3)] = 0.0
    ratio[rng.random(shape) < share(0.3)] = 1e6
    discount = np.broadcast_to(rng.choice([0.5, 0.9, 0.99, 0.997, 1.0], width), shape).copy()
    discount[rng.random(shape) < share(0.2)] = 0.0
    return Sequences(
        value=rng.normal(size=(length + 1, width)) * 3,
        q_taken=rng.normal(size=shape) * 3,
        reward=rng.normal(size=shape) * rng.choice([0.1, 1, 10], width),
        discount=discount,
        ratio=ratio,
        mask=rng.random(shape) >= share(0.2),
    )


class Clips(NamedTuple):
    rho_clip: np.ndarray  # [B]
    c_clip: np.ndarray  # [B], at most rho_clip


def draw_clips(rng: np.random.Generator, width: int = WIDTH) -> Clips:
    """Tight, the authors' and loose clips: with 1e6 as a ratio no clip at all would overflow within sixty rows."""
    rho = rng.choice([0.2, 1.0, 1.05, 2.0, 1e3], width)
    return Clips(rho, np.minimum(rho, rng.choice([0.1, 1.0, 1.05], width)))


class Boundary(NamedTuple):
    """Two episodes in one sequence: rows 0..reset-1, an ignored row `reset`, and the next episode behind it."""

    sequences: Sequences
    reset: int


def two_episodes(rng: np.random.Generator, terminated: bool, length: int = 12, width: int = 3) -> Boundary:
    """On policy enough that every row would reach the rows before it if it could."""
    reset = length // 2
    s = draw(rng, length, width)
    discount, mask = np.full((length, width), 0.9), np.ones((length, width), bool)
    mask[reset] = False
    if terminated:
        discount[reset - 1] = 0.0
    return Boundary(s._replace(ratio=rng.uniform(0.5, 1.5, (length, width)), discount=discount, mask=mask), reset)


def poison(boundary: Boundary, value: float, *, terminated: bool) -> Sequences:
    """Overwrite the ignored row and the next episode.

    The value of the ignored row is the one of the true last observation: it belongs to the episode before where that
    was truncated, and to nobody where it terminated.
    """
    reset, s = boundary.reset, boundary.sequences
    rows = [np.where((np.arange(len(x)) >= reset)[:, None], value, x) for x in s[1:5]]
    first_value = reset if terminated else reset + 1
    values = np.where((np.arange(len(s.value)) >= first_value)[:, None], value, s.value)
    return Sequences(values, *rows, s.mask)
