"""Figures of groups of runs: returns and other metrics, a line a group; small multiples where bands would overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxrl.analysis.curves import Band, Run, RunDataError, aggregate, frame_skip, metric_curve, read_metrics
from jaxrl.analysis.figures.return_axes import frames_axis, game_of, reference_lines, return_curve, with_game
from jaxrl.analysis.figures.style import (
    COLOURS,
    GREY,
    LEGEND,
    MOST_BANDS,
    TITLE,
    banded,
    canvas,
    count_env_steps,
    panel,
    panels,
    save,
)
from jaxrl.analysis.figures.wording import metric_name, metric_unit, spaced
from jaxrl.analysis.runs import check_one_game, group_by_experiment, grouped, one_protocol, seeds_in_words

BAND = "line: mean of the runs; band: from the worst to the best"
LINE = "line: mean of the runs"
COLUMNS = 3  # of small multiples

Groups = Mapping[str, Sequence[Run]]


def plot_comparison(groups: Groups | Sequence[Run], out: str | Path, title: str = "") -> Path:
    """Write `comparison_figure` to `out`, .png, .pdf or .svg; raises `RunDirError` where that cannot be."""
    return save(comparison_figure(groups, title), Path(out))


def comparison_figure(groups: Groups | Sequence[Run], title: str = "") -> Figure:
    """One line per group, the mean over its runs, in a band from the worst to the best run.

    More than `MOST_BANDS` groups get a panel each, in which the others' means are grey. Several games get a panel each.

    Args:
        groups: label to run folders, one per seed; or just run folders, then grouped by what they are of.

    Raises:
        RunDataError: there is no group, or one has no run or a run without episodes, or several games; the protocols
            differ.
    """
    if not groups:
        raise RunDataError("there is nothing to compare: name at least one run folder")
    games = _by_game(groups)
    protocol = one_protocol(run for of in games.values() for runs in of.values() for run in runs)
    bands = {game: {label: _band(label, runs) for label, runs in of.items()} for game, of in games.items()}
    (game, first), *others = bands.items()
    if others:
        figure = _several_games(bands, title, protocol)
    elif len(first) > MOST_BANDS:
        figure = _one_each(first, games[game], with_game(title, chain.from_iterable(games[game].values())), protocol)
    else:
        figure = _together(first, games[game], title, protocol)
    for axes in figure.axes[:: COLUMNS if len(figure.axes) > 1 else 1]:
        axes.set_ylabel("mean return of the last 100 episodes" if len(figure.axes) == 1 else "return")
    return figure


def metrics_figure(groups: Groups, metrics: Sequence[str] = ("episode/return",), *, title: str = "") -> Figure:
    """A panel a metric, from metrics.jsonl alone: a line per group, its mean, in a band from the worst to the best run.

    Args:
        groups: label to run folders, one per seed.
        metrics: names as in docs/metrics.md; a group without one is left out of its panel.
        title: the game is added where it does not name it.

    Raises:
        RunDataError: there is no group, or one has several games, or none has one of the metrics; protocols differ.
    """
    columns = min(2, len(metrics))
    rows = -(-len(metrics) // columns)
    size = (10.5, 1.3 + 2.4 * rows) if columns > 1 else (9, 5.0)
    runs = list(chain.from_iterable(groups.values()))
    figure = canvas(size, with_game(title, runs), one_protocol(runs))
    labels = {label: f"{label} ({seeds_in_words(runs)})" for label, runs in groups.items()}
    bands = {metric_name(name): _metric_bands(groups, name) for name in metrics}
    grid = _panels_of_groups(figure, columns, bands, labels)
    for index, (axes, name) in enumerate(zip(grid.flat, metrics, strict=False)):
        axes.set_ylabel(metric_unit(name), color=GREY)
        if index >= len(metrics) - columns:
            axes.set_xlabel("env steps")
    return figure


def _by_game(groups: Groups | Sequence[Run]) -> dict[str, Groups]:
    """Game to label to runs."""
    if not isinstance(groups, Mapping):
        return {game: group_by_experiment(runs) for game, runs in grouped(groups, game_of).items()}
    games: dict[str, Any] = {}
    for label, runs in groups.items():
        with _named(label):
            check_one_game(runs)
        games.setdefault(game_of(runs[0]) if runs else "", {})[label] = runs
    return games


def _band(label: str, runs: Sequence[Run]) -> Band:
    with _named(label):
        return aggregate(list(map(return_curve, runs)))


@contextmanager
def _named(label: str) -> Iterator[None]:
    """Puts the group's label before what is wrong with it."""
    try:
        yield
    except RunDataError as error:
        raise RunDataError(f"{label}: {error}") from error


