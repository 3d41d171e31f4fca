"""What notebook 05 shows of a folder of `jaxrl speech`: tables and figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxrl.analysis.figures.style import COLOURS, GREY, canvas, panels
from jaxrl.speech.fitting import curve_of, curves_of
from jaxrl.speech.sound.gallery import Shown, curves, picture, radar
from jaxrl.speech.sound.waves import read_wave
from jaxrl.speech.speech_error import SpeechError

ARMS = ("group", "impala", "casa", "words")
RISES = ("sampled_score_rise", "sampled_recogniser_cer_rise", "sampled_attribute_in_wave_rise")
UNITS = {"rate": "times", "pitch": "semitones", "loudness": "dB", "spread": "semitones", "voicing": "share"}


@dataclass(frozen=True)
class Rows:
    """A table: a caption, and lines of a name and a value."""

    caption: str
    lines: tuple[tuple[str, str], ...]

    def _repr_html_(self) -> str:
        body = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in self.lines)
        return f"<p>{escape(self.caption)}</p><table>{body}</table>"


def report_table(run: Path, stage: str, *names: str) -> Rows:
    """Some figures of a stage's report; a name such as `resynthesis.flow.wer` leads into its parts."""
    report = _json(run / stage / "report.json")
    return Rows(f"{stage}/report.json", tuple((name, _short(_inside(report, name))) for name in names))


def arms_table(run: Path) -> Rows:
    """Unseen prompts under the supervised policy and after each arm, in the first seed; and over several seeds by how
    much what is trained and what is not got better, with 95 % intervals."""
    report = _json(run / "rl" / "report.json")
    told = {"supervised": report["supervised"], **report["arms"]}
    names = ("sampled_score", "sampled_error", "score", "content", "attribute", "spread", "recogniser_cer")
    lines = [(name, ", ".join(f"{part} {_short(of.get(part))}" for part in names)) for name, of in told.items()]
    for name, arm in report["arms"].items():
        rises = [f"{part[:-5]} {arm[part][0]:+.3f} +- {arm[part][1]:.3f}" for part in RISES if part in arm]
        lines += [(f"{name}, better by", ", ".join(rises))] if rises else []
    return Rows("rl/report.json, unseen prompts", tuple(lines))


def spectrogram_figure(run: Path, pattern: str = "decoder/waves/0-*.wav") -> Figure:
    """Waves of a run that fit a pattern, originals first: by default an unseen utterance, and the same after tokens."""
    paths = sorted(run.glob(pattern), key=lambda path: ("original" not in path.stem, path.stem))
    waves = [(path.stem, read_wave(path)) for path in paths]
    figure = picture([Shown(title, wave, np.zeros(0)) for title, wave in waves])
    figure.set_dpi(50)  # spectrograms are noise to a PNG: at the usual size they would be most of a notebook
    return figure


def training_figure(run: Path) -> Figure:
    """What the policy learnt under supervision, and what of it holds for unseen sentences."""
    lines = curve_of(run / "policy" / "teacher")
    return curves(lines, [(name, f"valid_{name}") for name in ("text", "speech", "right")])


def arms_figure(run: Path, names: Sequence[str] = ("score", "content", "spread", "kl")) -> Figure:
    """Curves of all arms."""
    figure = curves(curves_of(run / "rl", ARMS, names), [[f"{arm}: {name}" for arm in ARMS] for name in names])
    figure.set_dpi(80)  # a notebook must stay small
    return figure


def control_figure(run: Path, part: str = "group") -> Figure:
    """What tags asked for against what the meters heard, attribute by attribute."""
    controls = _json(run / "suite" / part / "suite.json")["controls"]
    figure = canvas((3 * len(UNITS), 3))
    for axis, (name, unit) in zip(panels(figure, 1, len(UNITS))[0], UNITS.items(), strict=True):
        some = [(line["asked"], line["heard"]) for line in controls if line["attribute"] == name]
        axis.plot([asked for asked, _ in some], [heard for _, heard in some], "o", color=COLOURS[0], alpha=0.5)
        ends = [value for pair in some for value in pair] or [0.0, 1.0]
        axis.plot([min(ends), max(ends)], [min(ends), max(ends)], ":", color=GREY)
        axis.set(xlabel="asked", ylabel="heard")
        axis.set_title(f"{name}, {unit}", fontsize=10, loc="left")
    return figure


def axes_figure(run: Path, parts: Sequence[str] = ("teacher", "group")) -> Figure:
    """The suite's axes of several policies, with chance and text alone."""
    return radar({part: _json(run / "suite" / part / "suite.json")["axes"] for part in parts})


def suite_table(run: Path, part: str = "group") -> Rows:
    """Every row of the suite."""
    rows = _json(run / "suite" / part / "suite.json")["rows"]
    lines = (
        (
            f"{row['axis']}: {row['name']}",
            f"{row['score']:.2f}, chance {row['chance']:.2f}, text only {row['twin']:.2f}",
        )
        for row in rows
    )
    return Rows(f"suite/{part}", tuple(lines))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SpeechError(f"{path} cannot be read; run `jaxrl speech` to its end") from None


def _inside(report: Any, name: str) -> Any:
    for part in name.split("."):
        report = report.get(part) if isinstance(report, dict) else None
    return report


def _short(value: Any) -> str:
    return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
