"""The pages and the packaging say what is true: links, commands, messages, dependencies."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from jaxrl.analysis import find_runs, read_metrics, read_settings
from jaxrl.record.metrics import METRICS
from tests.test_floors import imports

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if page.exists()]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
SOURCES = [
    path for folder in ("jaxrl", "tests", "launch", "notebooks") for path in sorted((ROOT / folder).rglob("*.py"))
]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


# Pages


def prose(page: Path) -> str:
    """Without code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What the headings of a page can be linked as."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(file), f"{page.name} links to {target}"


@each_page
def test_files_that_are_named_exist(page):
    named = re.findall(r"`((?:jaxrl|tests|configs|docs|launch)/[\w./-]+)`", prose(page))
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []


@each_page
def test_make_targets_that_are_named_exist(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^|&& )make ([a-z][\w-]*)", text, re.MULTILINE))
    assert named <= targets


# The operating notes: messages that exist, every kind of error, ranges that the recorded runs have


OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
GAP = "\0"  # stands for what a message fills in


def section(title: str) -> str:
    """The text under a heading, with that of the headings below it."""
    (level, body), *_ = re.findall(rf"^(#+) {re.escape(title)}.*\n((?:.*\n)*)", OPERATING, re.MULTILINE)
    return re.split(rf"^#{{1,{len(level)}}} ", body, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of every table in a text, without heads and rules."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [line for line in lines if line[0] not in ("message", "metric", "status", "what", "what is seen")]


def literals() -> list[str]:
    """Every text in the package and its launchers, with gaps where something is filled in."""
    texts = []
    for path in [*(ROOT / "jaxrl").rglob("*.py"), *(ROOT / "launch").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else GAP for part in node.values]
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(re.sub(r"%[sdr]", GAP, node.value))
    return texts


def test_messages_that_are_explained_exist():
    known = "\n".join(" ".join(text.split()) for text in literals())
    messages = [message for row in rows(section("Failure messages")) for message in re.findall(r"`([^`]+)`", row[0])]
    assert len(messages) > 50
    for message in messages:
        parts = [re.escape(part) for part in re.split(r"\.\.\.", message)]
        assert re.search("[^\n]*".join(parts), known), f"no message of the program reads: {message}"


def test_every_kind_of_error_is_explained():
    defined = set()
    for path in (ROOT / "jaxrl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and "UserError" in [getattr(base, "id", "") for base in node.bases]:
                defined.add(node.name)
    assert len(defined) >= 9
    assert [name for name in sorted(defined) if f"`{name}`" not in section("Failure messages")] == []


def test_metrics_to_watch_are_recorded_in_the_ranges_given():
    """Nine tenths of the reports of every recorded run, the first one left out."""
    archives = [ROOT / "docs" / "evidence" / "results" / name for name in ("pong.tar.gz", "pong_settled.tar.gz")]
    runs = [run for archive in archives for run in find_runs(str(archive))]
    checked = 0
    for name, recorded, *_ in rows(section("What to watch")):
        metric = name.strip("`")
        if not re.fullmatch(r"[a-z]+/[a-z_]+", metric):
            continue
        assert metric in METRICS
        ranges = re.findall(r"(CASA |IMPALA |)(-?[\d.]+) to (-?[\d.]+)(?=;|$)", recorded)
        checked += bool(ranges)
        for agent, low, high in ranges:
            for run in runs:
                values = read_metrics(run).get(metric, np.empty(0))[1:]
                values = values[np.isfinite(values)]
                ours = agent.strip().lower() in ("", read_settings(run)["agent"]["name"])
                if ours and values.size:
                    inner = np.percentile(values, [5, 95])
                    assert float(low) <= inner[0] and inner[1] <= float(high), f"{metric} of {run.name}: {inner}"
    assert checked >= 10


# Dependencies


def declared(*extras: str) -> set[str]:
    """Names of the distributions in pyproject.toml, those of some extras included."""
    optional = PROJECT["optional-dependencies"]
    requirements = [*PROJECT["dependencies"], *(line for extra in extras for line in optional[extra])]
    return {re.match(r"[\w-]+", requirement)[0].lower() for requirement in requirements}


def test_every_import_is_declared():
    own = {"jaxrl", "tests", "launch", "notebooks"} | {
        path.stem for folder in ("tests", "launch") for path in (ROOT / folder).rglob("*.py")
    }
    modules = {module.partition(".")[0] for path in SOURCES for module in imports(path)}
    distributions = metadata.packages_distributions()
    known = declared(*PROJECT["optional-dependencies"])
    for module in sorted(modules - own - set(sys.stdlib_module_names)):
        candidates = {name.lower().replace("_", "-") for name in distributions.get(module, [module])}
        assert candidates & known, f"{module} ({candidates}) is imported but not in pyproject.toml"


def test_the_lock_pins_every_dependency():
    pinned = {line.partition("==")[0] for line in LOCK if "==" in line}
    assert declared("dev") <= pinned


def test_the_lock_holds_nothing_but_pins():
    """No address of an index and no path of one machine."""
    pin = re.compile(r"[a-z0-9-]+==[\w.]+( ; [\w. '<>=!]+)?")
    assert [line for line in LOCK if not line.startswith("#") and not pin.fullmatch(line)] == []
    assert [line for line in LOCK if "://" in line or "--" in line] == []


def test_sentences_name_extras_that_exist():
    """What is told to be installed, as `pip install 'jaxrl[...]'`, is an extra of pyproject.toml."""
    texts = [path.read_text(encoding="utf-8") for path in [*SOURCES, *PAGES] if "tests" not in path.parts]
    named = {name for text in texts for match in re.findall(r"jaxrl\[(\w+)\]", text) for name in match.split(",")}
    assert {"onnx", "slurm", "search", "tensorboard", "speech"} <= named <= set(PROJECT["optional-dependencies"])
