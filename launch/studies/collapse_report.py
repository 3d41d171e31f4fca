"""Tables and figures of `launch/studies/collapse.py`.

A run's score is `(G - near) / (far - near)` of its greedy policy's return G at the end: 0 where it is stuck with the
near reward, 1 where it has found the far one; the greedy policy, because it asks no arm to give up its exploration. A
tuned arm appears twice: with the one setting whose IQM over all tasks is best, and as an oracle that may choose anew
for each task. Both choices are made on the very runs that are scored, which favours the tuned arms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxrl.analysis.figures.intervals import interval_figure
from jaxrl.analysis.figures.style import COLOURS, GREY, banded, canvas, few_ticks, panels, save
from jaxrl.analysis.figures.wording import spaced
from jaxrl.analysis.statistics import bootstrap, iqm, mean, probability_of_improvement, summarise
from jaxrl.analysis.tables import Table

MECHANISM = "CASA, bandit temperature"
MAX_X = float(np.log(51))
INVERSE = np.array([0, 0.5, 2, 5, 15, 50])  # ticks of 1/temperature, where space is even in log(1 + it)
INVERSE_WIDE = (0, 0.5, 1, 2, 5, 10, 20, 50)  # the same in a wide panel
MOST_SETTINGS = 18  # beside each other, so that their numbers can be read at page width


class Entry(NamedTuple):
    """A line of the table: one arm with its settings chosen."""

    chosen: list[int]  # the setting's number on each task
    setting: str
    score: np.ndarray  # [seeds, tasks]
    acting: np.ndarray  # [seeds, tasks], return over far of the last episodes
    collapsed: np.ndarray  # bool [seeds, tasks]


def write(
    histories: Mapping[str, Any],
    arms: Mapping[str, Any],
    tasks: Sequence[tuple[float, float]],
    per_point: int,
    head: tuple[np.ndarray, ...],
    out: Path,
) -> None:
    """`collapse_table.md` and `images/collapse*.png` in `out`."""
    entries = {}
    for name, history in histories.items():
        entries |= entries_of(name, history, arms[name], tasks)
    text = f"{main_table(entries).markdown()}\n{task_table(entries, tasks).markdown()}"
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "collapse_table.md").write_text(text, encoding="utf-8")
    print(text)
    summaries = {name: summarise(entry.score) for name, entry in entries.items()}
    title = "Score of the greedy policy at the end: 0 is stuck with the near reward, 1 is the far one"
    figures = {
        "collapse_intervals": interval_figure(summaries, protocol=None, title=title, score="score"),
        "collapse": course_figure(histories, entries, tasks, per_point),
        "collapse_settings": settings_figure(histories, arms, tasks),
        "collapse_entropy": entropy_figure(*head),
    }
    for name, figure in figures.items():
        save(figure, out / "images" / f"{name}.png")


# Numbers


def entries_of(name: str, history: Any, arm: Any, tasks: Sequence[tuple[float, float]]) -> dict[str, Entry]:
    """The arm with its best single setting and, where there are several, as an oracle."""
    scores = score_of(history.greedy[-1], tasks)  # [settings, tasks, seeds]
    stuck = (history.entropy[-1] < 0.1) & (scores < 0.5)
    count = range(len(tasks))

    def entry(chosen: list[int], setting: str) -> Entry:
        pick = [np.stack([x[s, t] for s, t in zip(chosen, count, strict=True)], -1) for x in
                (scores, history.acting[-1], stuck)]  # fmt: skip
        return Entry(chosen, setting, *pick)

    ranked = sorted(range(len(scores)), key=lambda s: (iqm(scores[s].T), scores[s].mean()))
    best = ranked[-1]
    found = {name: entry([best] * len(tasks), words({key: arm.settings[best][key] for key in tried(arm)}))}
    if len(scores) > 1:
        per_task = [int(np.argmax(scores[:, t].mean(-1))) for t in count]
        found[f"{name}, oracle"] = entry(per_task, "the best for each task")
    return found


def score_of(greedy: np.ndarray, tasks: Sequence[tuple[float, float]]) -> np.ndarray:
    """Scores from returns over `far` [settings, tasks, seeds]."""
    ratio = np.array([near / far for near, far in tasks])[:, None]
    return (greedy - ratio) / (1 - ratio)


def tried(arm: Any) -> list[str]:
    """The hyper-parameters of which an arm has several values."""
    return [key for key, values in arm.tuned.items() if len(values) > 1]


def words(setting: Mapping[str, float]) -> str:
    """A setting as a person writes it."""
    return ", ".join(f"{spaced(name)} {value:g}" for name, value in setting.items()) or "nothing to tune"


def main_table(entries: Mapping[str, Entry]) -> Table:
    """Scores over all tasks and seeds."""
    reference = entries[MECHANISM]
    rows = [
        {
            "arm": name,
            "setting": entry.setting,
            "IQM": bootstrap(iqm, entry.score),
            "mean": bootstrap(mean, entry.score),
            "collapsed": float(entry.collapsed.mean()),
            "acting return / far": bootstrap(iqm, entry.acting),
            "P(CASA, bandit > this)": None
            if name == MECHANISM
            else probability_of_improvement(reference.score, entry.score),
        }
        for name, entry in entries.items()
    ]
    runs, tasks = reference.score.shape
    caption = (
        f"{runs} seeds x {tasks} tasks. Score of the greedy policy at the end: 0 is stuck with the near reward, 1 is "
        "the far one. In brackets 95 % stratified-bootstrap intervals. Collapsed: share of the runs whose behaviour "
        "has less than 0.1 nats of entropy and whose greedy policy takes the near reward."
    )
    decimals = {"IQM": 2, "mean": 2, "collapsed": 2, "acting return / far": 2, "P(CASA, bandit > this)": 2}
    return Table(caption, rows, decimals)


def task_table(entries: Mapping[str, Entry], tasks: Sequence[tuple[float, float]]) -> Table:
    """Share of seeds that found the far reward, task by task."""
    columns = [task_name(near, far) for near, far in tasks]
    rows = [
        {"arm": name} | dict(zip(columns, map(float, (entry.score > 0.5).mean(0)), strict=True))
        for name, entry in entries.items()
    ]
    caption = "Share of the seeds whose greedy policy takes the far reward at the end."
    return Table(caption, rows, dict.fromkeys(columns, 2))


# Figures


def course_figure(
    histories: Mapping[str, Any], entries: Mapping[str, Entry], tasks: Sequence[tuple[float, float]], per_point: int
) -> Figure:
    """Return, entropy and the mechanism's temperatures over time, a column per task."""
    figure = canvas((10.5, 8.0), "What acts: its return, its entropy, and the temperatures that the bandits chose")
    grid = panels(figure, 3, len(tasks), sharex=True, sharey="row")
    points = histories[MECHANISM].acting.shape[0]
    updates = per_point * np.arange(1, points + 1)
    for t, (near, far) in enumerate(tasks):
        top, middle, bottom = grid[:, t]
        for (name, history), colour in zip(histories.items(), COLOURS, strict=False):
            setting = entries[name].chosen[t]
            for axes, values in ((top, history.acting), (middle, history.entropy)):
                course(axes, updates, values[:, setting, t], colour, f"{name}, {entries[name].setting}")
        top.axhline(near / far, color=GREY, linestyle=":", linewidth=1.2, label="the near reward")
        top.set_title(task_name(near, far).replace(", ", "\n"), loc="left", fontsize=10)
        shares = histories[MECHANISM].histogram[:, 0, t].mean(1)  # [points, BINS]
        extent = (0, updates[-1], 0, MAX_X)
        bottom.imshow(np.sqrt(shares.T), origin="lower", aspect="auto", extent=extent, cmap="Blues")
        bottom.grid(False)
        few_ticks(bottom, 2)
    top, middle, bottom = grid[:, 0]
    top.set(ylim=(0, 1.05), ylabel="return / far")
    middle.set(ylim=(0, 1.15), ylabel="entropy, nats")
    bottom.set_ylabel("1 / temperature\nof CASA's bandits")
    bottom.set_yticks(np.log1p(INVERSE), [f"{value:g}" for value in INVERSE])
    for axes in grid[-1]:
        axes.set_xlabel("updates")
    handles, labels = top.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False, fontsize=9, alignment="left",
                  title="line: mean of the seeds; band of the first: its quartiles; temperatures: the darker, the more "
                  "of its steps", title_fontsize=9)  # fmt: skip
    return figure


