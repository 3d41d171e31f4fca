"""Figures of run folders as PNG: one run in full, or several compared. Nothing here touches pyplot's global state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from jaxrl.analysis.archives import is_archive
from jaxrl.analysis.curves import (
    Curve,
    Run,
    RunDataError,
    aggregate,
    frame_skip,
    learning_curve,
    metric_curve,
    read_metrics,
)
from jaxrl.analysis.figures.style import (
    COLOURS,
    GREY,
    TITLE,
    banded,
    canvas,
    check_suffix,
    count_env_steps,
    panels,
    save,
    style,
)
from jaxrl.analysis.runs import (
    check_one_game,
    group_by_experiment,
    named_runs,
    one_protocol,
    read_env,
    read_record,
    seeds_in_words,
)
from jaxrl.analysis.scores import is_atari, reference
from jaxrl.record.files import check_writable
from jaxrl.record.metrics import METRICS

LEGEND: dict[str, Any] = {
    "loc": "lower right",
    "edgecolor": "none",
    "framealpha": 0.85,
}  # where rising curves leave room
BAND = "line: mean of the runs; band: from the worst to the best"
# Title, label of the vertical axis, {metric: label}.
PANELS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "Policy",
        "nats",
        {"policy/entropy": "entropy"},
    ),
    ("Value", "reward scale", {"value/mean": "mean value", "advantage/std": "std of the advantage"}),
    (
        "Losses",
        "before weights",
        {"loss/policy": "policy", "loss/value": "value", "loss/q": "q", "loss/total": "total"},
    ),
    ("Speed", "env steps per second", {"rate/env_steps": "env steps"}),
)


def plot(names: Sequence[str], out: Path | None = None) -> Path:
    """Draw what a user names, as in `named_runs`: one run in full, several compared; returns the figure's path.

    `out` is curve.png beside a run unless given, curve.png here for one in an archive, compare.png here for several.
    Errors are those of `named_runs`, `plot_run` and `plot_comparison`.
    """
    if out is not None:
        check_suffix(out)
        check_writable(out)
    runs = [run for name in names for run in named_runs(name)]
    if len(runs) > 1:
        return plot_comparison(runs, out or Path("compare.png"))
    return plot_run(runs[0], out or (Path("curve.png") if is_archive(names[0]) else None))


def plot_run(run_dir: Run, out: str | Path | None = None) -> Path:
    """Write curve.png into the run folder, or `out` (.png, .pdf or .svg), and return its path.

    Return against env steps, with frames on a second axis; below it entropy, values, losses and speed, as far as the
    run has them.

    Raises:
        RunDataError: the folder holds no metrics.jsonl or no episodes.jsonl.
        RunDirError: the figure cannot be written.
    """
    folder = Path(run_dir)
    metrics = read_metrics(folder)
    shown = [panel for panel in PANELS if any(_present(metrics, name) for name in panel[2])]
    rows = (len(shown) + 1) // 2
    figure = canvas((10, 4.2 + 2.4 * rows), _with_game(folder.resolve().name, [folder]), one_protocol([folder]))
    grid = figure.add_gridspec(1 + rows, 2, height_ratios=[1.7] + [1.0] * rows)
    top = figure.add_subplot(grid[0, :])
    _return_panel(top, folder, metrics)
    for index, (title, unit, names) in enumerate(shown):
        axes = figure.add_subplot(grid[1 + index // 2, index % 2])
        _metric_panel(axes, metrics, title, unit, names)
    return save(figure, Path(out) if out else folder / "curve.png")


def plot_comparison(
    groups: Mapping[str, Sequence[Run]] | Sequence[Run], out: str | Path, title: str = "", window: int = 100
) -> Path:
    """Write a figure with one line per group, the mean over its runs, in a band from the worst to the best run.

    Args:
        groups: label to run folders, one per seed; or just run folders, then grouped by what they are of.
        out: its path; .png, .pdf or .svg.
        title: of the figure.
        window: episodes that one point averages.

    Raises:
        RunDataError: there is no group, or one has no run or a run without episodes, or several games; the protocols
            differ.
        RunDirError: the figure cannot be written.
    """
    if not groups:
        raise RunDataError("there is nothing to compare: name at least one run folder")
    groups = groups if isinstance(groups, Mapping) else group_by_experiment(groups)
    figure = canvas((9, 5), protocol=one_protocol(run for runs in groups.values() for run in runs))
    axes = panels(figure, 1, 1)[0, 0]
    for colour, (label, runs) in zip(cycle(COLOURS), groups.items(), strict=False):
        try:
            check_one_game(runs)
            band = aggregate([_return_curve(run, window) for run in runs])
        except RunDataError as error:
            raise RunDataError(f"{label}: {error}") from error
        words = f"{label}: {band.mean[-1]:,.1f} at the end, {seeds_in_words(runs)}"
        banded(axes, band.env_steps, band.mean, band.low, band.high, colour, linewidth=2, label=words)
    count_env_steps(axes)
    first = next(iter(groups.values()))[0]
    axes.set_xlabel("env steps")
    axes.set_ylabel(f"mean return of the last {window} episodes")
    axes.set_title(title or _with_game("", chain.from_iterable(groups.values())), loc="left", **TITLE)
    if len(groups) > 3:
        figure.set_figheight(5 + 0.22 * len(groups) / 2)
        figure.legend(frameon=False, loc="outside lower left", ncols=2, fontsize=9, title=BAND, title_fontsize=9)
    else:
        axes.legend(**LEGEND, title=BAND, title_fontsize=9)  # where rising curves leave room
    _reference_lines(axes, first)
    _frames_axis(axes, frame_skip(read_metrics(first)))
    return save(figure, Path(out))


def metrics_figure(
    groups: Mapping[str, Sequence[Run]], metrics: Sequence[str] = ("episode/return",), *, title: str = ""
) -> Figure:
    """A panel a metric, from metrics.jsonl alone: a line per group, its mean, in a band from the worst to the best run.

    Args:
        groups: label to run folders, one per seed.
        metrics: names as in docs/metrics.md; a group without one is left out of its panel.
        title: of the figure.

    Raises:
        RunDataError: there is no group, or one has several games, or none has one of the metrics; protocols differ.
    """
    columns = min(2, len(metrics))
    rows = -(-len(metrics) // columns)
    size = (10.5, 1.0 + 2.4 * rows) if columns > 1 else (9, 5.0)
    figure = canvas(size, title, one_protocol(run for runs in groups.values() for run in runs))
    drawn: dict[str, Any] = {}
    for index, name in enumerate(metrics):
        axes = figure.add_subplot(rows, columns, index + 1)
        drawn |= _group_panel(axes, groups, name)
        if index >= len(metrics) - columns:
            axes.set_xlabel("env steps")
    figure.legend(drawn.values(), drawn.keys(), frameon=False, loc="outside lower left", ncols=2, fontsize=9)
    return figure


def _group_panel(axes: Axes, groups: Mapping[str, Sequence[Run]], name: str) -> dict[str, Any]:
    """Draws one metric; returns the lines by label."""
    style(axes)
    count_env_steps(axes)
    axes.set_title(name, loc="left", fontsize=11)
    unit = METRICS[name].unit if name in METRICS else "-"
    axes.set_ylabel("" if unit == "-" else unit, color=GREY)
    drawn = {}
    for colour, (label, runs) in zip(cycle(COLOURS), groups.items(), strict=False):
        check_one_game(runs)
        try:
            curves = [metric_curve(run, name) for run in runs]
        except RunDataError:  # a run lacks it
            continue
        band = aggregate(curves)
        line = banded(axes, band.env_steps, band.mean, band.low, band.high, colour, linewidth=1.8)
        drawn[f"{label} ({seeds_in_words(runs)})"] = line
    if not drawn:
        raise RunDataError(f"no group has the metric {name!r} in all of its runs")
    return drawn


def _return_curve(run: Run, window: int = 100) -> Curve:
    """The return, from the episodes, or from the reports of a run that was kept without them."""
    if (Path(run) / "episodes.jsonl").exists() or not (Path(run) / "metrics.jsonl").exists():
        return learning_curve(run, window)
    return metric_curve(run, "episode/return")


def _return_panel(axes: Axes, folder: Path, metrics: Mapping[str, np.ndarray]) -> None:
    style(axes)
    count_env_steps(axes)
    axes.set_xlabel("env steps")
    axes.set_ylabel("raw return per episode")
    curve = _return_curve(folder)
    if curve.env_steps.size == 0:
        axes.text(0.5, 0.5, "no episode has finished", transform=axes.transAxes, ha="center", color=GREY)
        return
    if _present(metrics, "episode/return_min") and _present(metrics, "episode/return_max"):
        low, high = metrics["episode/return_min"], metrics["episode/return_max"]
        label = "lowest to highest of the last 100"
        axes.fill_between(metrics["env_steps"], low, high, color=COLOURS[0], alpha=0.15, linewidth=0, label=label)
    axes.plot(curve.env_steps, curve.value, color=COLOURS[0], linewidth=2, label="mean of the last 100 episodes")
    _end_label(axes, curve.env_steps, curve.value, COLOURS[0])
    _mark_evaluation(axes, folder, curve.env_steps[-1])
    _reference_lines(axes, folder)
    axes.legend(**LEGEND)  # where a rising curve leaves room
    _frames_axis(axes, frame_skip(dict(metrics)))


def _metric_panel(
    axes: Axes, metrics: Mapping[str, np.ndarray], title: str, unit: str, names: Mapping[str, str]
) -> None:
    style(axes)
    count_env_steps(axes)
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_ylabel(unit, color=GREY)
    for colour, (name, label) in zip(COLOURS, names.items(), strict=False):
        if _present(metrics, name):
            known = np.isfinite(metrics[name])
            known[0] &= not unit.endswith("per second") or known.size == 1  # the first report pays for the compilation
            axes.plot(metrics["env_steps"][known], metrics[name][known], color=colour, linewidth=1.3, label=label)
    if unit.endswith("per second"):
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.legend(
        frameon=False, fontsize=8, ncols=4, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2,
        handlelength=1.2, columnspacing=1.0,
    )  # fmt: skip


def _mark_evaluation(axes: Axes, folder: Path, env_steps: float) -> None:
    """The score of evaluation.json with its standard error, at the end of the curve."""
    result = read_record(folder, "evaluation.json")
    if result is not None and "mean_return" in result:
        label = f"evaluation, {result['policy']}: {result['mean_return']:.4g}"
        at = ([env_steps], [result["mean_return"]], [result.get("standard_error", 0.0)])
        axes.errorbar(*at, fmt="D", color=COLOURS[1], markersize=6, capsize=4, label=label)


def _reference_lines(axes: Axes, run: Run) -> None:
    """What the random policy and a human have in an Atari game, where the table has it."""
    game = _game(run)
    if not is_atari(game):
        return
    for name, score in zip(("random", "human"), reference(game), strict=False):
        axes.axhline(score, color=GREY, linewidth=1, linestyle=":")
        axes.annotate(f"{name} {score:,.4g}", (0.01, score), (0, 3), xycoords=("axes fraction", "data"),
                      textcoords="offset points", fontsize=8, color=GREY)  # fmt: skip


def _with_game(title: str, runs: Iterable[Run]) -> str:
    """A title that says which game was played, where all runs played the same, and it does not say so itself."""
    games = {_game(run) for run in runs}
    game = games.pop() if len(games) == 1 else ""
    said = game.lower().partition("-v")[0] in title.lower()
    return title if said else f"{title}: {game}".removeprefix(": ")


def _game(run: Run) -> str:
    try:
        return read_env(run)
    except RunDataError:  # a copy without its config
        return ""


def _present(metrics: Mapping[str, np.ndarray], name: str) -> bool:
    return name in metrics and bool(np.isfinite(metrics[name]).any())


def _frames_axis(axes: Axes, frames_per_env_step: float | None) -> None:
    """A second horizontal axis in frames, where they differ from env steps."""
    if frames_per_env_step is None or frames_per_env_step == 1:
        return
    ratio: Any = frames_per_env_step  # Any: the type checker cannot know that axes hand over arrays
    second = axes.secondary_xaxis("top", functions=(lambda steps: steps * ratio, lambda frames: frames / ratio))
    second.set_xlabel("frames", color=GREY, fontsize=9)
    second.tick_params(colors=GREY, labelsize=9)
    second.spines["top"].set_visible(False)
    second.xaxis.set_major_formatter(EngFormatter(sep=""))


def _end_label(axes: Axes, env_steps: np.ndarray, value: np.ndarray, colour: str) -> None:
    """The last value, in numbers, at the end of its line."""
    axes.plot(env_steps[-1:], value[-1:], marker="o", markersize=5, color=colour)
    axes.annotate(
        f"{value[-1]:,.1f}", (env_steps[-1], value[-1]), (7, 0), textcoords="offset points", va="center",
        color=colour, fontweight="bold",
    )  # fmt: skip
