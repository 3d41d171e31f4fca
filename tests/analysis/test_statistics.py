"""Aggregates and intervals: by hand, against rliable where it is installed, by what must hold, and by simulation."""

import math

import numpy as np
import pytest

from jaxrl.analysis import statistics
from jaxrl.analysis.statistics import (
    Interval,
    StatisticsError,
    bootstrap,
    improvement,
    iqm,
    mean,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    summarise,
)

SHAPES = [(1, 1), (2, 1), (1, 5), (3, 5), (5, 26), (10, 57), (7, 3)]


def random_scores(shape, seed=0):
    """Heavy-tailed, as human-normalised scores are, with ties."""
    return np.random.default_rng(seed).lognormal(0, 1.5, shape).round(1) - 0.2


def test_by_hand():
    scores = np.array([[0.0, 1.0, 8.0], [2.0, 3.0, 100.0]])
    assert mean(scores) == 19
    assert median(scores) == 2  # of 1, 2, 54
    assert iqm(scores) == 3.5  # of 0, 1, 2, 3, 8, 100 one is cut at each end: (1 + 2 + 3 + 8)/4
    assert optimality_gap(scores) == pytest.approx(1 / 6)
    assert optimality_gap(scores, target=2.0) == pytest.approx(3 / 6)
    assert iqm(np.arange(8.0).reshape(2, 4)) == 3.5  # 2, 3, 4, 5
    assert iqm(np.array([[5.0]])) == 5
    x, y = np.array([[1.0, 0.0], [3.0, 0.0]]), np.array([[2.0, 0.0], [0.0, 0.0], [3.0, 0.0]])
    assert improvement(x, y) == pytest.approx(((1 + 2.5) / 6 + 0.5) / 2)  # first game by pairs, the second all ties
    profile = performance_profile(scores, [-1, 0, 2.5, 100])
    np.testing.assert_allclose(profile.estimate, [1, 5 / 6, 3 / 6, 0])


def test_two_runs_have_an_exact_bootstrap():
    """One game with runs 0 and 1: a resample's mean is 0, 1/2 or 1 with probabilities 1/4, 1/2, 1/4."""
    assert bootstrap(mean, [[0.0], [1.0]]) == (0.5, 0, 1)
    assert bootstrap(mean, [[0.0], [1.0]], confidence=0.4) == (0.5, 0.5, 0.5)
    shares = np.bincount([int(2 * mean(draw)) for draw in _draws([[0.0], [1.0]])]) / 10_000
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.02)


def _draws(scores):
    """What `bootstrap` hands to its statistic."""
    seen = []
    bootstrap(lambda drawn: (seen.append(drawn), mean(drawn))[1], scores)
    return np.concatenate(seen[1:])


