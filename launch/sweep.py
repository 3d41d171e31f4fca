"""Run a sweep here or on SLURM: `python launch/sweep.py configs/sweeps/catch.yaml --on local`. See docs/sweeps.md."""

import sys

from jaxrl.errors import UserError
from jaxrl.sweeps.launcher import main

if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(f"sweep: error: {error}", file=sys.stderr)
        sys.exit(2)
