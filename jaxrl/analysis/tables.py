"""Tables of scores, as rows and as Markdown: per game against published scores, and aggregates with intervals.

    table = games_table({"CASA": {"Pong": [20.1, 20.8]}}, protocol="machado")
    print(table.markdown())
    aggregate_table({"CASA": summarise(human_normalised(*score_matrix(scores)))}, protocol={"CASA": "machado"})

Every table says under which protocol its scores arose and which baseline normalised them. `rows` keeps full precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from typing import Any

import numpy as np

from jaxrl.analysis.scores import (
    Baseline,
    ScoreError,
    game_name,
    human_normalised,
    published,
    published_aggregates,
    reference,
    score_matrix,
)
from jaxrl.analysis.statistics import Interval, Summary

PUBLISHED_PROTOCOL = "as published"
AGAINST = ("Rainbow", "IMPALA", "LASER", "GDI-I3", "GDI-H3")  # agents that saw 200M frames, to stand beside
AGGREGATES = {"IQM": "iqm", "Median": "median", "Mean": "mean", "Optimality gap": "optimality_gap"}  # header: field

PUBLISHED_NUMBERS = ("mean, printed", "mean, recomputed", "median, printed", "median, recomputed")


@dataclass(frozen=True)
class Table:
    """A caption, and rows that map the same columns to values; None where there is nothing to say."""

    caption: str
    rows: Sequence[Mapping[str, Any]]
    decimals: Mapping[str, int]  # of the columns that hold numbers or intervals

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the rows, in order."""
        return tuple(self.rows[0]) if self.rows else ()

    def markdown(self) -> str:
        """The table in GitHub's Markdown, its caption above it."""
        rule = ["---:" if column in self.decimals else "---" for column in self.columns]
        body = [[_escaped(text) for text in row] for row in self.texts()]
        lines = [[_escaped(column) for column in self.columns], rule, *body]
        return f"{self.caption}\n\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines)

    def _repr_html_(self) -> str:
        """What a notebook shows; alignment is said twice, for pages that drop styles and for those that want them."""
        left, right = (f' align="{side}" style="text-align: {side}"' for side in ("left", "right"))
        return f"<p>{escape(self.caption)}</p>{self.html(left, right)}"

    def html(self, text: str = "", number: str = "") -> str:
        """The table without its caption; `text` and `number` are attributes of the cells that hold such."""
        attributes = [number if column in self.decimals else text for column in self.columns]

        def row(tag: str, cells: Sequence[str]) -> str:
            pairs = zip(attributes, cells, strict=True)
            return f"<tr>{''.join(f'<{tag}{of_cell}>{escape(cell)}</{tag}>' for of_cell, cell in pairs)}</tr>"

        return f"<table>{row('th', self.columns)}{''.join(row('td', cells) for cells in self.texts())}</table>"

    def texts(self) -> list[list[str]]:
        """The rows as text, numbers rounded; empty where there is nothing to say."""
        return [[self._text(row[column], column) for column in self.columns] for row in self.rows]

    def _text(self, value: Any, column: str) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        digits = self.decimals[column]
        if not isinstance(value, Interval):
            return f"{value:z,.{digits}f}"  # z: what is rounded to zero has no sign
        bounds = f" [{value.low:z,.{digits}f}, {value.high:z,.{digits}f}]" if isfinite(value.low) else ""
        return f"{value.estimate:z,.{digits}f}{bounds}"


