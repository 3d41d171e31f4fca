"""A file imports only from its own folder and from lower floors: the table in CONTRIBUTING.md is the map."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def read_floors() -> dict[str, int]:
    """Floor of each file or folder of the package, from the table in CONTRIBUTING.md.

    Modules beside each other on one floor do not see each other, unless they share a folder.
    """
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (`[^|]+`) \|", page, re.MULTILINE)
    return {name.rstrip("/"): int(floor) for floor, names in rows for name in re.findall(r"`([\w/]+)`", names)}


FLOORS = read_floors()
# What a folder may not see although it lies lower: mathematics knows no records, the runtime no concrete agent,
# environment or network, environments and networks nothing of run folders.
BLIND = {
    "ops": {"errors", "types", "config"},
    "sebulba": {"agents", "networks", "io", "envs"},
    "evaluation": {"agents", "networks", "io", "plan", "parsing", "envs"},
    "agents": {"envs", "io", "networks"},
}
EXCEPT = {"envs.base"}  # the seam itself: everyone above may see it
# Third parties that belong to one corner each.
CORNERS = {
    "envpool": ("envs/", "doctor.py"),
    "orbax": ("io/", "doctor.py"),
    "wandb": ("io/wandb_sink.py",),
    "flax": ("networks/", "types.py"),
    "matplotlib": ("plot.py", "figures.py", "inspection_figures.py", "population_figures.py", "reproduction/page.py"),
    "rich": ("io/console.py", "scoring.py", "bench/", "doctor.py", "sweeps/"),
    "submitit": ("sweeps/slurm.py",),
}
FILES = sorted((ROOT / "jaxrl").rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import, also inside functions; `from jaxrl import ops` is `jaxrl.ops`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            inside = node.module == "jaxrl"
            found |= {f"jaxrl.{alias.name}" for alias in node.names} if inside else {str(node.module)}
    return found


def test_every_file_has_a_floor():
    names = {path.relative_to(ROOT / "jaxrl").parts[0].removesuffix(".py") for path in FILES}
    assert set(FLOORS) == names - {"__init__"}, "the floor table of CONTRIBUTING.md and jaxrl/ differ"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT / "jaxrl").as_posix())
def test_imports_go_down(path):
    relative = path.relative_to(ROOT / "jaxrl")
    if relative.name == "__init__.py" and len(relative.parts) == 1:
        assert not imports(path), "`import jaxrl` costs nothing"
        return
    part = relative.parts[0].removesuffix(".py")
    for name in sorted(imports(path)):
        package, *rest = name.split(".")
        if package != "jaxrl":
            corner = CORNERS.get(package, "")
            assert relative.as_posix().startswith(corner), f"{package} does not belong into {relative}"
        elif rest and rest[0] != part and rest[0] != "__version__":
            assert FLOORS[rest[0]] < FLOORS[part], f"{part} imports {rest[0]}, which is not below it"
            assert rest[0] not in BLIND.get(part, ()) or ".".join(rest) in EXCEPT, f"{part} must not know {name}"
