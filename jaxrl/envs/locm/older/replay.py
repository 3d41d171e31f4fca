"""An older spelling of `jaxrl replay locm FILE...`."""

import runpy
import sys

if __name__ == "__main__":
    sys.argv[1:1] = ["replay", "locm"]
    runpy.run_module("jaxrl", run_name="__main__")
