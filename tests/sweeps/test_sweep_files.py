"""Every sweep file of the project can be run as it is."""

from pathlib import Path

import pytest

from jaxrl.sweeps.expand import expand
from jaxrl.sweeps.sweep_file import read_sweep

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "configs" / "sweeps").rglob("*.yaml"), *(ROOT / "configs" / "reproduce").rglob("*.yaml")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT / "configs").as_posix())
def test_it_expands(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    runs = expand([read_sweep(path)])
    assert len(runs) == len({run.id for run in runs}) > 0
