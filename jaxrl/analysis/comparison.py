"""Groups of runs, or published agents, compared by their scores over the same environments: also what a report says.

scores = compare(group_by_setting(runs, "agent.name"))
interval_figure(summaries(scores), protocol=scores.protocol, score=scores.unit)
improvement_figure(improvements(scores), protocol=scores.protocol)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from jaxrl.analysis.curves import Run, RunDataError
from jaxrl.analysis.runs import (
    EVALUATED_UNDER,
    TRAINED_UNDER,
    evaluation_return,
    final_return,
    one_policy,
    one_protocol,
    raw_scores,
)
from jaxrl.analysis.scores import (
    Baseline,
    ScoreError,
    game_name,
    games,
    human_normalised,
    is_atari,
    published,
    score_matrix,
    stacked,
)
from jaxrl.analysis.statistics import (
    Interval,
    Profile,
    Summary,
    performance_profile,
    probability_of_improvement,
    summarise,
)
from jaxrl.analysis.tables import AGAINST, PUBLISHED_PROTOCOL, Table, aggregate_table, games_table

BEYOND_HUMAN = 8.0  # scores that reach farther have thresholds that are even in the logarithm
RawScores = Mapping[str, Mapping[str, Sequence[float]]]


class Comparison(NamedTuple):
    """Scores of several groups of runs over the same environments."""

    raw: RawScores  # group to environment to the raw scores of its runs
    scores: dict[str, np.ndarray]  # group to float64 [runs, environments], human-normalised if all are Atari games
    envs: tuple[str, ...]
    unit: str  # what an entry of `scores` is, for an axis
    protocol: str | None  # None where no environment has one
    baseline: Baseline | None  # that normalised; None where nothing did


def compare(
    groups: Mapping[str, Sequence[Run]], score: Callable[[Run], float] = final_return, baseline: Baseline = "usual"
) -> Comparison:
    """Scores of every group of run folders.

    Args:
        groups: label to run folders.
        score: of one run, raw: `final_return` or `evaluation_return`.
        baseline: random and human scores that Atari scores are normalised with.

    Raises:
        RunDataError: there is no group, or the groups played different environments or under different protocols;
            or one mixes evaluations of greedy and sampled policies.
        ScoreError: a group has more runs of one environment than of another.
    """
    raw = {label: raw_scores(runs, score) for label, runs in groups.items()}
    evaluated = score is evaluation_return
    every = [run for runs in groups.values() for run in runs]
    protocol = one_protocol(every, EVALUATED_UNDER if evaluated else TRAINED_UNDER)
    for runs in groups.values() if evaluated else ():
        one_policy(runs)
    return compare_scores(raw, protocol, baseline)


def compare_scores(raw: RawScores, protocol: str | None, baseline: Baseline = "usual") -> Comparison:
    """The same from scores that were read already, group to environment to one a run; errors as for `compare`."""
    envs = tuple(next(iter(raw.values()), ()))
    for label, scores in raw.items():
        if set(scores) != set(envs):
            raise RunDataError(f"{label} played {', '.join(scores)}, not {', '.join(envs)}; compare runs of the same")
    if not envs:
        raise RunDataError("there is nothing to compare: name at least one run folder")
    raw = {label: {env: scores[env] for env in envs} for label, scores in raw.items()}
    if all(map(is_atari, envs)):
        matrices = {label: human_normalised(*score_matrix(scores), baseline) for label, scores in raw.items()}
        return Comparison(raw, matrices, envs, "human-normalised score", protocol, baseline)
    return Comparison(raw, {label: stacked(of) for label, of in raw.items()}, envs, "return", protocol, None)


def finished_by_all(raw: RawScores) -> RawScores:
    """What of a study under way can be compared: the environments of which every group has a score, in each group with
    as many runs as its least; empty where they share none."""
    shared = [env for env in next(iter(raw.values()), ()) if all(env in scores for scores in raw.values())]
    fewest = {label: min((len(scores[env]) for env in shared), default=0) for label, scores in raw.items()}
    return {label: {env: raw[label][env][:count] for env in shared} for label, count in fewest.items() if shared}


def compare_published(
    agents: Iterable[str] = AGAINST, baseline: Baseline = "authors", envs: Sequence[str] | None = None
) -> Comparison:
    """Published agents over these games, or all 57, one run each.

    Raises:
        ScoreError: one of `envs` is none of the 57, or an agent has no published score of a game.
    """
    raw = {}
    for agent in agents:
        known = published(agent)
        names = games() if envs is None else list(map(game_name, envs))
        missing = [game for game in names if game not in known]
        if missing:
            raise ScoreError(f"{agent} has no published score on {', '.join(missing)}; leave out the agent or the game")
        raw[agent] = {game: [known[game]] for game in names}
    return compare_scores(raw, PUBLISHED_PROTOCOL, baseline)


def summaries(comparison: Comparison) -> dict[str, Summary]:
    """Group to its four aggregates with intervals."""
    return {label: summarise(scores) for label, scores in comparison.scores.items()}


def improvements(comparison: Comparison) -> dict[tuple[str, str], Interval]:
    """How likely a run of the first beats a run of the second, for every pair of groups with several runs each.

    Raises:
        RunDataError: there is no such pair.
    """
    several = {label: scores for label, scores in comparison.scores.items() if len(scores) > 1}
    if len(several) < 2:
        raise RunDataError("a probability of improvement needs two groups of two runs each at least; train more seeds")
    pairs = combinations(several.items(), 2)
    return {(a, b): probability_of_improvement(x, y) for (a, x), (b, y) in pairs}


def thresholds(comparison: Comparison) -> np.ndarray:
    """Those of a performance profile, float64 [K]: from random play, 0, or the lowest score if that is less, to the
    highest; from 0.01 and even in the logarithm where that is far beyond the human."""
    every = np.concatenate([scores.ravel() for scores in comparison.scores.values()])
    high = float(every.max())
    if high > BEYOND_HUMAN:
        return np.geomspace(0.01, high, 201)
    low = min(0.0, float(every.min()))
    return np.linspace(low, max(high, low + 0.1), 201)  # not empty, even where nobody is better than random


def profiles(comparison: Comparison) -> dict[str, Profile]:
    """Group to its performance profile over `thresholds(comparison)`."""
    levels = thresholds(comparison)
    return {label: performance_profile(scores, levels) for label, scores in comparison.scores.items()}


def score_table(comparison: Comparison, against: Sequence[str] = AGAINST) -> Table:
    """Raw scores of every game beside random play, the human and published agents.

    Raises:
        ScoreError: an environment is none of the 57 games.
    """
    label = comparison.protocol or "unknown"
    return games_table(comparison.raw, protocol=label, against=against, baseline=comparison.baseline or "usual")


def aggregates(comparison: Comparison, against: Sequence[str] = ()) -> Table:
    """Aggregates of every group, and those of published agents over just these games.

    Raises:
        ScoreError: published agents are wanted and an environment is none of the 57 games.
    """
    ours, theirs = summaries(comparison), {}
    if against:
        theirs = summaries(compare_published(against, comparison.baseline or "usual", comparison.envs))
        theirs = {f"{agent} (published)": summary for agent, summary in theirs.items()}
    labels = dict.fromkeys(comparison.scores, comparison.protocol or "-")
    labels |= dict.fromkeys(theirs, PUBLISHED_PROTOCOL)
    return aggregate_table(ours | theirs, protocol=labels, baseline=comparison.baseline)
