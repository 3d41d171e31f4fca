"""Hooks of MkDocs: what the site has beside docs/, and where links lead that leave it.

The README is its first page, each room of `jaxrl` is a page of the API, and a file of the repository that a page links
to is shown as a page of its own, so that the site needs no repository on the internet.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md"}
ROOMS = ("ops", "types", "agents", "networks", "envs", "runtime", "run", "analysis")
LINK = re.compile(r"(\]\()([^)\s:#]+)(#[^)\s]*)?(\))")
CODE = {".py": "python", ".yaml": "yaml", ".sh": "sh", ".ipynb": "json", ".toml": "toml"}
MOST_SHOWN = 60_000  # characters of a file


def on_config(config: Any) -> Any:
    """Pages that the navigation does not name stand under "More"."""
    listed = re.findall(r"[\w/]+\.md", str(config["nav"]))
    if more := [path.name for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in listed]:
        config["nav"].append({"More": more})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made from the rest of the repository."""
    from mkdocs.structure.files import File  # pyright: ignore[reportMissingImports]

    made = {target: (ROOT / source).read_text(encoding="utf-8") for source, target in PAGES.items()}
    made |= {f"reference/{room}.md": reference(room) for room in ROOMS}
    for path in sorted(linked()):
        made[shown_at(path)] = source_page(path)
    for target, content in made.items():
        files.append(File.generated(config, target, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links as they are on the site."""
    return rewritten(markdown, origin(page.file.src_uri))


def origin(page: str) -> str:
    """The path in the repository of a page of the site."""
    return next((source for source, target in PAGES.items() if target == page), f"docs/{page}")


def rewritten(markdown: str, source: str) -> str:
    """The text of the file `source` of the repository, its links leading to pages of the site."""
    here = posixpath.dirname(site_path(source))

    def lead(link: re.Match[str]) -> str:
        before, target, anchor, after = link.groups(default="")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if not (ROOT / path).exists():
            return link[0]
        return f"{before}{posixpath.relpath(site_path(path), here or '.')}{anchor}{after}"

    return LINK.sub(lead, markdown)


def site_path(path: str) -> str:
    """Where the site has a file of the repository."""
    if path in PAGES:
        return PAGES[path]
    inside = path.startswith("docs/") and (ROOT / path).is_file()
    return path.removeprefix("docs/") if inside else shown_at(path)


def shown_at(path: str) -> str:
    """The page that shows a file or folder outside docs/."""
    return f"source/{path}.md"


def linked() -> set[str]:
    """Files and folders that pages link to, and that are no pages."""
    found = set()
    for page in [*PAGES, *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md")))]:
        for link in LINK.finditer((ROOT / page).read_text(encoding="utf-8")):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link[2]))
            if (ROOT / path).exists() and site_path(path) == shown_at(path):
                found.add(path)
    return found | {str(path.relative_to(ROOT)) for each in found for path in _inside(ROOT / each)}


def source_page(path: str) -> str:
    """A page that shows a file, or lists a folder."""
    head = f"---\nsearch: {{exclude: true}}\n---\n\n# `{path}`\n\n"
    place = ROOT / path
    if place.is_dir():
        names = sorted(each.name for each in place.iterdir() if not each.name.startswith(("_", ".")))
        shown = {str(each.relative_to(ROOT)) for each in _inside(place)}
        leaf = posixpath.basename(path)
        lines = [f"- [`{name}`]({leaf}/{name}.md)" if f"{path}/{name}" in shown else f"- `{name}`" for name in names]
        return head + "\n".join(lines) + "\n"
    text = place.read_text(encoding="utf-8", errors="replace")[:MOST_SHOWN]
    return f"{head}````{CODE.get(place.suffix, 'text')}\n{text}\n````\n"


def _inside(place: Path) -> list[Path]:
    """The files of a folder that are shown."""
    if not place.is_dir():
        return []
    return [path for path in sorted(place.iterdir()) if path.suffix in CODE and not path.name.startswith("_")]


def reference(room: str) -> str:
    """The API of a room: its modules, with their public classes and functions."""
    top = ROOT / "jaxrl" / room
    files = sorted(top.rglob("*.py")) if top.is_dir() else [top.with_suffix(".py")]
    files = [path for path in files if path.name != "__init__.py" and (path.parent / "__init__.py").exists()]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    return f"# jaxrl.{room}\n\n" + "\n".join(f"::: {name}\n" for name in names)
