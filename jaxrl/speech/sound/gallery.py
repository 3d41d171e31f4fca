"""Pages to look at and to listen to: waveforms, spectrograms with their pitch, and players."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jaxrl.analysis.figures.style import COLOURS, GREY, canvas, few_ticks, panels, style
from jaxrl.analysis.figures.wording import spaced
from jaxrl.record.files import replace_text, replacing
from jaxrl.speech.sound.features import spectra
from jaxrl.speech.sound.waves import RATE, wave_bytes

STYLE = "body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;color:#202124}"
STYLE += "img{max-width:100%}table{border-collapse:collapse;font-size:13px}td,th{padding:.25em .7em;text-align:left;"
STYLE += "border-bottom:1px solid #e4e4e4}"

NAMES = {"right": "share of right tokens", "kl": "KL"}  # of metrics whose key says too little


class Shown(NamedTuple):
    """A wave [N] in [-1, 1] with its title, and its pitch track in Hz every 5 ms."""

    title: str
    samples: np.ndarray
    f0: np.ndarray


def picture(shown: Sequence[Shown]) -> Figure:
    """Waveform and spectrogram of each, with F0 in blue."""
    figure = canvas((11, 2.6 * len(shown)))
    grid = panels(figure, len(shown), 2, width_ratios=(1, 2))
    for (left, right), one in zip(grid, shown, strict=True):
        seconds = len(one.samples) / RATE
        left.plot(np.arange(len(one.samples)) / RATE, one.samples, linewidth=0.3, color=GREY)
        left.set(xlim=(0, seconds), ylim=(-0.8, 0.8), ylabel="amplitude")
        left.set_title(one.title, fontsize=9, loc="left")
        decibels = 20 * np.log10(np.maximum(spectra(one.samples).T, 1e-4))
        limits = {"vmin": decibels.max() - 70, "vmax": decibels.max()}
        right.imshow(decibels, origin="lower", aspect="auto", extent=(0, seconds, 0, RATE / 2), cmap="magma", **limits)
        right.grid(False)
        right.set(xlim=(0, seconds), ylabel="Hz")
        if one.f0.size:
            pitch = right.twinx()
            style(pitch)
            pitch.grid(False)
            track = np.where(one.f0 > 0, one.f0, np.nan)
            pitch.plot(np.arange(len(one.f0)) * 0.005, track, color=COLOURS[5], linewidth=1.2)
            pitch.set(ylim=(50, 500), ylabel="F0 / Hz")
    for axis in grid[-1]:
        axis.set_xlabel("seconds")
    return figure


def write_gallery(path: Path, title: str, shown: Sequence[Shown], rows: Sequence[tuple[str, str]] = ()) -> Path:
    """One page that needs no other file, and its picture as a PNG beside it; returns `path`.

    Args:
        path: of the page, `.html`.
        title: its heading.
        shown: waves to see and hear.
        rows: of a table, name and value.
    """
    image = ""
    if shown:
        buffer = io.BytesIO()
        picture(shown).savefig(buffer, dpi=90)
        with replacing(path.with_suffix(".png")) as scratch:
            scratch.write_bytes(buffer.getvalue())
        image = f'<img alt="waveforms and spectrograms" src="data:image/png;base64,{_base64(buffer.getvalue())}">'
    table = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows)
    players = "".join(
        f'<p>{escape(one.title)}<br><audio controls src="data:audio/wav;base64,{sound}"></audio></p>'
        for one, sound in ((one, _base64(wave_bytes(one.samples))) for one in shown)
    )
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    body = f"<h1>{escape(title)}</h1><table>{table}</table>{image}{players}"
    replace_text(path, f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n')
    return path


def curves(lines: Sequence[Mapping[str, float]], names: Sequence[Sequence[str]]) -> Figure:
    """Curves over `step`; a legend above each panel, or a single one below where all panels have the same.

    Args:
        lines: of a curve file, in order.
        names: of what is drawn, for each panel: `METRIC`, `valid_METRIC` of unseen sentences, `ARM: METRIC`; a line
            may lack some.
    """
    columns = 2 if len(names) == 4 else min(len(names), 3)
    rows = -(-len(names) // columns)
    figure = canvas((4 * columns, 3.4 * rows))
    grid = panels(figure, rows, columns).ravel()
    for axis in grid[len(names) :]:
        axis.set_axis_off()
    legends = []
    for axis, shown in zip(grid, names, strict=False):
        told = [_in_words(name, shown) for name in shown]
        metrics = list(dict.fromkeys(metric for metric, _ in told))
        for name, (metric, whose), colour in zip(shown, told, COLOURS, strict=False):
            points = [(line["step"], line[name]) for line in lines if name in line]
            label = ", ".join(part for part in (metric if len(metrics) > 1 or not whose else "", whose) if part)
            axis.plot(*np.transpose(points or [(np.nan, np.nan)]), color=colour, label=label, linewidth=1.2)
        axis.set(xlabel="updates", ylabel=" and ".join(metrics))
        few_ticks(axis, 5)
        legends.append(axis.get_legend_handles_labels())
    if len({tuple(labels) for _, labels in legends}) == 1:
        figure.legend(*legends[0], loc="outside lower center", ncols=len(names[0]), frameon=False)
    else:
        for axis in grid[: len(names)]:
            axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8, frameon=False)
    return figure


def _in_words(name: str, shown: Sequence[str]) -> tuple[str, str]:
    """The metric, and whose it is: an arm's, of unseen sentences, or of those of training beside these."""
    arm, _, metric = name.rpartition(": ")
    if name.startswith("valid_"):
        arm, metric = "unseen", name.removeprefix("valid_")
    elif f"valid_{name}" in shown:
        arm = "training"
    return NAMES.get(metric, spaced(metric)), arm


