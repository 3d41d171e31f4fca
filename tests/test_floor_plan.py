"""A file imports only from its own folder and from lower floors: the table is the map of the project."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up. A name stands for a module or a whole folder; modules beside each other on one floor do not see
# each other, unless they share a folder.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "types"),  # the records that flow, and what all messages to the user share
    ("config", "ops", "scores", "statistics"),  # what a user sets; the pure mathematics; scores and their statistics
    ("io", "networks", "envs", "tables"),  # the run folder; function approximators; environments
    ("agents", "analysis", "population", "pbt"),  # algorithms, one file each; reading run folders
    ("sebulba", "plan", "hosts", "parsing", "doctor", "plot", "recorded"),  # the runtime, for any agent
    ("evaluation", "figures", "comparison", "population_figures", "sweeps", "video", "anakin"),  # episodes; many runs
    ("experiment",),  # the one place where names meet classes
    ("recording", "resuming", "scoring", "bench"),  # the parts of a run that know its folder; measurements
    ("training", "reproduction", "inspection"),  # one run from start to end; a study from start to report
    ("cli", "inspection_figures"),
    ("__main__",),
)
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


def floor_of(part: str) -> int:
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


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
            assert floor_of(rest[0]) < floor_of(part), f"{part} imports {rest[0]}, which is not below it"
            assert rest[0] not in BLIND.get(part, ()) or ".".join(rest) in EXCEPT, f"{part} must not know {name}"
