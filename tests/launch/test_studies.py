"""The studies from training to table and figures, as small as they can be: results mean nothing here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

STUDIES = Path(__file__).parents[2] / "launch" / "studies"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a minute on two cores that have nothing else to do


def run(script, folder, *words):
    """Its output; outside the project's folder, whose tables and figures stay as they are."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(STUDIES / script), *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tables(markdown):
    """Each table as its rows, first cell to the others; of a number with an interval the number."""
    found = re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE)
    cells = [[line.strip("|").split("|") for line in table.splitlines()[2:]] for table in found]
    return [{first.strip(): [cell.split("[")[0].strip() for cell in rest] for first, *rest in rows} for rows in cells]


def assert_shows_something(png):
    pixels = imread(png)
    assert min(pixels.shape[:2]) > 100 and np.ptp(pixels[..., :3]) > 0.5


def test_the_collapse_study(tmp_path):
    run("collapse.py", tmp_path, "--smoke", "--work", "work", "--out", "out")
    written = (tmp_path / "out" / "collapse_table.md").read_text()
    run("collapse.py", tmp_path, "--redraw", "--work", "work", "--out", "again")
    assert (tmp_path / "again" / "collapse_table.md").read_text() == written, "also the updates of the axes are read"
    (tmp_path / "work" / "IMPALA-fixed_temperature.npz").unlink()
    output = run("collapse.py", tmp_path, "--smoke", "--missing", "--work", "work", "--out", "whole")
    assert re.findall("^(.*): .* settings, done", output, re.MULTILINE) == ["IMPALA, fixed temperature"]
    assert (tmp_path / "whole" / "collapse_table.md").read_text() == written
    scores, found_far = tables((tmp_path / "out" / "collapse_table.md").read_text())
    arms = [path.stem.replace("-", ", ", 1).replace("_", " ") for path in (tmp_path / "work").glob("*.npz")]
    assert len(arms) >= 5 and set(arms) == {name for name in scores if not name.endswith("oracle")}
    assert list(scores) == list(found_far)
    for name in arms:
        with np.load(tmp_path / "work" / (name.replace(", ", "-").replace(" ", "_") + ".npz")) as history:
            points, settings, tasks, seeds = history["greedy"].shape
            assert (points, tasks, seeds) == (2, 6, 2) and np.isfinite(history["greedy"]).all()
            np.testing.assert_allclose(history["histogram"].sum(-1), 1.0, rtol=1e-4)
        assert (f"{name}, oracle" in scores) == (settings > 1)
        if settings > 1:
            assert float(scores[f"{name}, oracle"][2]) >= float(scores[name][2]), "chosen by the mean, task by task"
    shares = {float(share) for row in found_far.values() for share in row}
    assert shares <= {0.0, 0.5, 1.0}, "of two seeds"
    figures = {path.name: path for path in (tmp_path / "out" / "images").iterdir()}
    assert set(figures) == {
        "collapse.png", "collapse_entropy.png", "collapse_intervals.png", "collapse_settings.png",
    }  # fmt: skip
    for figure in figures.values():
        assert_shows_something(figure)


def test_the_drift_of_the_bandits(tmp_path):
    output = run("bandit_drift.py", tmp_path, "--episodes", "200", "--seeds", "2", "--out", "images/drift.png")
    (regrets,) = tables(output)
    assert list(regrets) == ["250", "500", "1000", "2000", "4000"]
    for mean, worst, best_fixed, at_random in (map(float, row) for row in regrets.values()):
        assert 0 <= best_fixed < mean <= worst <= 1 and mean < at_random
    assert_shows_something(tmp_path / "images" / "drift.png")


def test_the_pictures_at_the_top_of_the_readme(tmp_path):
    run("title_pictures.py", tmp_path, "votes", "cards", "speech", "--out", "out")
    drawn = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert drawn == ["title_cards.png", "title_speech.png", "title_votes.png"]
    for name in drawn:
        assert_shows_something(tmp_path / "out" / name)
