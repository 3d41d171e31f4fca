"""The card game's records in pictures: how a policy learnt, what decks it came to, and what it thought of one game."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from jaxrl.analysis.curves import RunDataError
from jaxrl.analysis.figures.matches import matrix_figure, responses_figure
from jaxrl.analysis.figures.style import COLOURS, GREY, canvas, count_env_steps, panel, panels

# Of the contest's winner, from 100 recorded games (docs/selfplay.md).
WINNERS_DECK: Mapping[str, float] = {
    "deck_cost": 0.99,
    "deck_pairs": 0.97,
    "deck_creatures": 0.40,
    "deck_green": 0.25,
    "deck_red": 0.18,
    "deck_blue": 0.16,
}
SCORES = ("against_greedy", "against_scored")
MOVES = re.compile(r"^Turn (\d+) .*, (P[01]) (\S+) to move$")
THINKS = re.compile(r"^ +value ([+-]\d\.\d+):")
ENDS = re.compile(r"^(P[01]) \S+ wins in turn \d+\.$")


def learning_figure(records: Path) -> Figure:
    """Win rates against both scripts in training, and the entropy of each stage, over the samples; a line a part."""
    titles = {"against_greedy": "wins against greedy", "against_scored": "wins against scored"}
    titles |= {"entropy_deck": "entropy, deck stage", "entropy_battle": "entropy, battle"}
    return _over_samples(records, "Learning, part by part", titles, {"against_scored": 0.5})


def decks_figure(records: Path) -> Figure:
    """What the decks of training were like, over the samples; dashed, the decks of the contest's winner."""
    titles = ("mean cost", "share of cards in pairs", "creatures", "green items", "red items", "blue items")
    named = dict(zip(WINNERS_DECK, titles, strict=True))
    return _over_samples(records, "Decks; dashed, the contest's winner", named, WINNERS_DECK)


def value_figure(records: Path) -> Figure:
    """A policy's value of the state at each battle action, by turn; `RunDataError` where game.txt is no whole game."""
    turns, values, seat, name, winner = [], [], "", "", None
    turn, mover = 0, ("", "")
    for line in _text(records / "game.txt").splitlines():
        if found := MOVES.match(line):
            turn, mover = int(found[1]), (found[2], found[3])
        elif found := THINKS.match(line):
            turns.append(turn)
            values.append(float(found[1]))
            seat, name = mover
        elif found := ENDS.match(line):
            winner = found[1]
    if not values or winner is None:
        raise RunDataError(f"{records / 'game.txt'} is no whole game of a policy; write it with `jaxrl view locm`")
    outcome = "wins" if winner == seat else "loses"
    figure, axes = panel((8.0, 3.4), f"{name.capitalize()} as {seat} {outcome}: its value before each action")
    place = np.array(turns) + _within(turns)
    axes.plot(place, values, color=COLOURS[0], marker="o", markersize=3)
    axes.axhline(0, color=GREY, linewidth=1)
    reach = 1.05 * max(1.0, *np.abs(values))  # a sure win is 1, and a regressed value may lie beyond
    axes.set_ylim(-reach, reach)
    axes.set_xlabel("turn, of both seats", color=GREY)
    return figure


def crossplay_figure(records: Path) -> Figure:
    """What `jaxrl crossplay` wrote."""
    return matrix_figure(json.loads(_text(records / "crossplay.json")))


def exploit_figure(records: Path) -> Figure:
    """What `jaxrl exploit` wrote."""
    return responses_figure(json.loads(_text(records / "exploit.json")))


def _within(turns: Sequence[int]) -> np.ndarray:
    """Where in its turn each action lies, in [0, 1)."""
    every = np.array(turns)
    return np.array([np.sum(every[:number] == turn) / np.sum(every == turn) for number, turn in enumerate(turns)])


def _read_parts(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """The columns of each part's reports, and as `samples` those of all parts that led to it."""
    rows = list(csv.DictReader(_text(path).splitlines()))
    parts = {}
    for part in dict.fromkeys(row["part"] for row in rows):
        own = [row for row in rows if row["part"] == part]
        names = [name for name in own[0] if name != "part"]
        columns = {name: np.array([float(row[name] or "nan") for row in own]) for name in names}
        for name in SCORES:  # a half before the first match of a part: nothing was played yet
            columns[name][np.cumsum(columns[name] != 0.5) == 0] = np.nan
        parts[part] = columns | {"samples": columns["samples_before"] + columns["samples_of_part"]}
    return parts


def _over_samples(records: Path, title: str, titles: Mapping[str, str], dashed: Mapping[str, float]) -> Figure:
    """Two rows of panels, a line a part in each; some with a dashed line to compare with."""
    parts = _read_parts(records / "champion.csv")
    figure = canvas((10.0, 5.6), title)
    grid = panels(figure, 2, len(titles) // 2, sharex=True)
    for axes, (name, above) in zip(grid.flat, titles.items(), strict=True):
        for number, (part, columns) in enumerate(parts.items()):
            colour, dashes = COLOURS[number % len(COLOURS)], ("-", "--", ":")[number // len(COLOURS) % 3]
            axes.plot(columns["samples"], columns[name], dashes, color=colour, label=part, linewidth=1.2)
        axes.set_title(above, fontsize=10, loc="left")
        if name in dashed:
            axes.axhline(dashed[name], color=GREY, linewidth=1.2, linestyle="--")
        axes.set_ylim(0, 1 if name in SCORES else None)
    for axes in grid[1]:
        axes.set_xlabel("samples", color=GREY)
        count_env_steps(axes)
    grid[0, 0].legend(frameon=False, fontsize=9, ncols=2, title="part", title_fontsize=9)
    return figure


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunDataError(f"cannot read {path}: {error.strerror}; name a folder that has it") from error