def course(axes: Axes, x: np.ndarray, values: np.ndarray, colour: str, label: str) -> None:
    """Mean over the seeds [points, seeds]; the mechanism's between their quartiles, for six bands hide each other."""
    middle = values.mean(1)
    low, high = np.quantile(values, [0.25, 0.75], axis=1) if label.startswith(MECHANISM) else (middle, middle)
    banded(axes, x, middle, low, high, colour, linewidth=1.6, label=label)


def settings_figure(
    histories: Mapping[str, Any], arms: Mapping[str, Any], tasks: Sequence[tuple[float, float]]
) -> Figure:
    """Share of seeds that found the far reward: every setting on every task."""
    rows: list[list[str]] = [[]]
    for name in sorted(histories, key=lambda name: len(arms[name].settings)):  # as many as fit beside each other
        if sum(len(arms[other].settings) for other in [*rows[-1], name]) > MOST_SETTINGS:
            rows.append([])
        rows[-1].append(name)
    figure = canvas((10.5, 0.7 + 2.6 * len(rows)), "Share of the seeds whose greedy policy takes the far reward")
    bands: Any = figure.subfigures(len(rows), 1, squeeze=False)
    for band, names in zip(bands[:, 0], rows, strict=True):
        widths = [max(3, len(arms[name].settings)) for name in names]  # of 3 the title is as wide
        grid = panels(band, 1, len(names), sharey=True, width_ratios=widths)[0]
        for axes, name in zip(grid, names, strict=True):
            share = (score_of(histories[name].greedy[-1], tasks) > 0.5).mean(-1).T  # [tasks, settings]
            axes.imshow(share, vmin=0, vmax=1, cmap="Blues", aspect="auto")
            for (t, s), value in np.ndenumerate(share):
                axes.text(s, t, short(round(value, 1)), ha="center", va="center", fontsize=9,
                          color="white" if value > 0.6 else "black")  # fmt: skip
            keys = tried(arms[name])
            settings = ["\n".join(short(setting[key]) for key in keys) for setting in arms[name].settings]
            axes.grid(False)
            axes.set_xticks(range(len(settings)), settings, fontsize=8.5)
            axes.set_xlabel(" above ".join(map(spaced, keys)) or "nothing to tune", color=GREY, fontsize=9)
            axes.set_title(name.replace(", ", ":\n").replace(" temp", "\ntemp"), fontsize=10, loc="left")
        grid[0].set_yticks(range(len(tasks)), [task_name(near, far) for near, far in tasks])
    return figure


