"""Most of the tests' time is compilation: so each program is compiled once, and most of them without optimisation.

Test processes, and the many that they start, share a folder of compiled programs. It must be named before JAX comes,
which reads these variables when it is imported; a process inherits them from the one that started it.
"""

from __future__ import annotations

import gc
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _folder = tempfile.TemporaryDirectory(prefix="jaxrl-tests-", ignore_cleanup_errors=True)  # until this process ends
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _folder.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"

# Not those where two programs must agree in their bits, or where a program is itself tested: as users have it.
QUICK_ROOMS = {"agents", "networks", "ops", "record"}
# A learner step takes a fifth of the time to compile, and a single operation half of it.
QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}
MOST_PAGES = 3 * 2**30 // resource.getpagesize()  # of a process, until it forgets what it has compiled
_held: list[bool] = []  # how what this process still holds was compiled: quickly, or as users have it


@contextmanager
def compiling(quickly: bool) -> Iterator[None]:
    """This process compiles with `QUICK`, or as users have it; what was compiled the other way is forgotten."""
    import jax
    from jax._src import compiler

    options = compiler.get_compile_options

    def quick(*args: Any, env_options_overrides: dict[str, Any] | None = None, **more: Any) -> Any:
        return options(*args, env_options_overrides={**QUICK, **(env_options_overrides or {})}, **more)

    if _held and (_held[0] != quickly or _pages() > MOST_PAGES):
        jax.clear_caches()
        gc.collect()
    _held[:] = [quickly]
    if quickly:
        compiler.get_compile_options = quick
    try:
        yield
    finally:
        compiler.get_compile_options = options


def _pages() -> int:
    """Memory pages that this process has now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])
