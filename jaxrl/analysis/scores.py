"""Atari scores in context: random and human baselines of the 57 games, published scores, normalisation.

    human_normalised(21.0, "Pong-v5")                                          # 1.18: a little above the human
    scores, games = score_matrix({"Pong": [20.1, 20.8], "Breakout": [390, 410]})
    human_normalised(scores, games, baseline="authors")                        # [runs, games]
    published("GDI-H3")["Pong"]

1 is the human everywhere, not 100. The two baselines are never mixed: `usual` is the table that most papers use;
`authors` is the one printed by the authors of CASA and GDI, whose published means it reproduces. They differ in eight
games, much in BattleZone (random), VideoPinball (random) and CrazyClimber (human). VideoPinball alone moves Rainbow's
mean over 57 games from 8.7 to 14.6, so a table must say which it used. NumPy and the standard library only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from jaxrl.errors import UserError, nearest

Baseline = Literal["usual", "authors"]
NOT_AGENTS = ("random_usual", "human_usual", "random_authors", "human_authors", "world_record")


class ScoreError(UserError, ValueError):
    """A game, an agent or a set of scores that cannot be used; the message is one sentence."""


class Reference(NamedTuple):
    """Raw scores between which a game is normalised."""

    random: float
    human: float


class ScoreMatrix(NamedTuple):
    """Raw or normalised scores and the games of their columns."""

    scores: np.ndarray  # float64 [runs, games]
    games: tuple[str, ...]


class PublishedAggregate(NamedTuple):
    """Human-normalised over 57 games at 200M frames, with the authors' baselines; 1 is human."""

    mean: float
    median: float


def games() -> tuple[str, ...]:
    """The 57 games in alphabetical order."""
    return tuple(_data()["games"])


def agents() -> tuple[str, ...]:
    """Agents with published scores per game.

    Rainbow, IMPALA, LASER, GDI-I3, GDI-H3 and Muesli saw 200M frames; the others had budgets, and some of them
    protocols, of their own. DreamerV2 and GoExplore lack two games each, SimPLe 21.
    """
    return tuple(name for name in _data()["columns"] if name not in NOT_AGENTS)


def game_name(name: str) -> str:
    """The game of an environment id: `Pong-v5`, `ALE/Pong-v5`, `PongNoFrameskip-v4`, `pong`, `ms_pacman` and the like.

    Raises:
        ScoreError: it is none of the 57; the message names the nearest.
    """
    key = _key(re.sub(r"(NoFrameskip|Deterministic)?-v\d+$", "", name.rsplit("/", 1)[-1]))
    known = {_key(game): game for game in games()}
    if key not in known:
        near = known[nearest(key, known)]
        raise ScoreError(f"there are no reference scores for the game {name!r}; the nearest is {near}")
    return known[key]


def is_atari(name: str) -> bool:
    """Whether an environment id is one of the 57 games, so that there are reference scores for it."""
    try:
        game_name(name)
    except ScoreError:
        return False
    return True


def reference(game: str, baseline: Baseline = "usual") -> Reference:
    """Raw random and human scores of a game."""
    if baseline not in get_args(Baseline):
        raise ScoreError(f"there is no baseline {baseline!r}; use one of {', '.join(get_args(Baseline))}")
    row, columns = _data()["games"][game_name(game)], _data()["columns"]
    return Reference(*(row[columns.index(f"{who}_{baseline}")] for who in Reference._fields))


def human_normalised(scores: Any, games: str | Sequence[str], baseline: Baseline = "usual") -> Any:
    """`(score - random) / (human - random)`: 0 is random play, 1 the human.

    Args:
        scores: raw; [..., games], or of any shape for a single game.
        games: of the last axis, or one game.

    Returns:
        float64 of the shape of `scores`.
    """
    scores = np.asarray(scores, np.float64)
    if isinstance(games, str):
        low, high = reference(games, baseline)
    else:
        if scores.ndim == 0 or scores.shape[-1] != len(games):
            raise ScoreError(f"scores of shape {scores.shape} do not fit {len(games)} games, their last axis")
        low, high = np.array([reference(game, baseline) for game in games]).T
    return (scores - low) / (high - low)


def published(agent: str) -> dict[str, float]:
    """An agent's raw scores, game to score, without the games that it lacks.

    Raises:
        ScoreError: there is no such agent; the message names the nearest.
    """
    known = {_key(name): name for name in agents()}
    if _key(agent) not in known:
        printed = any(_key(agent) == _key(name) for name in published_aggregates())
        near = f"; the nearest is {known[nearest(_key(agent), known)]}"
        hint = ", only the mean and median of published_aggregates()" if printed else near
        raise ScoreError(f"there are no published scores of {agent!r} per game{hint}")
    column = _data()["columns"].index(known[_key(agent)])
    return {game: row[column] for game, row in _data()["games"].items() if row[column] is not None}


def published_aggregates() -> dict[str, PublishedAggregate]:
    """Agent to mean and median as printed; CASA is here and not in `published`, its scores per game never appeared."""
    return {agent: PublishedAggregate(**numbers) for agent, numbers in _data()["aggregates"].items()}


def score_matrix(scores: Mapping[str, float | Sequence[float]]) -> ScoreMatrix:
    """Game to the scores of its runs, one per seed, as a matrix; the games keep their order and get their usual names.

    `score_matrix(published(agent))` is an agent's single row.

    Raises:
        ScoreError: a game is unknown or comes twice, the numbers of runs differ, or a score is not finite.
    """
    names = tuple(map(game_name, scores))
    if len(set(names)) < len(names):
        raise ScoreError(f"a game comes twice among {', '.join(scores)}")
    return ScoreMatrix(stacked(dict(zip(names, scores.values(), strict=True))), names)


def stacked(scores: Mapping[str, float | Sequence[float]]) -> np.ndarray:
    """Environment to the scores of its runs as float64 [runs, environments]; errors as for `score_matrix`."""
    columns = {env: np.ravel(np.asarray(runs, np.float64)) for env, runs in scores.items()}
    counts = {env: column.size for env, column in columns.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise ScoreError(f"every game needs the same number of runs, at least one, not {counts}")
    for env, column in columns.items():
        if not np.isfinite(column).all():
            raise ScoreError(f"a score of {env} is not finite; leave that run out of every game")
    return np.stack(list(columns.values()), axis=1)


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@cache
def _data() -> dict[str, Any]:
    text = resources.files("jaxrl.analysis").joinpath("atari57.json").read_text(encoding="utf-8")
    return json.loads(text)