def task_name(near: float, far: float) -> str:
    """`far 10, near 3`."""
    return f"far {far:g}, near {near:g}"


def short(number: float) -> str:
    """Without the zero before the point, so that many fit beside each other."""
    text = f"{number:g}"
    return text[1:] if text.startswith("0.") else text


def entropy_figure(place: np.ndarray, temperature: np.ndarray, log_mu: np.ndarray) -> Figure:
    """Entropy that acted, one dot a row, on the closed form of its place.

    `A = temperature log mu` up to a constant, from one row of the place alone, and then for every temperature
    `H = log n - integral from temperature to infinity of Var_pi(A) / t^3 dt`.
    """
    figure = canvas((8.5, 4.8), "Entropy of what a trained CASA agent does, and the closed form")
    axes = panels(figure, 1, 1)[0, 0]
    measured = -np.sum(np.exp(log_mu) * log_mu, -1)
    inverse = np.linspace(0, 51, 5101)
    for number, colour in zip(np.unique(place), COLOURS, strict=False):
        here = np.flatnonzero(place == number)
        one = here[np.argsort(temperature[here])[len(here) // 2]]
        curve = closed_form(temperature[one] * log_mu[one].astype(np.float64), inverse)
        axes.plot(inverse, curve, color=colour, linewidth=1.5, label=f"place {number} of the corridor")
        axes.plot(1 / temperature[here], measured[here], ".", color=colour, markersize=7, alpha=0.7)
    axes.set_xscale("function", functions=(np.log1p, np.expm1))
    axes.set(xlabel="1 / temperature", ylabel="entropy, nats", xlim=(0, 51))
    axes.set_xticks(INVERSE_WIDE, [f"{value:g}" for value in INVERSE_WIDE])
    axes.legend(frameon=False, title="line: closed form; dots: steps that acted", alignment="left")
    return figure


def closed_form(advantages: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Entropy of `softmax(inverse A)` from `dH/d inverse = -inverse Var_pi(A)`, which is `dH/dt = Var_pi(A)/t^3`."""
    logits = inverse[:, None] * advantages
    policy = np.exp(logits - logits.max(-1, keepdims=True))
    policy /= policy.sum(-1, keepdims=True)
    average = policy @ advantages
    slope = -inverse * np.sum(policy * np.square(advantages - average[:, None]), -1)
    steps = 0.5 * (slope[1:] + slope[:-1]) * np.diff(inverse)
    return np.log(advantages.size) + np.concatenate([[0.0], np.cumsum(steps)])
