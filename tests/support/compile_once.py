"""Test processes, and the many that they start, compile the same small programs: with this, each is compiled once.

It must come before JAX, which reads these variables when it is imported; a process inherits them from the one that
started it.
"""

import gc
import os
import resource
import sys
import tempfile

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _folder = tempfile.TemporaryDirectory(prefix="jaxrl-tests-", ignore_cleanup_errors=True)  # until this process ends
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _folder.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"

MOST_PAGES = 3 * 2**30 // resource.getpagesize()


def forget_where_much_is_held() -> None:
    """Let this process forget what it has compiled once that, with all else, takes 3 GiB."""
    with open("/proc/self/statm") as file:
        held = int(file.read().split()[1])
    if held > MOST_PAGES and "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
        gc.collect()
