"""The notebooks: no logic, no trace of the machine, outputs that are there, and all of them run."""

from __future__ import annotations

import ast
import dataclasses
import re
import subprocess
import sys

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from jaxrl.analysis.runs import VARIABLE
from jaxrl.config.sections import PopulationConfig
from jaxrl.run.train import run_training
from notebooks.execute import DEMONSTRATIONS, FOLDER, METADATA, execute, runs_of, traces
from tests.support.parts import small_config

NOTEBOOKS = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
STATEMENTS = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
EXPRESSIONS = (ast.Call, ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.List, ast.Tuple, ast.UnaryOp)
each = pytest.mark.parametrize("name", NOTEBOOKS)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pictures(cell):
    return [output for output in cell.outputs if "image/png" in output.get("data", {})]


def figures(cell):
    """How many figures a cell shows: each ends in the call that makes it."""
    return len(re.findall(r"^\w+_figure\(", cell.source, re.MULTILINE))


@pytest.fixture(scope="module")
def small_runs(tmp_path_factory):
    """A run of a second, for the notebooks that need what is not committed: a population has single policies inside."""
    folder = tmp_path_factory.mktemp("runs")
    config = small_config(num_actors=1)
    record = dataclasses.replace(config.record, runs_dir=str(folder))
    population = PopulationConfig(2, {"learning_rate": [1e-3, 1e-2]})
    config = dataclasses.replace(config, name="small-population", env_steps=400, record=record, population=population)
    assert run_training(config)[0] == 0
    return dict.fromkeys(["02_inside_a_policy", *DEMONSTRATIONS], str(folder / "*population*"))


def test_there_are_six():
    assert [name[:2] for name in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]


@each
def test_it_executes(name, small_runs, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    notebook = execute(NOTEBOOKS[name], {VARIABLE: small_runs[name]} if name in small_runs else {})
    for cell in code(notebook):
        assert len(pictures(cell)) == figures(cell), cell.source
        assert [output for output in cell.outputs if output.output_type in ("stream", "error")] == []
    assert sum(map(figures, code(notebook))) >= 2
    if name not in small_runs:
        assert traces(notebook) == []


@each
def test_it_holds_no_logic(name):
    """Imports, calls of library functions and displays: no def, no loop, no arithmetic, no condition."""
    notebook = nbformat.read(NOTEBOOKS[name], as_version=4)
    assert len(notebook.cells) <= 12
    for cell in code(notebook):
        nodes = ast.walk(ast.parse(re.sub(r"^%.*$", "", cell.source, flags=re.MULTILINE)))
        parts = [node for node in nodes if isinstance(node, ast.stmt | ast.expr)]
        assert [ast.unparse(part) for part in parts if not isinstance(part, STATEMENTS + EXPRESSIONS)] == []


@each
def test_it_is_committed_with_its_outputs(name):
    notebook = nbformat.read(NOTEBOOKS[name], as_version=4)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1)), "in order"
    assert all(len(pictures(cell)) == figures(cell) for cell in code(notebook)), "execute it: make notebooks"
    assert traces(notebook) == [] and notebook.metadata == METADATA
    assert NOTEBOOKS[name].stat().st_size < 700_000


@each
def test_its_links_lead_somewhere(name):
    text = "\n".join(cell.source for cell in nbformat.read(NOTEBOOKS[name], as_version=4).cells)
    targets = re.findall(r"\]\((?!https)([^)#]+)", text)
    assert [target for target in targets if not (FOLDER / target).exists()] == []


def test_demonstrations_can_be_trained(tmp_path, monkeypatch):
    """The words are those that a user finds in the notebook; a missing run is trained, one that is there is not."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("notebooks.execute.ROOT", tmp_path)
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, **options: commands.append(command))
    assert runs_of("01_learning_curves") == runs_of("02_inside_a_policy") == {} and commands == []
    for name, (pattern, words) in DEMONSTRATIONS.items():
        assert runs_of(name) == {VARIABLE: pattern}
        assert commands[-1][:4] == [sys.executable, "-m", "jaxrl", "train"]
        text = "\n".join(cell.source for cell in nbformat.read(NOTEBOOKS[name], as_version=4).cells)
        assert " ".join(words.split()) in " ".join(text.replace("\\\n", " ").split())
    (tmp_path / "runs" / "catch-population-20260101-120000-s0").mkdir(parents=True)
    (tmp_path / "runs" / "catch-population-20260101-120000-s0" / "config.yaml").touch()
    runs_of("03_population")
    assert len(commands) == len(DEMONSTRATIONS)
    monkeypatch.setenv(VARIABLE, "runs/mine-*")
    assert runs_of("03_population") == {} and len(commands) == len(DEMONSTRATIONS)


def test_a_failing_cell_and_a_trace_are_noticed(tmp_path):
    """Also that the kernel is one of this interpreter."""
    cells = [nbformat.v4.new_code_cell(source) for source in ("import sys; sys.executable", "'in /some/where/else'")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=METADATA), tmp_path / "x.ipynb")
    notebook = execute(tmp_path / "x.ipynb", {})
    assert notebook.cells[0].outputs[0]["data"]["text/plain"] == repr(sys.executable)
    assert traces(notebook) == [sys.executable.partition(" ")[0], "/some/where/else"]
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), tmp_path / "y.ipynb")
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(tmp_path / "y.ipynb", {})
