"""A page of HTML that needs no other file: headings, paragraphs, tables, figures inside it as PNG.

The figures are also written beside it, into `figures/`, for papers and slides, and the tables as Markdown, into
`tables.md`.
"""

from __future__ import annotations

import base64
import io
import re
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from jaxrl.analysis.figures.style import DPI
from jaxrl.analysis.tables import Table
from jaxrl.record.files import replace_text, replacing

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; color: #202124; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2em; border-bottom: 1px solid #e4e4e4; padding-bottom: .2em; }
table { border-collapse: collapse; font-size: 12.5px; }
th, td { padding: .25em .5em; border-bottom: 1px solid #e4e4e4; text-align: left; }
th { vertical-align: bottom; } td.number { white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; } pre { background: #f6f6f6; padding: .8em; overflow-x: auto; font-size: 13px; }
p.note { color: #5f6368; }
"""


class Page:
    """Filled from the top down."""

    def __init__(self, title: str):
        self._title = title
        self._parts = [f"<h1>{escape(title)}</h1>"]
        self._pictures: dict[str, bytes] = {}  # file name to PNG
        self._tables: dict[str, list[Table]] = {}  # by the heading above them
        self._section = title

    def heading(self, text: str) -> None:
        self._section = text
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def paragraph(self, text: str, note: bool = False) -> None:
        self._parts.append(f"<p{' class=note' if note else ''}>{escape(text)}</p>")

    def code(self, text: str) -> None:
        self._parts.append(f"<pre>{escape(text)}</pre>")

    def table(self, table: Table) -> None:
        self._tables.setdefault(self._section, []).append(table)
        self._parts.append(f"<p class=note>{escape(table.caption)}</p>{table.html(number=' class=number')}")

    def figure(self, figure: Figure, description: str) -> None:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
        self._pictures[f"{re.sub(r'[^a-z0-9]+', '_', description.lower())}.png"] = buffer.getvalue()
        text = base64.b64encode(buffer.getvalue()).decode()
        self._parts.append(f'<p><img alt="{escape(description)}" src="data:image/png;base64,{text}"></p>')

    def write(self, path: Path) -> Path:
        """Replace the files one by one, each in one step, so that a reader never finds half of one; returns `path`.

        Raises:
            RunDirError: the disk is full, or the folder may not be written to.
        """
        body = "\n".join(self._parts)
        head = f'<meta charset="utf-8"><title>{escape(self._title)}</title><style>{STYLE}</style>'
        page = f'<!doctype html><html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'
        replace_text(path, page)
        replace_text(path.with_name("tables.md"), self._markdown())
        for name, data in self._pictures.items():
            with replacing(path.parent / "figures" / name) as scratch:
                scratch.write_bytes(data)
        return path

    def _markdown(self) -> str:
        """All tables below their headings."""
        parts = [f"# {self._title}\n"]
        for section, tables in self._tables.items():
            parts += [f"## {section}\n", *(table.markdown() for table in tables)]
        return "\n".join(parts)
