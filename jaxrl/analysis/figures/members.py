"""Figures of a population's run folder: every member's curve, and what became of each, against a hyper-parameter.

    members_figure("runs/catch-population-20260101-120000-s0", by="learning_rate")
    final_figure("runs/catch-population-20260101-120000-s0", by="learning_rate")

From metrics.jsonl alone. `env_steps` are those of all members together.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from jaxrl.analysis.curves import Curve, Run, RunDataError, read_metrics
from jaxrl.analysis.figures.return_axes import with_game
from jaxrl.analysis.figures.style import GREY, count_env_steps, panel
from jaxrl.analysis.figures.wording import metric_name, metric_unit, spaced

COLOURMAP = colormaps["viridis"]
STRIPES = 12  # so many different values can still be told apart by colour
MEMBER = "member"  # what members are told apart by where no hyper-parameter differs


class MemberCurves(NamedTuple):
    """The members of a population, P of them."""

    curves: list[Curve]  # of one metric, one a member
    hypers: dict[str, np.ndarray]  # those that vary or move, at the first report, float64 [P]


def read_members(run: Run, metric: str = "episode/return") -> MemberCurves:
    """A metric of every member, without the reports that lack it, and the hyper-parameters that it began with.

    Raises:
        RunDataError: the run is no population, or no member has the metric.
    """
    metrics = read_metrics(run)
    size = 1 + max((int(match[1]) for name in metrics if (match := re.match(r"member_(\d+)/", name))), default=-1)
    if size == 0:
        raise RunDataError(f"{run} is no population: it was trained with population.size 1")
    curves = []
    for i in range(size):
        values = metrics.get(f"member_{i}/{metric}", np.empty(0))
        present = np.flatnonzero(np.isfinite(values))
        if present.size == 0:
            raise RunDataError(f"member {i} of {run} has no metric {metric!r}")
        curves.append(Curve(metrics["env_steps"][present], values[present]))
    varied = [name for name in metrics if name.startswith("member_0/hypers/")]
    hypers = {
        name.rpartition("/")[2]: np.array([metrics[name.replace("member_0", f"member_{i}", 1)][0] for i in range(size)])
        for name in varied
    }
    return MemberCurves(curves, hypers)


def members_figure(run: Run, metric: str = "episode/return", *, by: str | None = None, title: str = "") -> Figure:
    """A line a member, coloured by the hyper-parameter that it began with.

    Args:
        metric: without `member_0/`, as in docs/metrics.md, or `hypers/NAME`.
        by: a hyper-parameter that varies; the first of them unless given, or the member's number where none does.
        title: of the figure; the game is added where it does not name it.

    Raises:
        RunDataError: the run is no population, or lacks the metric or the hyper-parameter.
    """
    members = read_members(run, metric)
    name, values = _told_apart(members, by)
    figure, axes = panel((9, 4.8), with_game(title or f"{metric_name(metric)}, a line a member", [run]))
    scale, places = _scale(values)
    for curve, colour in zip(members.curves, scale.to_rgba(places), strict=True):
        axes.plot(curve.env_steps, curve.value, color=colour, linewidth=1.6, alpha=0.9)
    if metric.startswith("hypers/") and all((curve.value > 0).all() for curve in members.curves):
        axes.set_yscale("log")
    axes.set_xlabel("env steps of all members")
    axes.set_ylabel(_axis_label(metric))
    count_env_steps(axes)
    _colour_bar(figure, axes, scale, name, values)
    return figure


def final_figure(run: Run, metric: str = "episode/return", *, by: str | None = None, title: str = "") -> Figure:
    """The last value of a metric against the hyper-parameter that a member began with; a line through the means.

    Arguments and errors as for `members_figure`.
    """
    members = read_members(run, metric)
    name, values = _told_apart(members, by)
    final = np.array([curve.value[-1] for curve in members.curves])
    title = with_game(title or f"{metric_name(metric)} at the end against {spaced(name)}", [run])
    figure, axes = panel((9, 4.2), title)
    different = np.unique(values)
    means = [final[values == value].mean() for value in different]
    axes.plot(different, means, color=GREY, linewidth=1.2, zorder=1, label="mean of the members with one value")
    scale, places = _scale(values)
    axes.scatter(values, final, s=55, color=scale.to_rgba(places), edgecolor="white", zorder=2)
    if _logarithmic(values):
        axes.set_xscale("log")
    axes.set_xlabel(spaced(name))
    axes.set_ylabel(_axis_label(metric))
    if different.size < values.size:
        axes.legend(frameon=False, loc="best", fontsize=9)
    return figure


def _told_apart(members: MemberCurves, by: str | None) -> tuple[str, np.ndarray]:
    """Name and values [P] of what tells the members apart."""
    telling = {**members.hypers, MEMBER: np.arange(len(members.curves), dtype=np.float64)}
    by = by or next(iter(telling))
    if by not in telling:
        there = ", ".join(members.hypers) or "none, so leave it out"
        raise RunDataError(f"the hyper-parameter {by!r} does not vary in this population; those that do: {there}")
    return by, telling[by]


def _scale(values: np.ndarray) -> tuple[ScalarMappable, np.ndarray]:
    """Colours, and the place of every value on them, [P].

    Few different values are a stripe each, so that the bar shows none that is not there; many are a continuous bar.
    """
    different = np.unique(values)
    if different.size <= STRIPES:
        stripes = ListedColormap(COLOURMAP(np.linspace(0.0, 0.92, different.size)))
        norm = BoundaryNorm(np.arange(different.size + 1) - 0.5, different.size)
        return ScalarMappable(norm, stripes), np.searchsorted(different, values)
    ends = float(different[0]), float(different[-1])
    return ScalarMappable(LogNorm(*ends) if _logarithmic(values) else Normalize(*ends), COLOURMAP), values


def _colour_bar(figure: Figure, axes: Axes, scale: ScalarMappable, name: str, values: np.ndarray) -> None:
    different = np.unique(values)
    few = different.size <= STRIPES
    bar = figure.colorbar(scale, ax=axes, ticks=np.arange(different.size) if few else None, pad=0.02)
    if few:
        bar.ax.set_yticklabels([f"{value:.3g}" for value in different])
        bar.ax.minorticks_off()
    bar.ax.tick_params(colors=GREY, labelsize=9)
    bar.set_label(spaced(name), color=GREY)


def _logarithmic(values: np.ndarray) -> bool:
    return bool(values.min() > 0 and values.max() / values.min() >= 10)


def _axis_label(metric: str) -> str:
    unit = metric_unit(metric)
    return f"{metric_name(metric)}, {unit}" if unit else metric_name(metric)