def test_runs_are_drawn_within_games_and_independently_between_them():
    scores = np.arange(12.0).reshape(4, 3)
    draws = _draws(scores)
    assert draws.shape == (10_000, 4, 3)
    np.testing.assert_array_equal(draws % 3, np.broadcast_to([0, 1, 2], draws.shape))
    rows = draws // 3
    assert abs(np.corrcoef(rows[..., 0].ravel(), rows[..., 1].ravel())[0, 1]) < 0.03
    np.testing.assert_allclose(np.bincount(rows.astype(int).ravel()) / rows.size, 0.25, atol=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_rliable_agrees_on_estimates(shape):
    metrics = pytest.importorskip("rliable.metrics")
    library = pytest.importorskip("rliable.library")
    for seed in range(5):
        scores, other = random_scores(shape, seed), random_scores((shape[0] + 1, shape[1]), seed + 100)
        assert mean(scores) == pytest.approx(metrics.aggregate_mean(scores), rel=1e-12)
        assert median(scores) == pytest.approx(metrics.aggregate_median(scores), rel=1e-12)
        assert iqm(scores) == pytest.approx(metrics.aggregate_iqm(scores), rel=1e-12)
        assert optimality_gap(scores) == pytest.approx(metrics.aggregate_optimality_gap(scores), rel=1e-12)
        for x, y in ((scores, other), (other, scores), (scores, scores)):
            assert improvement(x, y) == pytest.approx(metrics.probability_of_improvement(x, y), rel=1e-12)
        taus = np.linspace(-0.5, 5, 23)
        ours = performance_profile(scores, taus, resamples=1).estimate
        np.testing.assert_allclose(ours, library.score_distributions(scores, taus), rtol=1e-12)


def test_rliable_agrees_on_intervals():
    """Both draw at random: bounds agree to a tenth of the interval's width."""
    metrics = pytest.importorskip("rliable.metrics")
    library = pytest.importorskip("rliable.library")
    np.random.seed(0)  # noqa: NPY002, rliable draws from the global generator
    x, y = random_scores((5, 12), 1), random_scores((4, 12), 2)
    names = ("iqm", "median", "mean", "optimality_gap")

    def four(scores):
        return np.array([getattr(metrics, f"aggregate_{name}")(scores) for name in names])

    _, bounds = library.get_interval_estimates({"x": x}, four, reps=3000)
    summary = summarise(x)
    for name, (low, high) in zip(names, bounds["x"].T, strict=True):
        _close(getattr(summary, name), low, high)
    _, bounds = library.get_interval_estimates(
        {"pair": [x, y]}, lambda *pair: np.array([metrics.probability_of_improvement(*pair)]), reps=300
    )
    _close(probability_of_improvement(x, y), *bounds["pair"][:, 0], part=0.2)  # fewer resamples: it is slow
    taus = np.array([0.5, 1.0, 2.0])
    _, bounds = library.create_performance_profile({"x": x}, taus)
    profile = performance_profile(x, taus)
    for place, (low, high) in enumerate(bounds["x"].T):
        _close(Interval(profile.estimate[place], profile.low[place], profile.high[place]), low, high, part=0.15)


def _close(ours, low, high, part=0.1):
    assert abs(ours.low - low) < part * (high - low) and abs(ours.high - high) < part * (high - low), (ours, low, high)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_must_hold(shape):
    scores = random_scores(shape, 3)
    generator = np.random.default_rng(4)
    for statistic in (iqm, median, mean):
        assert scores.min() - 1e-12 <= statistic(scores) <= scores.max() + 1e-12
        assert statistic(3 * scores - 2) == pytest.approx(3 * statistic(scores) - 2)
        assert statistic(np.full(shape, 0.7)) == pytest.approx(0.7)
    assert 1 - scores.max() <= optimality_gap(scores) <= 1 - min(1, scores.min())
    for statistic in (iqm, median, mean, optimality_gap):
        shuffled = generator.permuted(scores, axis=0)[:, generator.permutation(shape[1])]
        assert statistic(shuffled) == pytest.approx(statistic(scores)), "order of runs and games is of no account"
        stacked = np.stack([scores, scores + 1])
        np.testing.assert_allclose(statistic(stacked), [statistic(scores), statistic(scores + 1)])
    far = scores.copy()
    far[np.unravel_index(scores.argmax(), shape)] += 1e9
    assert scores.size < 4 or iqm(far) == iqm(scores), "an outlier has no say"
    other = random_scores((shape[0] + 2, shape[1]), 5)
    assert improvement(scores, other) + improvement(other, scores) == pytest.approx(1)
    assert improvement(np.exp(scores / 50), np.exp(other / 50)) == pytest.approx(improvement(scores, other))
    assert improvement(scores, scores - 1e3) == 1 and improvement(scores, scores) == 0.5


def test_the_area_under_a_profile():
    """Of non-negative scores it is their mean, and up to 1 what the optimality gap leaves."""
    scores = random_scores((5, 8)) + 0.2
    taus = np.arange(0, scores.max() + 1, 0.001) + 0.0005
    shares = performance_profile(scores, taus, resamples=1).estimate
    assert np.all(np.diff(shares) <= 0)
    assert shares.sum() * 0.001 == pytest.approx(mean(scores), abs=1e-6)
    assert shares[taus < 1].sum() * 0.001 == pytest.approx(1 - optimality_gap(scores), abs=1e-6)


def test_equal_seeds_give_equal_bits():
    scores = random_scores((5, 57))
    assert summarise(scores, resamples=2000) == summarise(scores.copy(), resamples=2000)
    assert summarise(scores, resamples=2000) != summarise(scores, resamples=2000, seed=1)
    ours = bootstrap(iqm, scores, resamples=2000)
    assert ours == summarise(scores, resamples=2000).iqm, "all aggregates come from the same resamples"
    scaled = bootstrap(iqm, 2 * scores + 1, resamples=2000)
    np.testing.assert_allclose(scaled, [2 * value + 1 for value in ours])


def test_resamples_do_not_depend_on_the_chunk(monkeypatch):
    scores = random_scores((4, 6))
    whole = bootstrap(iqm, scores, resamples=500)
    monkeypatch.setattr(statistics, "CHUNK", 24 * 7)
    assert bootstrap(iqm, scores, resamples=500) == whole


def test_more_confidence_is_wider_and_more_runs_are_narrower():
    scores = random_scores((40, 10))

    def width(scores, confidence):
        _, low, high = bootstrap(iqm, scores, confidence=confidence, resamples=500)
        return high - low

    assert 0 < width(scores, 0.5) < width(scores, 0.95) < width(scores[:5], 0.95)


def test_a_single_run_has_no_interval():
    summary = summarise([[0.5, 2.0, 1.0]])
    assert (summary.runs, summary.games) == (1, 3) and summary.mean.estimate == pytest.approx(3.5 / 3)
    assert math.isnan(summary.iqm.low) and math.isnan(summary.optimality_gap.high)
    assert math.isnan(probability_of_improvement([[1.0]], [[0.0], [2.0]]).low)
    assert np.isnan(performance_profile([[1.0]], [0.5]).low).all()


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0, 2.0], r"\[runs, games\]"),
        (np.zeros((0, 3)), r"\[runs, games\]"),
        ([[1.0, 2.0], [1.0, math.nan]], "run 1 on game 1"),
        ([[math.inf]], "run 0 on game 0"),
    ],
)
def test_scores_that_cannot_be_used(scores, message):
    with pytest.raises(StatisticsError, match=message):
        summarise(scores)