def write_curve(path: Path, lines: Sequence[Mapping[str, float]], names: Sequence[Sequence[str]]) -> None:
    """`curves` as a PNG, in one step."""
    with replacing(path) as scratch, scratch.open("wb") as file:
        curves(lines, names).savefig(file, format="png", dpi=100)


def radar(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """Scores around a circle, by policy and axis: `score`, and with it `chance` and `twin`, in [0, 1]."""
    axes = list(dict.fromkeys(axis for told in scores.values() for axis in told))
    angles = np.linspace(0, 2 * np.pi, len(axes), endpoint=False)
    figure = canvas((6.4, 5.6))
    plot: Any = figure.add_subplot(projection="polar")
    plot.grid(True, color="#e4e4e4", linewidth=0.8)
    plot.tick_params(colors=GREY, labelsize=9)
    some = next(iter(scores.values()))
    rings = {name: {axis: told["score"] for axis, told in of.items()} for name, of in scores.items()}
    rings |= {name: {axis: told[name] for axis, told in some.items()} for name in ("chance", "twin")}
    for (name, values), colour in zip(rings.items(), [*COLOURS[: len(scores)], GREY, GREY], strict=True):
        drawn = [values.get(axis, 0.0) for axis in axes]
        style = {"chance": ":", "twin": "--"}.get(name, "-")
        label = {"twin": "text only"}.get(name, name)
        plot.plot([*angles, angles[0]], [*drawn, drawn[0]], style, color=colour, label=label, linewidth=1.5)
    plot.set_ylim(0, 1)
    plot.set_rlabel_position(180 / len(axes))  # between two axes
    plot.set_xticks(angles, axes)
    plot.tick_params(axis="x", pad=16)
    plot.spines["polar"].set_color(GREY)
    figure.legend(loc="outside lower center", ncols=len(rings), frameon=False)
    return figure


def write_radar(path: Path, scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """`radar` as a PNG, in one step."""
    with replacing(path) as scratch, scratch.open("wb") as file:
        radar(scores).savefig(file, format="png", dpi=100)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
