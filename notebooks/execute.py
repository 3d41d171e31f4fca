"""Execute the notebooks and save them with their outputs: `make notebooks`, or python notebooks/execute.py [NAME ...].

A name is a notebook or the beginning of one, such as `02`; all unless given. JAXRL_RUNS names the runs that they read;
without it each reads those that it says; where the population of 03 is missing, it is trained first.
See docs/notebooks.md.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from jaxrl.analysis.curves import RunDataError
from jaxrl.analysis.runs import VARIABLE, find_runs
from jaxrl.errors import UserError

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# Notebook: its runs, and the words that train one.
DEMONSTRATIONS = {
    "03_population": (
        "runs/catch-population-*",
        "configs/catch.yaml --name catch-population --env_steps 1_600_000 --runtime.envs_per_pool 64 "
        "--population.size 16 --population.vary '{learning_rate: {low: 1e-4, high: 1e-1, count: 8}}'",
    ),
}


def main(names: Sequence[str]) -> int:
    """Returns the exit status."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        if not names or any(path.name.startswith(name) for name in names):
            print(f"executing {path.name}", flush=True)
            notebook = execute(path, runs_of(path.stem))
            found = traces(notebook)
            if found:
                raise UserError(f"{path.name} was not saved, because its outputs name this machine: {found}")
            nbformat.write(notebook, path)
    return 0


def runs_of(name: str) -> dict[str, str]:
    """The environment variable for a notebook; trains what it shows, where that is nowhere yet."""
    if os.environ.get(VARIABLE) or name not in DEMONSTRATIONS:
        return {}
    pattern, words = DEMONSTRATIONS[name]
    try:
        find_runs(str(ROOT / pattern))
    except RunDataError:
        command = [sys.executable, "-m", "jaxrl", "train", *shlex.split(words), "--record.wandb", "off"]
        subprocess.run(command, cwd=ROOT, check=True)
    return {VARIABLE: pattern}


def execute(path: Path, environment: Mapping[str, str]) -> NotebookNode:
    """The notebook with its outputs, from a kernel of this interpreter in the notebook's folder.

    Raises:
        CellExecutionError: a cell failed; the message holds its traceback.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # no advice on transports
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute(env={**os.environ, "JUPYTER_PREFER_ENV_PATH": "1", **environment})
    notebook.metadata = nbformat.from_dict(METADATA)  # the same whoever executes it
    return notebook


def traces(notebook: NotebookNode) -> list[str]:
    """Absolute paths, and the name of this machine, in the text of the outputs: they are nobody else's business."""
    texts = [text for cell in notebook.cells for output in cell.get("outputs", []) for text in _texts(output)]
    pattern = rf"(?<![\w.:/<])/(?:[\w.+-]+/)+[\w.+-]+|\b{re.escape(platform.node() or 'localhost')}\b"
    return [match[0] for text in texts for match in re.finditer(pattern, text)]


def _texts(output: NotebookNode) -> list[str]:
    """What an output holds that is not a picture."""
    data = [text for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
    return [*data, output.get("text", ""), *output.get("traceback", [])]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        print(f"notebooks: error: {error}", file=sys.stderr)
        sys.exit(1)
