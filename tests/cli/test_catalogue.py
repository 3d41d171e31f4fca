"""Lists of what can be named, and the notebooks copied out."""

import ast
from pathlib import Path

import pytest

from jaxrl.cli.catalogue import LISTS, RECORDED
from jaxrl.cli.commands import main
from jaxrl.config import registry
from jaxrl.record.metrics import METRICS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("agents", registry.AGENTS),
        ("networks", registry.NETWORKS),
        ("envs", registry.ENVS),
        ("metrics", METRICS),
        ("configs", ["pong_cpu", "catch", "cartpole"]),
        ("sweeps", ["catch", "smoke/casa"]),
    ],
)
def test_a_list_has_every_name_and_says_what_it_is(kind, names, capsys):
    assert main(["list", kind]) == 0
    lines = [line.split(None, 1) for line in capsys.readouterr().out.splitlines()]
    assert set(names) <= {name for name, *_ in lines}
    assert all(len(line) == 2 for line in lines), "a name without a word about it"


def test_all_lists(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(f"{kind}:\n" in out for kind in LISTS)
    assert main(["list", "agent"]) == 2
    assert "the nearest is agents" in capsys.readouterr().err


def test_notebooks_are_copied_with_what_they_read(tmp_path, capsys):
    folder = tmp_path / "my notebooks"
    assert main(["notebooks", str(folder)]) == 0
    assert f"then jupyter lab '{folder}'\n" in capsys.readouterr().out
    names = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {path.name for path in folder.glob("*.ipynb")} == names and len(names) >= 4
    for recorded in RECORDED:
        assert (folder / recorded).read_bytes() == (ROOT / recorded).read_bytes()
    assert main(["notebooks", str(folder)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_the_wheel_ships_what_the_notebooks_read():
    """setup.py cannot import jaxrl, which is not installed yet where it runs."""
    assigned = {node.targets[0].id: node.value for node in ast.parse((ROOT / "setup.py").read_text()).body
                if isinstance(node, ast.Assign)}  # fmt: skip
    shipped = ast.literal_eval(assigned["SHIPPED"])
    assert [path for path in RECORDED if not path.match(shipped[str(path.parent)])] == []
