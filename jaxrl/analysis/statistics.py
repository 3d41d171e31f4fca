"""Statistics of score matrices [runs, games] after Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the
Statistical Precipice" (arXiv 2108.13264): IQM, median, mean, optimality gap, performance profiles, probability of
improvement, each with a stratified-bootstrap interval.

    summary = summarise(human_normalised(scores, games))
    summary.iqm.estimate, summary.iqm.low, summary.iqm.high
    probability_of_improvement(casa, impala)

A run is one seed; a game is a stratum: resamples draw runs with replacement within each game, independently between
games, because a seed on one game has nothing to do with the same seed on another. Intervals are percentile intervals.
With few runs these are too narrow, as resampling n runs sees (n - 1)/n of their variance: take 10 runs or more for a
claim, and read fewer as an indication. With a single run the bounds are NaN. Equal seeds give equal bits. NumPy only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxrl.errors import UserError

Statistic = Callable[..., Any]  # [..., runs, games], one or several -> [...] or [..., K]
CHUNK = 1 << 18  # scores resampled at a time: they stay in the cache, and memory stays bounded


class StatisticsError(UserError, ValueError):
    """Scores that no statistic can be taken of; the message is one sentence."""


class Interval(NamedTuple):
    """A statistic of the scores as they are, and the bounds of its interval: NaN if a matrix has a single run."""

    estimate: Any  # float, or float64 [K] of a statistic with K values
    low: Any
    high: Any


class Summary(NamedTuple):
    """The four aggregates of one agent, all from the same resamples."""

    iqm: Interval
    median: Interval
    mean: Interval
    optimality_gap: Interval
    runs: int
    games: int


class Profile(NamedTuple):
    """Share of runs above each threshold, with pointwise bounds; all float64 [K]."""

    thresholds: np.ndarray
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


def mean(scores: np.ndarray) -> Any:
    """Mean over runs and games. One game can dominate it."""
    return scores.mean(axis=(-2, -1))


def median(scores: np.ndarray) -> Any:
    """Median over games of the means over runs. It ignores nearly half of the games."""
    return np.median(scores.mean(axis=-2), axis=-1)


def iqm(scores: np.ndarray) -> Any:
    """Interquartile mean: `mean(s[k : N - k])` of all N = runs * games scores sorted together, k = floor(N/4)."""
    flat = scores.reshape(*scores.shape[:-2], -1)
    count = flat.shape[-1]
    cut = count // 4
    middle = np.partition(flat, (cut, count - cut - 1), axis=-1)[..., cut : count - cut]
    return middle.mean(axis=-1)


def optimality_gap(scores: np.ndarray, target: float = 1.0) -> Any:
    """`target - mean(min(score, target))`: how far from the target; less is better, beyond it nothing counts."""
    return target - mean(np.minimum(scores, target))


def improvement(x: np.ndarray, y: np.ndarray) -> Any:
    """`mean over games of P(x > y) + P(x = y)/2`, over all pairs of runs: Mann and Whitney's U over its maximum."""
    x, y = x[..., :, None, :], y[..., None, :, :]
    return 0.5 + 0.5 * np.sign(x - y).mean(axis=(-3, -2, -1))


def bootstrap(
    statistic: Statistic, *scores: Any, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """A statistic of one or more score matrices with its percentile interval.

    Args:
        statistic: reduces the last two axes of its arguments and keeps those before, like `iqm`.
        scores: [runs, games] each; the numbers of runs may differ. Each is resampled on its own.

    Raises:
        StatisticsError: a matrix has another shape, is empty or has scores that are not finite.
    """
    if not 0 < confidence < 1 or resamples < 1:
        raise StatisticsError(f"confidence {confidence} must be between 0 and 1, and resamples {resamples} at least 1")
    matrices = [_checked(matrix) for matrix in scores]
    estimate = statistic(*matrices)
    if any(matrix.shape[0] == 1 for matrix in matrices):
        return Interval(estimate, estimate * np.nan, estimate * np.nan)
    generator = np.random.default_rng(seed)
    rows = max(1, CHUNK // sum(matrix.size for matrix in matrices))
    drawn = []
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn.append(statistic(*(_resample(matrix, count, generator) for matrix in matrices)))
    low, high = np.quantile(np.concatenate(drawn), [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return Interval(estimate, low, high)


def summarise(scores: Any, *, target: float = 1.0, **options: Any) -> Summary:
    """The four aggregates of normalised scores [runs, games]; `target` is that of the gap, `options` of `bootstrap`."""

    def four(matrix: np.ndarray) -> np.ndarray:
        return np.stack([iqm(matrix), median(matrix), mean(matrix), optimality_gap(matrix, target)], axis=-1)

    result = bootstrap(four, scores, **options)
    intervals = [Interval(*map(float, values)) for values in zip(*result, strict=True)]
    runs, games = np.shape(scores)
    return Summary(*intervals, runs=runs, games=games)


def performance_profile(scores: Any, thresholds: Any, *, resamples: int = 2_000, **options: Any) -> Profile:
    """`F(tau) = mean over games of the share of runs with score > tau`, the score distribution of the paper.

    Args:
        scores: normalised, [runs, games].
        thresholds: tau, [K].
        options: of `bootstrap`; bounds hold for each threshold by itself, not for the whole curve at once.
    """
    thresholds = np.asarray(thresholds, np.float64)
    if thresholds.ndim != 1 or thresholds.size == 0:
        raise StatisticsError(f"thresholds must be a list of one number or more, not of shape {thresholds.shape}")

    def shares(matrix: np.ndarray) -> np.ndarray:
        flat = matrix.reshape(*matrix.shape[:-2], -1)
        return np.stack([(flat > threshold).mean(axis=-1) for threshold in thresholds], axis=-1)

    return Profile(thresholds, *bootstrap(shares, scores, resamples=resamples, **options))


def probability_of_improvement(x: Any, y: Any, *, resamples: int = 2_000, **options: Any) -> Interval:
    """How likely a run of x beats a run of y on a game drawn at random; 1/2 is no difference, ties count half.

    `options` are those of `bootstrap`.

    Raises:
        StatisticsError: beside the errors of `bootstrap`, the numbers of games differ.
    """
    x, y = _checked(x), _checked(y)
    if x.shape[1] != y.shape[1]:
        raise StatisticsError(f"{x.shape[1]} games cannot be compared with {y.shape[1]}; pass the same games")
    return bootstrap(improvement, x, y, resamples=resamples, **options)


def _resample(matrix: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """[count, runs, games]: runs drawn with replacement, for each game on its own."""
    runs, games = matrix.shape
    chosen = generator.integers(runs, size=(count, runs, games))
    return matrix.ravel()[chosen * games + np.arange(games)]


def _checked(scores: Any) -> np.ndarray:
    try:
        matrix = np.asarray(scores, np.float64)
    except ValueError:
        raise StatisticsError("every run needs a number for every game: the rows of the scores differ") from None
    if matrix.ndim != 2 or matrix.size == 0:
        raise StatisticsError(f"scores must be a matrix [runs, games] with entries, not of shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        run, game = np.argwhere(~np.isfinite(matrix))[0]
        raise StatisticsError(f"the score of run {run} on game {game} is not finite; leave that run or game out")
    return matrix
