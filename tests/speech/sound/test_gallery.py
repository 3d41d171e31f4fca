"""Figures of speech have the project's look, and a legend hides no curve."""

from typing import Any

from jaxrl.analysis.figures.style import COLOURS
from jaxrl.speech.sound.gallery import curves, radar

NAMES = ("group: score", "impala: score", "casa: score", "words: score")


def test_legends_stand_above_their_panel_and_colours_are_the_projects():
    lines = [{"step": step, **{name: step * (1 + i) for i, name in enumerate(NAMES)}} for step in range(5)]
    figure = curves(lines, [NAMES, NAMES[:1], ("never told",)])
    canvas: Any = figure.canvas
    canvas.draw()
    for axes in figure.axes:
        legend = axes.get_legend()
        assert legend is not None and legend.get_window_extent().y0 >= axes.get_window_extent().y1 - 1
        assert [line.get_color() for line in axes.lines] == list(COLOURS[: len(axes.lines)])
    assert [len(axes.lines) for axes in figure.axes] == [4, 1, 1]


def test_policies_have_colours_and_what_they_are_compared_with_is_grey():
    told = {axis: {"score": 0.5, "chance": 0.1, "twin": 0.7} for axis in ("speaking", "tools", "voice")}
    plot: Any = radar({"teacher": told, "group": told}).axes[0]
    drawn = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in plot.lines}
    assert [drawn[name][0] for name in ("teacher", "group")] == list(COLOURS[:2])
    assert drawn["chance"][0] == drawn["text only"][0] not in COLOURS and drawn["chance"][1] != drawn["text only"][1]
