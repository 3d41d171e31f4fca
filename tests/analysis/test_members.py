"""A population's figures: each member in the colour of the value that it began with."""

from __future__ import annotations

import numpy as np
import pytest

from jaxrl.analysis.curves import RunDataError
from jaxrl.analysis.figures.members import STRIPES, final_figure, members_figure, read_members
from jaxrl.record.sinks import JsonlSink


def population(folder, rates, reports=4, late=()):
    """A run in which member i returns `10 i + report`, with learning rates that halve after the first report.

    Args:
        late: members without an episode at the first report.
    """
    sink = JsonlSink(folder / "metrics.jsonl")
    for report in range(reports):
        values = {"episode/return": 0.0}
        for i, rate in enumerate(rates):
            if not (report == 0 and i in late):
                values[f"member_{i}/episode/return"] = 10.0 * i + report
            values[f"member_{i}/hypers/learning_rate"] = rate * 0.5**report
        sink.write(100 * report, values)
    sink.close()
    return folder


def lines(figure):
    return figure.axes[0].lines


def test_what_is_read(tmp_path):
    members = read_members(population(tmp_path, [1e-3, 1e-2, 1e-1], late=[1]))
    assert [curve.value.tolist() for curve in members.curves] == [[0, 1, 2, 3], [11, 12, 13], [20, 21, 22, 23]]
    assert members.curves[1].env_steps.tolist() == [100, 200, 300]
    np.testing.assert_allclose(members.hypers["learning_rate"], [1e-3, 1e-2, 1e-1])


def test_equal_values_have_one_colour(tmp_path):
    figure = members_figure(population(tmp_path, [1e-3, 1e-2, 1e-3]))
    colours = [tuple(line.get_color()) for line in lines(figure)]
    assert colours[0] == colours[2] != colours[1]
    figure.canvas.draw()
    bar = figure.axes[1]
    assert [label.get_text() for label in bar.get_yticklabels()] == ["0.001", "0.01"]
    assert bar.get_ylabel() == "learning rate"


def test_many_values_are_a_continuous_bar(tmp_path):
    rates = np.geomspace(1e-4, 1e-1, STRIPES + 1)
    figure = members_figure(population(tmp_path, rates.tolist()))
    figure.canvas.draw()
    assert len({tuple(line.get_color()) for line in lines(figure)}) == STRIPES + 1
    assert figure.axes[1].get_yscale() == "log"


def test_hyper_parameters_that_move_can_be_drawn(tmp_path):
    figure = members_figure(population(tmp_path, [1e-3, 1e-2]), "hypers/learning_rate")
    figure.canvas.draw()
    assert figure.axes[0].get_yscale() == "log"
    np.testing.assert_allclose(lines(figure)[0].get_ydata(), 1e-3 * 0.5 ** np.arange(4))


def test_the_end_against_the_beginning(tmp_path):
    figure = final_figure(population(tmp_path, [1e-3, 1e-1, 1e-3]), title="end")
    figure.canvas.draw()
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.collections[0].get_offsets(), [[1e-3, 3], [1e-1, 13], [1e-3, 23]])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [13, 13], err_msg="means of the members with one value")
    assert axes.get_xscale() == "log" and figure.get_suptitle() == "end"


def test_seeds_alone_are_told_apart_by_number(tmp_path):
    sink = JsonlSink(tmp_path / "metrics.jsonl")
    sink.write(100, {f"member_{i}/episode/return": float(i) for i in range(3)})
    sink.close()
    assert members_figure(tmp_path).axes[1].get_ylabel() == "member"
    final_figure(tmp_path).canvas.draw()
    with pytest.raises(RunDataError, match="does not vary"):
        members_figure(tmp_path, by="learning_rate")
    with pytest.raises(RunDataError, match="no metric 'policy/entropy'"):
        members_figure(tmp_path, "policy/entropy")


def test_a_single_run_is_no_population(tmp_path):
    sink = JsonlSink(tmp_path / "metrics.jsonl")
    sink.write(100, {"episode/return": 1.0})
    sink.close()
    with pytest.raises(RunDataError, match="is no population"):
        members_figure(tmp_path)