def _together(bands: Mapping[str, Band], groups: Groups, title: str, protocol: str | None) -> Figure:
    """All groups in one panel."""
    figure, axes = panel((9, 5), protocol=protocol)
    for colour, (label, band) in zip(COLOURS, bands.items(), strict=False):
        words = f"{label}: {band.mean[-1]:,.1f} at the end, {seeds_in_words(groups[label])}"
        banded(axes, band.env_steps, band.mean, band.low, band.high, colour, linewidth=2, label=words)
    runs = list(chain.from_iterable(groups.values()))
    axes.set_title(with_game(title, runs), loc="left", **TITLE)
    axes.legend(**LEGEND, title=BAND, title_fontsize=9)
    axes.set_xlabel("env steps")
    count_env_steps(axes)
    reference_lines(axes, game_of(runs[0]))
    frames_axis(axes, frame_skip(read_metrics(runs[0])))
    return figure


def _one_each(bands: Mapping[str, Band], groups: Groups, title: str, protocol: str | None) -> Figure:
    """A panel a group, whose line is coloured and has its band; the means of all others are grey."""
    rows = -(-len(bands) // COLUMNS)
    figure = canvas((10.5, 1.0 + 2.3 * rows), title, protocol)
    grid = panels(figure, rows, COLUMNS, sharex=True, sharey=True)
    for axes, colour, (label, band) in zip(grid.flat, cycle(COLOURS), bands.items(), strict=False):
        for other in bands.values():
            axes.plot(other.env_steps, other.mean, color="#c4c7cc", linewidth=0.9)
        banded(axes, band.env_steps, band.mean, band.low, band.high, colour, linewidth=2)
        axes.set_title(f"{label}: {band.mean[-1]:,.1f}, {seeds_in_words(groups[label])}", loc="left", fontsize=9.5)
        count_env_steps(axes)
        reference_lines(axes, game_of(groups[label][0]))
    _leave_out(grid, len(bands))
    figure.supxlabel(f"env steps; {BAND}; grey: the others", fontsize=9, color=GREY)
    return figure


def _several_games(bands: Mapping[str, Mapping[str, Band]], title: str, protocol: str | None) -> Figure:
    """A panel a game; a group has one colour in all of them."""
    labels = {label: label for label in chain.from_iterable(bands.values())}
    columns = min(COLUMNS, len(bands))
    height = 1.3 + 2.6 * -(-len(bands) // columns) + 0.2 * -(-len(labels) // 2)
    figure = canvas((10.5, height), title or f"{len(bands)} games", protocol)
    for axes, game in zip(_panels_of_groups(figure, columns, bands, labels).flat, bands, strict=False):
        axes.set_xlabel("env steps")
        reference_lines(axes, game)
    return figure


def _panels_of_groups(
    figure: Figure, columns: int, bands: Mapping[str, Mapping[str, Band]], labels: Mapping[str, str]
) -> np.ndarray:
    """A panel a title, in which a group has the colour of its label in the legend below; the axes [rows, columns]."""
    colours, lines = dict(zip(labels, cycle(COLOURS), strict=False)), {}
    grid = panels(figure, -(-len(bands) // columns), columns)
    for axes, (title, groups) in zip(grid.flat, bands.items(), strict=False):
        for label, band in groups.items():
            edges, look = (band.mean, band.low, band.high), {"lines": len(labels), "linewidth": 1.8}
            lines[labels[label]] = banded(axes, band.env_steps, *edges, colours[label], **look)
        axes.set_title(title, loc="left", fontsize=11)
        count_env_steps(axes)
    _leave_out(grid, len(bands))
    legend = figure.legend(
        lines.values(), map(spaced, lines), frameon=False, loc="outside lower left", ncols=2, fontsize=9,
        title=BAND if len(labels) <= MOST_BANDS else LINE, title_fontsize=9,
    )  # fmt: skip
    legend.set_alignment("left")
    return grid


def _leave_out(grid: np.ndarray, used: int) -> None:
    """Remove the axes [rows, columns] after the first `used`; what is above them is numbered in their place."""
    for axes in grid.flat[used:]:
        axes.remove()
    for axes in grid.flat[max(0, used - grid.shape[1]) : used]:
        axes.tick_params(labelbottom=True)


def _metric_bands(groups: Groups, name: str) -> dict[str, Band]:
    """One metric of the groups whose runs all have it."""
    bands = {}
    for label, runs in groups.items():
        check_one_game(runs)
        try:
            curves = [metric_curve(run, name) for run in runs]
        except RunDataError:  # a run lacks it
            continue
        bands[label] = aggregate(curves)
    if not bands:
        raise RunDataError(f"no group has the metric {name!r} in all of its runs")
    return bands
