"""Figures of what `jaxrl.analysis.statistics` computes: profiles, intervals, probabilities of improvement.

    scores = compare(groups)
    profile_figure(profiles(scores), protocol=scores.protocol).savefig("profiles.png")

The protocol label is required, because an Atari figure without it cannot be read; it is None for other environments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jaxrl.analysis.comparison import BEYOND_HUMAN
from jaxrl.analysis.figures.style import COLOURS, GREY, MOST_BANDS, banded, canvas, few_ticks, panel, panels
from jaxrl.analysis.figures.wording import spaced
from jaxrl.analysis.statistics import Interval, Profile, Summary
from jaxrl.analysis.tables import AGGREGATES

LINES = ("-", "--", ":", "-.")  # the next one after all colours, so that no two agents look alike
HUMAN_NORMALISED = "human-normalised score"


def profile_figure(
    profiles: Mapping[str, Profile],
    *,
    protocol: str | None,
    title: str = "Performance profiles",
    score: str = HUMAN_NORMALISED,
) -> Figure:
    """Share of runs above each threshold, a line per agent, in its band where they are few; the higher line is better.

    Thresholds above 0 that reach far beyond the human are on a logarithmic axis; `score` says what they are.
    """
    figure, axes = panel((8, 4.8), title, protocol)
    few = len(profiles) <= MOST_BANDS
    for index, (agent, profile) in enumerate(profiles.items()):
        colour, line = COLOURS[index % len(COLOURS)], LINES[index // len(COLOURS) % len(LINES)]
        look = {"linestyle": line, "linewidth": 2, "label": spaced(agent)}
        banded(axes, *profile, colour, lines=len(profiles), **look)
    axes.set_xlabel(f"{score} τ")
    axes.set_ylabel("share of runs with score > τ")
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    if all(profile.thresholds[0] > 0 and profile.thresholds[-1] > BEYOND_HUMAN for profile in profiles.values()):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    else:
        few_ticks(axes, 8)
    axes.margins(x=0)
    axes.legend(frameon=False, loc="upper right", title="band: 95 % interval" if few else "", title_fontsize=9)
    return figure


def interval_figure(
    summaries: Mapping[str, Summary],
    *,
    protocol: str | None,
    title: str = "Aggregates with 95 % intervals",
    score: str = HUMAN_NORMALISED,
) -> Figure:
    """The four aggregates side by side, a bar per agent from the lower to the upper bound, marked at the estimate."""
    figure = canvas((11, 1.7 + 0.42 * len(summaries)), title, protocol)
    row = panels(figure, 1, len(AGGREGATES))[0]
    for axes, (name, field) in zip(row, AGGREGATES.items(), strict=True):
        _bars(axes, list(summaries), [getattr(summary, field) for summary in summaries.values()])
        axes.set_title(name, loc="left", fontsize=11)
        better = "lower" if field == "optimality_gap" else "higher"
        axes.set_xlabel(f"{score}\n{better} is better", color=GREY, fontsize=9)
        few_ticks(axes, 4)
        if axes is not row[0]:
            axes.set_yticklabels([])
    return figure


def improvement_figure(
    pairs: Mapping[tuple[str, str], Interval],
    *,
    protocol: str | None,
    title: str = "Probability of improvement with 95 % intervals",
) -> Figure:
    """`P(first > second)`, a bar per pair; one that crosses the dashed line at 1/2 shows no difference."""
    figure, axes = panel((8, 1.7 + 0.42 * len(pairs)), title, protocol)
    _bars(axes, [f"{x} > {y}" for x, y in pairs], list(pairs.values()))
    axes.axvline(0.5, color=GREY, linestyle="--", linewidth=1.2)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("probability that a run of the first\nscores higher, averaged over games", color=GREY, fontsize=9)
    return figure


def _bars(axes: Axes, labels: Sequence[str], intervals: Sequence[Interval]) -> None:
    """Horizontal bars from the top down; a diamond alone where there is no interval."""
    places = range(len(labels))
    for place, colour, interval in zip(places, cycle(COLOURS), intervals, strict=False):
        if isfinite(interval.low):
            axes.barh(place, interval.high - interval.low, left=interval.low, height=0.55, color=colour, alpha=0.45)
            axes.vlines(interval.estimate, place - 0.275, place + 0.275, color=colour, linewidth=2.5)
        else:
            axes.plot([interval.estimate], [place], marker="D", markersize=6, color=colour)
    axes.set_yticks(places, list(map(spaced, labels)))
    axes.tick_params(axis="y", length=0, labelcolor="black")
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.use_sticky_edges = False  # bars would cling to the frame
    axes.margins(x=0.08)
