"""A file imports only from its own room and from lower floors: the table in CONTRIBUTING.md is the map.

A room is a folder or a loose file of the package. An arrow is a pair of rooms of which one imports from the other.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "jaxrl"
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_ARROWS, MOST_LOOSE_FILES, MOST_FILES, MOST_LINES = 68, 4, 16, 350


def read_floors() -> dict[str, int]:
    """Floor of each room, from the table in CONTRIBUTING.md."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (`[^|]+`) \|", page, re.MULTILINE)
    return {name: int(floor) for floor, names in rows for name in re.findall(r"`(\w+)`", names)}


FLOORS = read_floors()
# What a room may not see although it lies lower: mathematics knows no records, the runtime no concrete agent,
# environment or network, and nothing of run folders.
BLIND = {
    "runtime": {"agents", "networks", "record", "envs"},
    "selfplay": {"agents", "networks", "record", "envs"},
    "analysis": {"types", "ops", "networks", "envs", "agents", "locm"},
}
EXCEPT = {"envs.base", "envs.batched"}  # the seams themselves
# Third parties that belong to one corner each.
CORNERS = {
    "envpool": ("envs/envpool/", "bench/doctor.py"),
    "orbax": ("record/", "bench/doctor.py"),
    "wandb": ("record/wandb.py",),
    "flax": ("networks/", "speech/", "locm/policy/network.py", "types.py", "bench/networks.py"),
    "matplotlib": (
        "analysis/figures/",
        "analysis/page.py",
        "speech/sound/gallery.py",
        "speech/suite/notebook_figures.py",
    ),
    "rich": ("record/console.py", "run/evaluate.py", "bench/", "sweeps/", "speech/progress_bar.py"),
    "submitit": ("sweeps/slurm.py",),
    "optuna": ("sweeps/search/proposals.py",),
    "tensorboard": ("record/tensorboard.py",),
    "onnx": ("run/onnx_export/",),
    "onnxruntime": ("run/onnx_export/",),
}
WITHOUT_JAX = ("analysis/", "config/", "cli/", "errors.py")  # whoever reads runs or asks for help does not wait for it


def room_of(path: Path) -> str:
    """The first part of its path within the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


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


def rooms_seen(path: Path) -> dict[str, str]:
    """Other rooms that a file imports from, each with the module it names there."""
    names = (name.split(".") for name in sorted(imports(path)))
    seen = {rest[0]: ".".join(rest) for package, *rest in names if package == "jaxrl" and rest}
    return {room: name for room, name in seen.items() if room not in (room_of(path), "__version__")}


def test_every_room_has_a_floor():
    assert set(FLOORS) == {room_of(path) for path in FILES} - {"__init__"}, "CONTRIBUTING.md's floors and jaxrl/ differ"


def test_few_arrows_between_rooms(record_property, capsys):
    arrows = {(room_of(path), room) for path in FILES for room in rooms_seen(path)}
    record_property("arrows", len(arrows))
    with capsys.disabled():
        print(f"\n{len(FLOORS)} rooms, {len(arrows)} arrows between them")
    assert len(arrows) <= MOST_ARROWS


def test_rooms_and_files_are_small():
    """A newcomer guesses the room of a line, and reads a file in one go."""
    loose = [path.name for path in PACKAGE.iterdir() if path.is_file()]
    assert len(loose) <= MOST_LOOSE_FILES, loose
    for folder in {path.parent for path in FILES}:
        files = [path.name for path in folder.iterdir() if path.is_file()]
        assert len(files) <= MOST_FILES, f"{folder}: {sorted(files)}"
    names = [path.name for path in FILES if path.name != "__init__.py"]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
    long = {str(path): lines for path in FILES if (lines := len(path.read_text().splitlines())) > MOST_LINES}
    assert not long


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_down(path):
    relative, room = path.relative_to(PACKAGE).as_posix(), room_of(path)
    if relative == "__init__.py":
        assert not imports(path), "`import jaxrl` costs nothing"
        return
    for seen, name in rooms_seen(path).items():
        assert FLOORS[seen] < FLOORS[room], f"{relative} imports {name}, which is not below it"
        assert seen not in BLIND.get(room, ()) or name in EXCEPT, f"{relative} must not know {name}"
    for name in imports(path):
        package = name.split(".")[0]
        assert relative.startswith(CORNERS.get(package, "")), f"{package} does not belong into {relative}"
        assert package != "jax" or not relative.startswith(WITHOUT_JAX), f"{relative} must do without JAX"
        assert (
            room != "ops"
            or package in ("__future__", "collections", "dataclasses", "functools", "typing", "jax", "chex")
            or (name.startswith("jaxrl.ops"))
        ), f"{relative}: mathematics knows no {name}"