def test_settings_that_cannot_be_used():
    with pytest.raises(StatisticsError, match="confidence"):
        summarise([[1.0]], confidence=95)
    with pytest.raises(StatisticsError, match=r"3 games .* with 2"):
        probability_of_improvement(np.zeros((2, 3)), np.zeros((2, 2)))
    with pytest.raises(StatisticsError, match="thresholds"):
        performance_profile([[1.0]], 0.5)
    with pytest.raises(StatisticsError, match="one number or more"):
        performance_profile([[1.0]], [])


def test_rows_of_different_lengths():
    ragged = [[1.0, 2.0], [3.0]]
    for statistic in (
        summarise,
        lambda scores: performance_profile(scores, [0.5]),
        lambda scores: probability_of_improvement(scores, scores),
    ):
        with pytest.raises(StatisticsError, match="a number for every game"):
            statistic(ragged)


def test_intervals_cover_the_truth():
    """95 % of them, to 4 standard errors of a share, over 200 simulated studies of 40 runs on 10 games."""
    level, scale = np.linspace(0.2, 2.0, 10), np.linspace(0.1, 0.6, 10)
    generator = np.random.default_rng(0)

    def study(runs):
        return level + scale * (generator.gamma(4.0, 0.5, (runs, 10)) - 2.0)  # skewed, with mean `level`

    many = study(40_000)
    taus = np.array([0.5, 1.0, 1.5])
    chance = improvement(study(1500), study(1500) - 0.3)
    truth = np.array([iqm(many), np.median(level), level.mean(), optimality_gap(many)])
    shares = (many.ravel()[:, None] > taus).mean(axis=0)
    covered = []
    for seed in range(200):
        scores, worse = study(40), study(40) - 0.3
        summary = summarise(scores, resamples=300, seed=seed)
        bounds = np.array([summary.iqm, summary.median, summary.mean, summary.optimality_gap])
        profile = performance_profile(scores, taus, resamples=300, seed=seed)
        chances = probability_of_improvement(scores, worse, resamples=200, seed=seed)
        low = [*bounds[:, 1], *profile.low, chances.low]
        high = [*bounds[:, 2], *profile.high, chances.high]
        correct = np.array([*truth, *shares, chance])
        covered.append((low <= correct) & (correct <= high))
    rates = np.mean(covered, axis=0)
    assert (np.abs(rates - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 200)).all(), rates
    assert abs(rates.mean() - 0.95) < 0.03, rates
