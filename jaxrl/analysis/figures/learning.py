"""Figures of run folders as PNG: one run in full, or several compared. Nothing here touches pyplot's global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from jaxrl.analysis.archives import is_archive
from jaxrl.analysis.curves import Run, frame_skip, read_metrics
from jaxrl.analysis.figures.groups import plot_comparison
from jaxrl.analysis.figures.return_axes import frames_axis, game_of, reference_lines, return_curve, with_game
from jaxrl.analysis.figures.style import COLOURS, GREY, LEGEND, canvas, check_suffix, count_env_steps, save, style
from jaxrl.analysis.runs import named_runs, one_protocol, read_record
from jaxrl.record.files import check_writable

# Title, label of the vertical axis, {metric: label}; what stands on one axis has one unit.
PANELS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("Entropy", "nats", {"policy/entropy": "policy"}),
    ("Value", "reward scale", {"value/mean": "mean value", "advantage/std": "std of the advantage"}),
    ("Value losses", "reward²", {"loss/value": "value", "loss/q": "action values"}),
    ("Losses", "no unit", {"loss/total": "weighted sum of all", "loss/policy": "policy, before its weight"}),
    ("Gradient", "norm", {"optimiser/grad_norm": "before it is clipped"}),
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
    metrics |= _speed(metrics)
    shown = [panel for panel in PANELS if any(_present(metrics, name) for name in panel[2])]
    rows = (len(shown) + 1) // 2
    figure = canvas((10, 4.2 + 2.4 * rows), with_game(folder.resolve().name, [folder]), one_protocol([folder]))
    grid = figure.add_gridspec(1 + rows, 2, height_ratios=[1.7] + [1.0] * rows)
    top = figure.add_subplot(grid[0, :])
    _return_panel(top, folder, metrics)
    for index, (title, unit, names) in enumerate(shown):
        axes = figure.add_subplot(grid[1 + index // 2, index % 2])
        _metric_panel(axes, metrics, title, unit, names)
    return save(figure, Path(out) if out else folder / "curve.png")


def _return_panel(axes: Axes, folder: Path, metrics: Mapping[str, np.ndarray]) -> None:
    style(axes)
    count_env_steps(axes)
    axes.set_xlabel("env steps")
    axes.set_ylabel("raw return per episode")
    curve = return_curve(folder)
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
    reference_lines(axes, game_of(folder))
    fallen = curve.value[-1] < sum(axes.get_ylim()) / 2  # a rising curve leaves room below its end
    axes.legend(**{**LEGEND, "loc": "upper left" if fallen else "lower right"})
    frames_axis(axes, frame_skip(dict(metrics)))


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
            look = {"color": colour, "linewidth": 1.3, "marker": "o" if known.sum() == 1 else None, "markersize": 4}
            axes.plot(metrics["env_steps"][known], metrics[name][known], label=label, **look)
    if unit.endswith("per second"):
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.legend(
        frameon=False, fontsize=8, ncols=4, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2,
        handlelength=1.2, columnspacing=1.0,
    )  # fmt: skip


def _speed(metrics: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Env steps per second from each report to the next [N], unknown at the first, which pays for the compilation.

    What is recorded is a mean of up to 30 s that grows with the run, and so rises where a training is even.
    """
    if "progress/wall" not in metrics or metrics["env_steps"].size < 2:
        return {}
    seconds = np.diff(metrics["progress/wall"])
    steps = np.diff(metrics["env_steps"])
    speed = np.divide(steps, seconds, out=np.full(steps.shape, np.nan), where=seconds > 0)
    return {"rate/env_steps": np.concatenate([[np.nan], speed])}


def _mark_evaluation(axes: Axes, folder: Path, env_steps: float) -> None:
    """The score of evaluation.json with its standard error, at the end of the curve."""
    result = read_record(folder, "evaluation.json")
    if result is not None and "mean_return" in result:
        label = f"evaluation, {result['policy']}: {result['mean_return']:.4g}"
        at = ([env_steps], [result["mean_return"]], [result.get("standard_error", 0.0)])
        axes.errorbar(*at, fmt="D", color=COLOURS[1], markersize=6, capsize=4, label=label)


def _present(metrics: Mapping[str, np.ndarray], name: str) -> bool:
    return name in metrics and bool(np.isfinite(metrics[name]).any())


def _end_label(axes: Axes, env_steps: np.ndarray, value: np.ndarray, colour: str) -> None:
    """The last value, in numbers, at the end of its line."""
    axes.plot(env_steps[-1:], value[-1:], marker="o", markersize=5, color=colour)
    axes.annotate(
        f"{value[-1]:,.1f}", (env_steps[-1], value[-1]), (7, 0), textcoords="offset points", va="center",
        color=colour, fontweight="bold",
    )  # fmt: skip
