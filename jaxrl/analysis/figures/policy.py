"""Figures of an `Inspection`: the course of the episode, single moments, entropy against temperature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxrl.analysis.figures.style import COLOURS, GREY, canvas, panel, panels
from jaxrl.analysis.inspection import Inspection, entropy_at, moments


def course_figure(inspection: Inspection) -> Figure:
    """Value, the entropy that acted, and the spread of the preferences along the episode; rewards as marks."""
    figure = canvas((10, 6.2), f"{inspection.name}: one episode, return {inspection.episode_return:g}")
    column = panels(figure, 3, 1, sharex=True)[:, 0]
    rows = np.arange(len(inspection.action))
    entropy = -np.sum(inspection.policy * np.log(np.maximum(inspection.policy, 1e-30)), -1)
    lines = (
        ("value", inspection.value),
        ("entropy, nats", entropy),
        ("spread of preferences", inspection.preferences.std(-1)),
    )
    for axes, (label, line), colour in zip(column, lines, COLOURS, strict=False):
        axes.plot(rows, line, color=colour, linewidth=1.2)
        axes.set_ylabel(label)
        axes.margins(x=0)
    for sign, colour, word in ((1, "#2f8f4e", "reward above 0"), (-1, "#c0392b", "reward below 0")):
        at = rows[np.sign(inspection.reward) == sign]
        for axes in column:
            axes.vlines(at, 0, 1, transform=axes.get_xaxis_transform(), color=colour, alpha=0.3, linewidth=1)
        if len(at):
            column[0].plot([], [], color=colour, alpha=0.6, label=word)
    if inspection.reward.any():  # above the axes, where no line runs through it
        column[0].legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, ncols=2)
    column[-1].set_xlabel("env step")
    return figure


def moments_figure(
    inspection: Inspection, rows: Sequence[int] | None = None, actions: Sequence[str] | None = None
) -> Figure:
    """Pictures, and below each the preferences (less their mean) and the probabilities of the actions.

    Args:
        rows: which ones; those where the value changes most unless given.
    """
    rows = moments(inspection) if rows is None else rows
    num_actions = inspection.policy.shape[1]
    names = [str(a) for a in range(num_actions)] if actions is None else list(actions)
    figure = canvas((3.1 * len(rows), 6.8), f"{inspection.name}: moments of one episode")
    grid = panels(figure, 3, len(rows), height_ratios=(2.2, 1, 1), sharey="row")
    for (top, middle, bottom), row in zip(grid.T, rows, strict=True):
        top.imshow(inspection.picture[row], interpolation="nearest")
        top.set_title(f"step {row}, value {inspection.value[row]:.2f}", fontsize=10, loc="left")
        _frame(top)
        colours = [COLOURS[1] if a == inspection.action[row] else COLOURS[0] for a in range(num_actions)]
        preference = inspection.preferences[row] - inspection.preferences[row].mean()
        for axes, heights in ((middle, preference), (bottom, inspection.policy[row])):
            axes.bar(names, heights, color=colours)
            axes.grid(False, axis="x")
    grid[1, 0].set_ylabel("preference")
    grid[2, 0].set_ylabel("probability")
    figure.supxlabel("action; the one that was taken in the second colour", color=GREY, fontsize=9)
    return figure


def _frame(axes: Axes) -> None:
    """A border round a picture in place of ticks: a black board on white has an edge, a white one too."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(GREY)


def entropy_figure(inspection: Inspection) -> Figure:
    """Entropy of `softmax(preferences / temperature)` over all states of the episode: median, quartiles, extremes."""
    inverse = np.geomspace(0.1, 1000, 120)
    entropy = entropy_at(inspection.preferences, 1 / inverse)
    figure, axes = panel((8, 4.4), f"{inspection.name}: entropy follows from the temperature")
    for low, high, alpha, label in ((0, 100, 0.12, "all states"), (25, 75, 0.25, "half of them")):
        edges = np.percentile(entropy, [low, high], axis=1)
        axes.fill_between(inverse, *edges, color=COLOURS[0], alpha=alpha, linewidth=0, label=label)
    axes.plot(inverse, np.median(entropy, axis=1), color=COLOURS[0], linewidth=2, label="median")
    axes.axhline(np.log(inspection.policy.shape[1]), color=GREY, linestyle=":", label="uniform")
    acted = 1 / np.median(inspection.temperature)
    axes.axvline(acted, color=COLOURS[1], linestyle="--", label=f"acted at 1/temperature {acted:g}")
    axes.set_xscale("log")
    axes.set_xlabel("1 / temperature")
    axes.set_ylabel("entropy, nats")
    axes.legend(frameon=False, loc="lower left")
    return figure
