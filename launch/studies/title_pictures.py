"""The four pictures at the top of the README, from what is recorded: `python launch/studies/title_pictures.py`.

They are small: two stand beside each other on a page, so each has one message, few ticks and large words.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import bandit_drift
import imageio_ffmpeg
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, PercentFormatter

from jaxrl.analysis.archives import unpacked
from jaxrl.analysis.figures.style import COLOURS, GREY, canvas, few_ticks, panels, save
from jaxrl.run.spectate import spectate
from jaxrl.speech.sound.waves import read_wave

EVIDENCE = Path(__file__).parents[2] / "docs" / "evidence"
SIZE = (5.0, 3.3)
CHAMPION = "abeij"  # parts of champion.csv, each from the parameters of the one before: docs/evidence/locm.md
UNPLAYED = ("0.5", "0.5")  # what a part has before its first match
# From the seventh second, twelve pictures a second for eight, the game without its caption, in colours of its own.
CUT = ("-ss", "7", "-t", "8")
FILTER = "fps=12,crop=320:420:50:0,scale=-1:280,split[a][b];[a]palettegen=max_colors=16[p];[b][p]paletteuse=dither=none"


def pong(path: Path) -> None:
    """A few seconds of `jaxrl watch zoo:pong`."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder, "pong.mp4")
        spectate("zoo:pong", video=film, overrides=["--seed", "0"])
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *CUT, "-i", str(film)]
        subprocess.run([*command, "-filter_complex", FILTER, str(path)], check=True)


def votes() -> Figure:
    """The temperatures that the vote drew while the best one drifted."""
    period = bandit_drift.PERIODS[-2]
    figure = canvas(SIZE)
    axes = panels(figure, 1, 1)[0, 0]
    result = bandit_drift.run(episodes=2 * period, seeds=1)
    episode = np.arange(2 * period)
    axes.plot(episode, result.x[-2, 0], ".", ms=2.5, color=COLOURS[0], alpha=0.5)
    axes.plot(episode, bandit_drift.best(episode, period), color=COLOURS[1], lw=2.5)
    _words(axes, "a best temperature that drifts", "what the votes drew")
    axes.set_yticks(np.log1p([0, 1, 5, 20, 50]), ["hottest", "", "", "", "coldest"])
    axes.set_xlabel("episode")
    few_ticks(axes, 4)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    return figure


def cards() -> Figure:
    """Games that the card game's policy won while it learnt from games with itself, its past and two scripts."""
    with (EVIDENCE / "results" / "locm" / "champion.csv").open(encoding="utf-8") as file:
        every = [row for row in csv.DictReader(file) if row["part"] in CHAMPION]
    rows = [row for row in every if (row["against_greedy"], row["against_scored"]) != UNPLAYED]
    samples = [int(row["samples_before"]) + int(row["samples_of_part"]) for row in rows]
    figure = canvas(SIZE)
    axes = panels(figure, 1, 1)[0, 0]
    for script, colour in zip(("greedy", "scored"), (COLOURS[1], COLOURS[0]), strict=True):
        axes.plot(samples, [float(row[f"against_{script}"]) for row in rows], color=colour, lw=2)
    axes.axhline(0.5, color=GREY, linestyle=":", linewidth=1)
    _words(axes, "games won against the script greedy", "against scored, the stronger script")
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    few_ticks(axes, 4)
    axes.set_xlabel("actions learnt from")
    return figure


def speech() -> Figure:
    """A sentence, and what its tokens are decoded to."""
    waves = unpacked(EVIDENCE / "speech" / "tiny.tar.gz") / "decoder" / "waves"
    figure = canvas(SIZE)
    column = panels(figure, 2, 1, sharex=True)[:, 0]
    for axes, name, title in zip(
        column, ("original", "from-codes"), ("a sentence", "back from its tokens"), strict=True
    ):
        wave = read_wave(waves / f"1-{name}.wav")
        axes.specgram(np.asarray(wave, float) + 1e-6, NFFT=400, Fs=16_000, noverlap=240, cmap="magma", vmin=-140)
        axes.set_title(title, loc="left", fontsize=12)
        axes.set_yticks([0, 4000, 8000], ["0", "4", "8 kHz"])
        axes.grid(False)
        axes.set_xlim(0, len(read_wave(waves / "1-original.wav")) / 16_000)
    column[-1].set_xlabel("seconds")
    return figure


def _words(axes: Axes, *lines: str) -> None:
    """What is seen, above the axes in the colours of orange and blue things."""
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "fontsize": 12}
    for row, (words, colour) in enumerate(zip(lines, (COLOURS[1], COLOURS[0]), strict=True)):
        axes.annotate(words, (0, 1), (0, 24 - 18 * row), color=colour, fontweight="bold", **place)


def main() -> None:
    """Draw those that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=["pong", "votes", "cards", "speech"], help="all unless given")
    parser.add_argument("--out", type=Path, default=EVIDENCE / "images", metavar="DIR", help="default: %(default)s")
    options = parser.parse_args()
    if not options.names or "pong" in options.names:
        pong(options.out / "title_pong.gif")
    for draw in (votes, cards, speech):
        if not options.names or draw.__name__ in options.names:
            save(draw(), options.out / f"title_{draw.__name__}.png")


if __name__ == "__main__":
    main()
