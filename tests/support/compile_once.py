"""Test processes, and the many that they start, compile the same small programs: with this, each is compiled once.

It must come before JAX, which reads these variables when it is imported; a process inherits them from the one that
started it.
"""

import os
import tempfile

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _folder = tempfile.TemporaryDirectory(prefix="jaxrl-tests-", ignore_cleanup_errors=True)  # until this process ends
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _folder.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
