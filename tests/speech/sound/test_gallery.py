"""Figures of speech have the project's look, and a legend hides no curve."""

from typing import Any

from matplotlib.figure import Figure

from jaxrl.analysis.figures.style import COLOURS
from jaxrl.speech.sound.gallery import curves, radar


def drawn(figure: Figure) -> Figure:
    canvas: Any = figure.canvas
    canvas.draw()
    return figure


def test_legends_stand_above_their_panel_and_colours_are_the_projects():
    names = ("text", "valid_text", "speech", "valid_speech")
    lines = [{"step": step, **{name: step * (1 + i) for i, name in enumerate(names)}} for step in range(5)]
    figure = drawn(curves(lines, [names, names[:2], ("never_told",)]))
    for axes in figure.axes:
        legend = axes.get_legend()
        assert legend is not None and legend.get_window_extent().y0 >= axes.get_window_extent().y1 - 1
        assert [line.get_color() for line in axes.lines] == list(COLOURS[: len(axes.lines)])
    assert [[line.get_label() for line in axes.lines] for axes in figure.axes] == [
        ["text, training", "text, unseen", "speech, training", "speech, unseen"],
        ["training", "unseen"],
        ["never told"],
    ]
    assert [axes.get_ylabel() for axes in figure.axes] == ["text and speech", "text", "never told"]


def test_arms_have_one_legend_below_all_panels():
    lines = [{"step": step, "group: score": 1.0, "casa: score": 2.0, "group: kl": 3.0} for step in range(5)]
    figure = drawn(curves(lines, [("group: score", "casa: score"), ("group: kl", "casa: kl")]))
    assert [axes.get_ylabel() for axes in figure.axes] == ["score", "KL"]
    assert not any(axes.get_legend() for axes in figure.axes)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["group", "casa"]
    assert legend.get_window_extent().y1 <= min(axes.get_window_extent().y0 for axes in figure.axes)


def test_policies_have_colours_and_what_they_are_compared_with_is_grey():
    told = {axis: {"score": 0.5, "chance": 0.1, "twin": 0.7} for axis in ("speaking", "tools", "voice")}
    plot: Any = radar({"teacher": told, "group": told}).axes[0]
    styles = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in plot.lines}
    assert [styles[name][0] for name in ("teacher", "group")] == list(COLOURS[:2])
    assert styles["chance"][0] == styles["text only"][0] not in COLOURS
    assert styles["chance"][1] != styles["text only"][1]
