"""The site's pages and links, without MkDocs: every link of a page leads to a page or file that the site has."""

import posixpath
import tomllib
from pathlib import Path

import pytest
import yaml

from launch import docs_site

ROOT = Path(__file__).parents[2]
SOURCES = [*docs_site.PAGES, *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md")))]


def site() -> set[str]:
    made = {docs_site.shown_at(path) for path in docs_site.linked()} | set(docs_site.PAGES.values())
    made |= {f"reference/{room}.md" for room in docs_site.ROOMS}
    return made | {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*") if path.is_file()}


@pytest.mark.parametrize("source", SOURCES)
def test_links_lead_to_what_the_site_has(source):
    text = docs_site.rewritten((ROOT / source).read_text(encoding="utf-8"), source)
    here = posixpath.dirname(docs_site.site_path(source))
    for link in docs_site.LINK.finditer(text):
        assert posixpath.normpath(posixpath.join(here, link[2])) in site(), f"{source}: {link[0]}"


def test_what_the_navigation_names_is_there():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").replace("!!python/object/apply:pymdownx.slugs.slugify", "")
    entries = yaml.safe_load(text)["nav"]
    sections = [[entry] if isinstance(entry, str) else next(iter(entry.values())) for entry in entries]
    pages = {page for section in sections for page in section}
    assert pages <= site() and {"index.md", "python.md", "reference/ops.md"} <= pages
    config = docs_site.on_config({"nav": ["index.md", {"Use it": ["python.md"]}]})
    own = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert set(config["nav"][-1]["More"]) == own - {"python.md"}


def test_a_room_of_the_api_names_its_modules():
    assert "::: jaxrl.ops.drtrace" in docs_site.reference("ops")
    assert docs_site.reference("types").count(":::") == 1
    assert ("older" not in docs_site.reference("envs")) and "::: jaxrl.envs.envpool.pool" in docs_site.reference("envs")


def test_a_file_is_shown_and_a_folder_listed():
    assert "````python\n" in docs_site.source_page("jaxrl/agents/a2c.py")
    assert "- [`casa.py`](agents/casa.py.md)" in docs_site.source_page("jaxrl/agents")


def test_the_core_installs_nothing_for_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = " ".join(project["dependencies"])
    assert not any(name in core for name in ("mkdocs", "optuna", "tensorboard"))
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not any(name in lock for name in ("mkdocs", "optuna", "tensorboard"))
