"""Figures of self-play are drawn from what its commands write."""

import numpy as np
import pytest

from jaxrl.analysis.curves import RunDataError
from jaxrl.analysis.figures.matches import matrix_figure, plot_gaps, responses_figure
from jaxrl.analysis.figures.style import save

MATRIX = {"games": 8, "names": ["member 1", "last"], "shares": [[0.5, 0.1], [0.9, 0.5]]}


def test_figures(tmp_path):
    rows = [{"env_steps": 1000 * k, "share": k / 9, "games": 20 * k} for k in range(1, 9)]
    responses = {"run": "a", "start": "from scratch", "seeds": [rows, rows[:3], []]}
    gaps = {"RPS": {"fp": np.array([2.0, 1.0, 0.0])}, "biased": {"fp": np.ones(5)}}
    for path in (
        save(matrix_figure(MATRIX), tmp_path / "m.png"),
        save(responses_figure(responses), tmp_path / "r.png"),
        plot_gaps(gaps, tmp_path / "g.png"),
    ):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_figure_is_a_picture(tmp_path):
    with pytest.raises(RunDataError, match="must end in one of"):
        save(matrix_figure(MATRIX), tmp_path / "m.txt")
