"""Commands about what is there: lists of parts, configs and metrics, the notebooks, completion in a shell."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from pathlib import Path

from jaxrl.cli.parser import Parser
from jaxrl.config import registry
from jaxrl.config.shipped import configs, shipped
from jaxrl.errors import ConfigError
from jaxrl.record.rundir import write_error


def _parts(section: str) -> dict[str, str]:
    return {name: registry.summary(section, name) for name in registry.PARTS[section]}


def _heads(files: dict[str, Path]) -> dict[str, str]:
    """What each file says of itself: the first sentence of the comment at its top."""
    found = {}
    for name, path in files.items():
        comment = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
        text = " ".join(line.removeprefix("#").strip() for line in comment)
        found[name] = re.split(r"(?<=\.)\s", text, maxsplit=1)[0]
    return found


def _metrics() -> dict[str, str]:
    from jaxrl.record.metrics import METRICS

    return {name: f"[{metric.unit}] {metric.meaning}" for name, metric in METRICS.items()}


LISTS: dict[str, Callable[[], dict[str, str]]] = {
    "agents": lambda: _parts("agent"),
    "networks": lambda: _parts("network"),
    "envs": lambda: _parts("env"),
    "configs": lambda: _heads(configs()),
    "sweeps": lambda: _heads(configs(of_sweeps=True)),
    "metrics": _metrics,
}
RECORDED = [  # the notebooks read these
    Path("docs/evidence/results/pong.tar.gz"),
    Path("docs/evidence/speech/tiny.tar.gz"),
    *(
        Path("docs/evidence/results/locm", name)
        for name in ("champion.csv", "crossplay.json", "exploit.json", "game.txt")
    ),
]


def list_names(arguments: Sequence[str]) -> int:
    parser = Parser("list", "What can be named: `agents`, `networks`, `envs`, `configs`, `sweeps`, `metrics`.")
    parser.add_argument(
        "kind", metavar="KIND", choices=LISTS, nargs="?", help=f"one of {', '.join(LISTS)}; all unless given"
    )
    options = parser.parse_args(arguments)
    for kind in [options.kind] if options.kind else LISTS:
        rows = LISTS[kind]()
        if not options.kind:
            print(f"{kind}:")
        print(table(rows.items()))
    return 0


def table(rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells as lines, every column but the last as wide as its widest cell."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    cells = [[*(f"{cell:{width}}" for cell, width in zip(row[:-1], widths, strict=True)), row[-1]] for row in rows]
    return "\n".join("  ".join(row).rstrip() for row in cells)


def notebooks(arguments: Sequence[str]) -> int:
    parser = Parser("notebooks", "Copy the notebooks, and the recorded runs that they read, into a folder.")
    parser.add_argument("folder", metavar="DIR", type=Path, help="is made; no file there is overwritten")
    folder = parser.parse_args(arguments).folder
    files = {folder / path.name: path for path in sorted(shipped("notebooks").glob("*.ipynb"))}
    files |= {folder / path: shipped(str(path)) for path in RECORDED}
    if there := [str(path) for path in files if path.exists()]:
        raise ConfigError(f"{there[0]} is there already; name another folder, or move it away")
    for target, source in files.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        except OSError as error:
            raise write_error(target, error, "another folder") from error
    command = shlex.join(["jupyter", "lab", str(folder)])
    print(
        f"{len(files) - len(RECORDED)} notebooks in {folder}; open them: pip install 'jaxrl[notebooks]', then {command}"
    )
    return 0