def games_table(
    scores: Mapping[str, Mapping[str, float | Sequence[float]]],
    *,
    protocol: str,
    against: Sequence[str] = AGAINST,
    baseline: Baseline = "usual",
) -> Table:
    """Raw scores of every game beside random play, the human and published agents, a row per game and agent.

    Args:
        scores: agent to game, or environment id, to the scores of its runs; games may differ in their number of runs.
        protocol: under which they arose, as in the run's evaluation.json.
        against: agents of `jaxrl.analysis.scores.agents()`.
        baseline: random and human scores to show and to normalise with.
    """
    if not scores:
        raise ScoreError("there is no agent to show; pass the scores of one at least")
    theirs = {f"{agent} (published)": published(agent) for agent in against}
    rows = []
    for agent, given, runs in ((agent, given, runs) for agent, of in scores.items() for given, runs in of.items()):
        game, values = game_name(given), np.atleast_1d(np.asarray(runs, np.float64))
        if values.size == 0 or not np.isfinite(values).all():
            raise ScoreError(f"the scores of {game} are {values}; each game needs finite ones, at least one")
        spread = float(values.std(ddof=1) / np.sqrt(values.size)) if values.size > 1 else None
        rows.append(
            {"game": game, "agent": agent}
            | {"score": float(values.mean()), "standard error": spread, "runs": values.size}
            | {"human-normalised": float(human_normalised(values.mean(), game, baseline))}
            | {**reference(game, baseline)._asdict()}
            | {column: column_scores.get(game) for column, column_scores in theirs.items()}
        )
    order = list(dict.fromkeys(row["game"] for row in rows))
    rows.sort(key=lambda row: order.index(row["game"]))
    caption = (
        f"Raw scores: score is the mean over an agent's runs under the {protocol} protocol; published columns keep "
        f"protocols and frame budgets of their own. Human-normalised with the {_words(baseline)} baselines; 1 is human."
    )
    own = {"score": 1, "standard error": 1, "runs": 0, "human-normalised": 2}
    decimals = own | dict.fromkeys(("random", "human", *theirs), 1)
    return Table(caption, rows, decimals)


def aggregate_table(
    summaries: Mapping[str, Summary],
    *,
    protocol: Mapping[str, str],
    baseline: Baseline | None = "usual",
) -> Table:
    """IQM, median, mean and optimality gap of several agents, a row each; best IQM last.

    Args:
        summaries: agent to what `jaxrl.analysis.statistics.summarise` returned.
        baseline: that the scores were normalised with; None where they are not human-normalised.
    """
    rows = [
        {"agent": agent, "protocol": protocol[agent], "runs": summary.runs, "games": summary.games}
        | {header: getattr(summary, field) for header, field in AGGREGATES.items()}
        for agent, summary in sorted(summaries.items(), key=lambda item: item[1].iqm.estimate)
    ]
    scale = f"Human-normalised scores with the {_words(baseline)} baselines; 1 is human." if baseline else "Scores."
    caption = f"{scale} In brackets 95 % stratified-bootstrap intervals over runs, where there are several."
    decimals = {"runs": 0, "games": 0} | dict.fromkeys(AGGREGATES, 2)
    return Table(caption, rows, decimals)


def published_table(baseline: Baseline = "authors") -> Table:
    """Printed means and medians over 57 games beside those that follow from the printed scores per game.

    With the `authors` baselines they agree to their rounding; with the `usual` ones the means do not. Agents without
    scores per game, such as CASA, cannot be checked.
    """
    rows = []
    for agent, printed in published_aggregates().items():
        try:
            scores, games = score_matrix(published(agent))
        except ScoreError:  # printed as mean and median alone
            mean = median = None
        else:
            normalised = human_normalised(scores, games, baseline)
            mean, median = float(normalised.mean()), float(np.median(normalised))
        numbers = (printed.mean, mean, printed.median, median)
        rows.append({"agent": agent, **dict(zip(PUBLISHED_NUMBERS, numbers, strict=True))})
    caption = (
        f"Human-normalised over 57 games, as printed and as recomputed from the printed scores per game with the "
        f"{_words(baseline)} baselines; 1 is human."
    )
    return Table(caption, rows, dict.fromkeys(PUBLISHED_NUMBERS, 4))


def _words(baseline: Baseline) -> str:
    return "authors'" if baseline == "authors" else baseline


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
