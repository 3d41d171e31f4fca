"""Figures of policies of self-play: against each other, against a best response, and in games with known payoffs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxrl.analysis.figures.style import COLOURS, GREY, canvas, count_env_steps, panel, panels, save

Z95 = 1.96


def matrix_figure(result: Mapping[str, Any]) -> Figure:
    """What `jaxrl crossplay` wrote: row's share of the games won against the column."""
    names, shares = result["names"], np.asarray(result["shares"])
    size = len(names)
    figure = canvas((3.2 + 0.62 * size, 2.4 + 0.55 * size), f"Row's win rate, {result['games']} games a pair")
    axes = figure.add_subplot()
    picture = axes.imshow(shares, vmin=0, vmax=1, cmap="RdBu")
    for row in range(size):
        for column in range(size):
            share = shares[row, column]
            words, colour = "" if row == column else f"{share:.0%}", "k" if 0.2 < share < 0.8 else "w"
            axes.text(column, row, words, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(size), names, rotation=45, ha="right")
    axes.set_yticks(range(size), names)
    figure.colorbar(picture, ax=axes, fraction=0.05)
    return figure


def responses_figure(result: Mapping[str, Any]) -> Figure:
    """What `jaxrl exploit` wrote: the learner's win rate over its training, a line a seed, with 95 % bars."""
    figure, axes = panel((7.0, 4.2), f"A best response, {result['start']}, against {result['run']}")
    for seed, curve in enumerate(result["seeds"]):
        steps, share, games = (np.array([row[name] for row in curve]) for name in ("env_steps", "share", "games"))
        error = Z95 * np.sqrt(share * (1 - share) / np.maximum(games, 1))
        axes.errorbar(steps, share, error, color=COLOURS[seed % len(COLOURS)], label=f"seed {seed}", capsize=2)
    axes.axhline(0.5, color=GREY, linewidth=1, linestyle="--")
    axes.set_ylim(0, 1)
    axes.set_xlabel("env steps of the learner", color=GREY)
    axes.set_ylabel("its win rate in training", color=GREY)
    count_env_steps(axes)
    axes.legend(frameon=False, fontsize=9)
    return figure


def plot_gaps(games: Mapping[str, Mapping[str, np.ndarray]], out: Path) -> Path:
    """Draw duality gaps over iterations, a panel a game and a line a way to iterate.

    Args:
        games: name of the game -> name of the way -> gap [iterations + 1].
    """
    figure = canvas((4.2 * len(games), 4.0), "Duality gap of the last iterate")
    for axes, (game, ways) in zip(panels(figure, 1, len(games), sharey=True)[0], games.items(), strict=True):
        for number, (name, gaps) in enumerate(ways.items()):
            axes.loglog(np.arange(1, len(gaps) + 1), np.maximum(gaps, 1e-16), color=COLOURS[number], label=name)
        axes.set_title(game, fontsize=10)
        axes.set_xlabel("iteration", color=GREY)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    return save(figure, out)
