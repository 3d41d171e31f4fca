"""An older spelling of `jaxrl sweep`: `python launch/sweep.py configs/sweeps/catch.yaml --on local`."""

import sys

from jaxrl.cli.commands import main

if __name__ == "__main__":
    sys.exit(main(["sweep", *sys.argv[1:]]))
