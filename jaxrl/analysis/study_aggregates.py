"""Scores over all games of a study: tables with both baselines, intervals, profiles, probabilities of improvement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import get_args

import numpy as np

from jaxrl.analysis.figures.intervals import improvement_figure, interval_figure, profile_figure
from jaxrl.analysis.page import Page
from jaxrl.analysis.scores import Baseline, ScoreMatrix, human_normalised, is_atari, score_matrix
from jaxrl.analysis.statistics import Summary, performance_profile, probability_of_improvement, summarise
from jaxrl.analysis.tables import PUBLISHED_PROTOCOL, Table, aggregate_table, published_summaries

AGAINST = ("Rainbow", "IMPALA", "LASER", "GDI-I3", "GDI-H3")
FEW = 10  # runs a game, below which percentile intervals are too narrow
BASELINES = (
    "Two sets of random and human scores are in use, the usual one and that of CASA's authors; they differ in eight of "
    "the 57 games. Compare rows within a table, never between the two."
)
BEYOND_HUMAN = 8.0  # a profile that reaches farther is drawn on a logarithmic axis
Matrices = dict[str, ScoreMatrix]  # agent to human-normalised scores


def write_aggregates(page: Page, scores: Mapping[str, dict[str, list[float]]], label: str) -> None:
    """The section of the page; nothing where no agent has played an Atari game.

    Args:
        page: to write on.
        scores: agent to environment to the raw scores of its runs.
        label: the protocol of all of them.
    """
    matrices = {baseline: _matrices(scores, baseline) for baseline in get_args(Baseline)}
    usual = matrices["usual"]
    if not usual:
        return
    page.heading("Aggregate scores")
    comparable = len({matrix.games for matrix in usual.values()}) == 1
    if not comparable:
        page.paragraph("The agents have finished different games, so these rows cannot be compared yet.")
    page.paragraph(BASELINES, note=True)
    for baseline, of_agents in matrices.items():
        page.table(_table(of_agents, comparable, label, baseline))
    few = min(len(matrix.scores) for matrix in usual.values())
    if few < FEW:
        page.paragraph(
            f"With {few} run{'s' if few > 1 else ''} a game the intervals are too narrow, or missing: read them as an "
            "indication, not as evidence.",
            note=True,
        )
    title = "Aggregates with 95 % intervals, usual baselines"
    page.figure(interval_figure(_summaries(usual), protocol=label, title=title), "Aggregates with intervals")
    if comparable:
        _profiles(page, usual, label)
        _improvements(page, usual, label)


def thresholds(scores: Iterable[np.ndarray]) -> np.ndarray:
    """Of a performance profile, [K]: from random play, 0, or the lowest score if that is less, to the highest.

    Args:
        scores: human-normalised, each [runs, games]. Where one is far beyond the human the thresholds are even in the
            logarithm, from 0.01.
    """
    every = np.concatenate([matrix.ravel() for matrix in scores])
    high = float(every.max())
    if high > BEYOND_HUMAN:
        return np.geomspace(0.01, high, 201)
    low = min(0.0, float(every.min()))
    return np.linspace(low, max(high, low + 0.1), 201)  # not empty, even where nobody is better than random


def _matrices(scores: Mapping[str, dict[str, list[float]]], baseline: Baseline) -> Matrices:
    matrices = {agent: normalised(by_env, baseline) for agent, by_env in scores.items()}
    return {agent: matrix for agent, matrix in matrices.items() if matrix is not None}


def _summaries(matrices: Matrices) -> dict[str, Summary]:
    return {agent: summarise(matrix.scores) for agent, matrix in matrices.items()}


def _table(matrices: Matrices, comparable: bool, label: str, baseline: Baseline) -> Table:
    """Ours, and where all of them have the same games, published agents over just these."""
    ours = _summaries(matrices)
    games = next(iter(matrices.values())).games
    theirs = published_summaries(AGAINST, games, baseline) if comparable else {}
    theirs = {f"{agent} (published)": summary for agent, summary in theirs.items()}
    labels = dict.fromkeys(ours, label) | dict.fromkeys(theirs, PUBLISHED_PROTOCOL)
    return aggregate_table(ours | theirs, protocol=labels, baseline=baseline)


def _profiles(page: Page, matrices: Matrices, label: str) -> None:
    taus = thresholds(matrix.scores for matrix in matrices.values())
    profiles = {agent: performance_profile(matrix.scores, taus) for agent, matrix in matrices.items()}
    title = "Performance profiles with 95 % bands, usual baselines"
    figure = profile_figure(profiles, protocol=label, title=title, log=bool(taus[-1] > BEYOND_HUMAN))
    page.figure(figure, "Performance profiles")


def _improvements(page: Page, matrices: Matrices, label: str) -> None:
    """Of every pair of agents with several runs each; the same with either baseline."""
    several = {agent: matrix.scores for agent, matrix in matrices.items() if len(matrix.scores) > 1}
    pairs = {(a, b): probability_of_improvement(several[a], several[b]) for a, b in combinations(several, 2)}
    if pairs:
        page.figure(improvement_figure(pairs, protocol=label), "Probability of improvement")


def normalised(scores: dict[str, list[float]], baseline: Baseline = "usual") -> ScoreMatrix | None:
    """Human-normalised [runs, games] over the Atari games; None where there is none.

    Games may have different numbers of finished runs while a study is under way; as many are taken of each as the
    least of them has.
    """
    atari = {env: runs for env, runs in scores.items() if is_atari(env)}
    if not atari:
        return None
    fewest = min(map(len, atari.values()))
    matrix = score_matrix({env: runs[:fewest] for env, runs in atari.items()})
    return ScoreMatrix(human_normalised(matrix.scores, matrix.games, baseline), matrix.games)
