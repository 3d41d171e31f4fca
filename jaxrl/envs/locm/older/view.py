"""An older spelling of `jaxrl view locm`."""

import runpy
import sys

if __name__ == "__main__":
    sys.argv[1:1] = ["view", "locm"]
    runpy.run_module("jaxrl", run_name="__main__")
