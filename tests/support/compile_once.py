"""Most of the tests' time is compilation: so each small program is compiled once, and without optimisation.

Test processes, and the many that they start, share a folder of compiled programs. It and the flags must be named before
JAX comes, which reads these variables when it is imported; a process inherits them from the one that started it.
`JAXRL_TESTS_COMPILE=optimised make test` compiles as users do, in twice the time.
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

QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
_flags = os.environ.setdefault("XLA_FLAGS", "")
if QUICK not in _flags and os.environ.get("JAXRL_TESTS_COMPILE") != "optimised":
    os.environ["XLA_FLAGS"] = f"{QUICK} {_flags}".strip()

MOST_PAGES = 3 * 2**30 // resource.getpagesize()


def forget_where_much_is_held() -> None:
    """Let this process forget what it has compiled once that, with all else, takes 3 GiB."""
    with open("/proc/self/statm") as file:
        held = int(file.read().split()[1])
    if held > MOST_PAGES and "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
        gc.collect()
