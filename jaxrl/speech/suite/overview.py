"""One page over all stages of a folder: their figures, their pictures, and players for their waves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from jaxrl.record.files import replace_text
from jaxrl.speech.sound.gallery import STYLE
from jaxrl.speech.speech_error import damaged

REPORT, PAGE = "report.json", "report.html"


def write_overview(folder: Path, stages: Sequence[str]) -> Path:
    """Write `folder/report.html`, which shows the files of the folder where they lie; returns its path."""
    parts = [_section(folder, name) for name in stages if (folder / name / REPORT).exists()]
    head = f'<meta charset="utf-8"><title>{escape(folder.name)}</title><style>{STYLE}</style>'
    body = f"<h1>Speech: {escape(folder.name)}</h1>{''.join(parts)}"
    replace_text(folder / PAGE, f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n')
    return folder / PAGE


def read_report(path: Path) -> dict[str, Any]:
    """The report of a stage, with its settings; raises `SpeechError` where it is none."""
    with damaged(path, "it and run again, what was trained is kept"):
        told = json.loads(path.read_text(encoding="utf-8"))
        return {"settings": told["settings"], **told}


def _section(folder: Path, name: str) -> str:
    told = read_report(folder / name / REPORT)
    told.pop("settings", None)
    rows = "".join(f"<tr><td>{escape(key)}</td><td>{escape(value)}</td></tr>" for key, value in _flat(told))
    own = folder / name
    pictures = "".join(
        f'<img alt="{escape(path.stem)}" src="{escape(path.relative_to(folder).as_posix())}">'
        for path in sorted([*own.glob("*.png"), *own.glob("*/*.png")])
    )
    players = "".join(
        f'<p>{escape(path.stem)}<br><audio controls src="{escape(path.relative_to(folder).as_posix())}"></audio></p>'
        for path in sorted([*own.glob("waves/*.wav"), *own.glob("*/waves/*.wav")])
    )
    page = f'<p><a href="{name}/page.html">page of its own</a></p>' if (own / "page.html").exists() else ""
    return f"<h2>{escape(name)}</h2><table>{rows}</table>{page}{pictures}{players}"


def _flat(told: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and value of every leaf that is no list."""
    for key, value in told.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key} / ")
        elif not isinstance(value, list):
            yield prefix + key, f"{value:.4g}" if isinstance(value, float) else str(value)
