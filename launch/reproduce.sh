#!/usr/bin/env bash
# One command from a fresh clone to a report: installs what is missing, runs agents x games x seeds, writes report.html.
#
#     launch/reproduce.sh --scale smoke                  # minutes on two cores: shows that everything works
#     launch/reproduce.sh --scale cpu                    # the exploration study, about three hours on two cores
#     launch/reproduce.sh --scale full --on slurm --gpus 1 --cpus 16
#
# Interrupt it and run it again: finished runs are not run again, others go on from their checkpoints. See
# docs/reproduce.md, and --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
make --no-print-directory install
exec .venv/bin/jaxrl reproduce "$@"
