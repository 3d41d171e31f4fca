#!/usr/bin/env bash
# Whether jaxrl computes, learns and is fast on this machine's accelerator: a Markdown report with a verdict.
#
#     launch/accelerator_check.sh [--minutes 12] [--out FOLDER] [--only CHECK ...] [--smoke]
#
# Every part has its own time limit and a process of its own, and the report is written after each, so that a machine that
# goes away leaves what was done. `--smoke` runs all of it in tiny sizes, on a CPU too. docs/accelerators.md says what
# the parts are. On a machine without this project's environment PYTHON names the interpreter; it needs jax, flax, optax,
# chex, envpool, gymnasium, numpy, pyyaml and rich, and matplotlib for the curves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-.venv/bin/python}
[ -x "$python" ] || python=$(command -v "${PYTHON:-python3}") || { echo "accelerator_check: error: no Python; set PYTHON" >&2; exit 1; }
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "$python" -m jaxrl.bench.acceptance.supervise "$@"
