"""An older spelling of `jaxrl play locm`."""

import runpy
import sys

if __name__ == "__main__":
    sys.argv[1:1] = ["play", "locm"]
    runpy.run_module("jaxrl", run_name="__main__")
