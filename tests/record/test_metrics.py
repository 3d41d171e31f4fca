"""docs/metrics.md lists exactly the metrics that there are."""

from __future__ import annotations

import re
from pathlib import Path

from jaxrl.record.metrics import METRICS, table

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_docs_hold_the_table() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert table() in text, "run `python -m jaxrl.record.metrics` and put its output into docs/metrics.md"
    assert re.findall(r"^\| `(\w+/\w+)` \|", text, re.MULTILINE) == list(METRICS)


def test_each_metric_is_one_line() -> None:
    for name, metric in METRICS.items():
        assert re.fullmatch(r"[a-z]+/[a-z_]+", name)
        assert metric.unit and "\n" not in metric.meaning and "|" not in metric.meaning and metric.meaning.endswith(".")
