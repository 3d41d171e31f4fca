"""What belongs to every picture of returns: their curve, the game, its random and human scores, frames beside steps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from jaxrl.analysis.curves import Curve, Run, RunDataError, learning_curve, metric_curve
from jaxrl.analysis.figures.style import GREY
from jaxrl.analysis.runs import read_env
from jaxrl.analysis.scores import is_atari, reference


def return_curve(run: Run) -> Curve:
    """The return, from the episodes, or from the reports of a run that was kept without them."""
    if (Path(run) / "episodes.jsonl").exists() or not (Path(run) / "metrics.jsonl").exists():
        return learning_curve(run)
    return metric_curve(run, "episode/return")


def game_of(run: Run) -> str:
    """The environment of a run; empty where nothing tells."""
    try:
        return read_env(run)
    except RunDataError:  # a copy without its config
        return ""


def with_game(title: str, runs: Iterable[Run]) -> str:
    """A title that says which game was played, where all runs played the same, and it does not say so itself."""
    games = {game_of(run) for run in runs}
    game = games.pop() if len(games) == 1 else ""
    said = game.lower().partition("-v")[0] in title.lower()
    return title if said else f"{title}: {game}".removeprefix(": ")


def reference_lines(axes: Axes, game: str) -> None:
    """What the random policy and a human have in an Atari game, where the table has it; named beside the axes.

    A score so far away that its line would press the curves flat is only named, with an arrow.
    """
    if not is_atari(game):
        return
    low, high = axes.get_ylim()
    for name, score in zip(("random", "human"), reference(game), strict=False):
        words = f"{name}\n{score:,.{0 if abs(score) >= 100 else 1}f}"
        if low - (high - low) <= score <= high + (high - low):
            axes.axhline(score, color=GREY, linewidth=1, linestyle=":")
            place: tuple[float, float] = (1.0, score)
            coordinates, align = ("axes fraction", "data"), "center"
        else:
            place, coordinates, align = (1.0, float(score > high)), "axes fraction", "top" if score > high else "bottom"
            words = f"{words} {'↑' if score > high else '↓'}"
        axes.annotate(words, place, (4, 0), xycoords=coordinates, textcoords="offset points", fontsize=8, color=GREY,
                      va=align)  # fmt: skip


def frames_axis(axes: Axes, frames_per_env_step: float | None) -> None:
    """A second horizontal axis in frames, where they differ from env steps."""
    if frames_per_env_step is None or frames_per_env_step == 1:
        return
    ratio: Any = frames_per_env_step  # Any: the type checker cannot know that axes hand over arrays
    second = axes.secondary_xaxis("top", functions=(lambda steps: steps * ratio, lambda frames: frames / ratio))
    second.set_xlabel("frames", color=GREY, fontsize=9)
    second.tick_params(colors=GREY, labelsize=9)
    second.spines["top"].set_visible(False)
    second.xaxis.set_major_formatter(EngFormatter(sep=""))
