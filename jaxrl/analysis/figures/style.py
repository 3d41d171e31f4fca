"""The look of every figure: palette, canvas, axes. Nothing here touches pyplot's global state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from jaxrl.analysis.curves import RunDataError
from jaxrl.record.files import replacing

# Okabe and Ito's palette: told apart with every common form of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#5f6368"
MOST_BANDS = 3  # in one panel; more hide each other
DPI = 120  # of a figure in a file
SUFFIXES = (".png", ".pdf", ".svg")
# Where rising curves leave room.
LEGEND: Mapping[str, Any] = {"loc": "lower right", "edgecolor": "none", "framealpha": 0.85}
TITLE: Mapping[str, Any] = {"fontsize": 13, "fontweight": "bold"}


def canvas(size: tuple[float, float], title: str = "", protocol: str | None = None) -> Figure:
    """An empty figure, `size` in inches; its title on the left, and the protocol, without which no Atari figure can be
    read, in the other corner."""
    figure = Figure(figsize=size, dpi=100, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, x=0.01, ha="left", **TITLE)
    if protocol is not None:
        figure.text(0.99, 0.995, f"protocol: {protocol}", ha="right", va="top", fontsize=9, color=GREY)
    return figure


def panel(size: tuple[float, float], title: str = "", protocol: str | None = None) -> tuple[Figure, Axes]:
    """A canvas with one panel."""
    figure = canvas(size, title, protocol)
    return figure, panels(figure, 1, 1)[0, 0]


def panels(figure: FigureBase, rows: int, columns: int, **options: Any) -> np.ndarray:
    """Axes [rows, columns] in this look; `options` are those of `Figure.subplots`."""
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    for axes in grid.flat:
        style(axes)
    return grid


def style(axes: Axes) -> None:
    """Give axes that are there already this look."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.grid(True, color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=GREY, labelsize=9)


def banded(axes: Axes, x: Any, middle: Any, low: Any, high: Any, colour: str, *, lines: int = 1, **line: Any) -> Line2D:
    """Draw a line [N] in its band, which is left out where more than `MOST_BANDS` lines would hide each other's.

    Returns the line; `line` are options of `Axes.plot`.
    """
    if lines <= MOST_BANDS:
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    return axes.plot(x, middle, color=colour, **line)[0]


def count_env_steps(axes: Axes) -> None:
    """Write 200k and 1.5M along the horizontal axis."""
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    few_ticks(axes, 6)


def few_ticks(axes: Axes, most: int) -> None:
    """At most so many intervals along the horizontal axis, at round numbers."""
    axes.xaxis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))


def save(figure: Figure, path: Path) -> Path:
    """Write the figure, whole or not at all."""
    check_suffix(path)
    with replacing(path) as scratch:
        figure.savefig(scratch, dpi=DPI)
    return path


def check_suffix(path: Path) -> None:
    """Raise `RunDataError` where the name's ending is that of no picture."""
    if path.suffix.lower() not in SUFFIXES:
        raise RunDataError(f"cannot draw {path}: a figure's name must end in one of {', '.join(SUFFIXES)}")
