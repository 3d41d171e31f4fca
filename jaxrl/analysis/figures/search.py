"""A sweep at a glance: every setting that was tried as a line through its values, and how much each of them matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jaxrl.analysis.figures.style import COLOURS, GREY, canvas, style
from jaxrl.analysis.figures.wording import metric_name, spaced

WIDE = 50.0  # of the largest to the smallest value: from there on an axis is logarithmic


def search_figure(
    settings: Sequence[Mapping[str, Any]], values: Sequence[float], importance: Mapping[str, float], metric: str
) -> Figure:
    """Parallel coordinates beside bars.

    Args:
        settings: one mapping a tried combination, all with the same names, the best first.
        importance: share of the variance of `values` that each setting explains alone, 0 to 1.
        metric: what the values are, as in docs/metrics.md.
    """
    metric = metric_name(metric)
    names = list(settings[0])
    figure = canvas((3.2 + 1.5 * (len(names) + 2), 4.8), f"{len(settings)} settings by what they reached")
    left, right = figure.subplots(1, 2, width_ratios=[1.5 * (len(names) + 1), 3.2])
    columns = [_heights(left, index, [row[name] for row in settings]) for index, name in enumerate(names)]
    columns.append(_heights(left, len(names), list(values)))
    colours = ScalarMappable(Normalize(min(values), max(values)), "viridis").to_rgba(np.asarray(values))
    for row in reversed(range(len(settings))):  # the best on top
        heights = [column[row] for column in columns]
        left.plot(heights, color=colours[row], linewidth=3 if row == 0 else 1.2)
    labels = [spaced(name.rpartition(".")[2]) for name in names]
    left.set_xticks(range(len(names) + 1), [*labels, fill(metric.lower(), 18)], fontsize=9)
    left.set_yticks([])
    left.set_xlim(-0.3, len(names) + 0.6)
    left.spines[:].set_visible(False)
    style(right)
    right.barh(labels[::-1], [importance[name] for name in names][::-1], color=COLOURS[0])
    room = max(4 - len(names), 0) / 2  # few bars are no thicker than several
    right.set_ylim(-0.6 - room, len(names) - 0.4 + room)
    right.xaxis.set_major_formatter(PercentFormatter(1.0))
    right.set_xlim(0, 1)
    right.set_xlabel("variance explained alone", fontsize=9, color=GREY)
    return figure


def _heights(axes: Axes, x: int, column: Sequence[Any]) -> np.ndarray:
    """Where the values of one setting lie between 0 and 1 on its axis, which is drawn with them written beside it."""
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in column)
    axes.axvline(x, color=GREY, linewidth=0.8)
    if numeric:
        numbers = np.asarray(column, float)
        low, high = numbers.min(), numbers.max()
        heights = np.log(numbers) if low > 0 and high / low >= WIDE else numbers
        span = np.ptp(heights)
        heights = (heights - heights.min()) / span if span else np.full(len(numbers), 0.5)
        marks = {0.0: f"{low:.3g}", 1.0: f"{high:.3g}"} if span else {0.5: f"{low:.3g}"}
    else:
        words = sorted({str(value) for value in column})
        heights = np.array([(words.index(str(value)) + 0.5) / len(words) for value in column])
        marks = {(i + 0.5) / len(words): word for i, word in enumerate(words)}
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
    look = {"fontsize": 8, "color": GREY, "va": "center", "bbox": box, "zorder": 5}
    for height, word in marks.items():
        axes.annotate(word, (x, height), (4, 0), textcoords="offset points", **look)
    return heights
