"""One door for notebooks: every name is there, and loads no more than it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import jaxrl.analysis


def test_every_name_is_there_once():
    names = " ".join(jaxrl.analysis._NAMES.values()).split()
    assert len(set(names)) == len(names) > 40
    for name in names:
        assert getattr(jaxrl.analysis, name) is not None and name in dir(jaxrl.analysis)
    with pytest.raises(ImportError, match="no_such_name"):
        from jaxrl.analysis import no_such_name  # type: ignore  # noqa: F401


def test_reading_runs_loads_neither_matplotlib_nor_jax():
    code = (
        "import sys; from jaxrl.analysis import compare, find_runs, run_table, summaries\n"
        "assert not {'matplotlib', 'jax'} & set(sys.modules)\n"
        "from jaxrl.analysis import metrics_figure, moments_figure\n"
        "assert 'jax' not in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
