"""What keeps JAX from starting or from going on, in one sentence. JAX itself aborts the process or raises anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping

from jaxrl.errors import ConfigError

# Flags that need no trial, since they are everywhere.
USUAL = re.compile(
    r"--xla_(force_host_platform_device_count|backend_optimization_level)=\d+"
    r"|--xla_(cpu_multi_thread_eigen|llvm_disable_expensive_passes)=(true|false)"
)
START = "import jax; jax.devices()"
PLATFORMS = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")
TRIAL_S = 120.0


def check_flags(environment: Mapping[str, str] = os.environ) -> None:
    """Raises `ConfigError` where XLA would abort this process for its flags, which another one finds out."""
    flags = environment.get("XLA_FLAGS", "")
    if all(USUAL.fullmatch(flag) for flag in flags.split()):
        return
    # On the platforms that will be started: the plugin of an accelerator brings an XLA of its own, with its own flags.
    said = _trial({**environment, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"})
    if named := [line for line in said or () if "flag" in line]:  # of the first; a list of all flags may follow
        reason = re.sub(r"^[A-Z]\d{4} .*?\] ", "", named[0])
        raise ConfigError(f"XLA does not take XLA_FLAGS={flags!r}: {reason}; correct it or unset it")


def check_platform(environment: Mapping[str, str] = os.environ) -> None:
    """Raises `ConfigError` where JAX cannot start on the platform that was asked for, which another process tries."""
    asked = any(environment.get(name, "") not in ("", "cpu") for name in PLATFORMS)
    if asked and (said := _trial(environment)) is not None:
        raise ConfigError(platform_sentence(said[-1] if said else "", environment))


def platform_fault(error: Exception | None = None) -> str:
    """Why JAX cannot start in this process; empty where it can, where nothing has asked it to, or `error` is another.

    A second question does not fail where one platform of several is there: so `error` comes first.
    """
    if re.match(r"Unable to initialize backend|Unknown backend", str(error)):
        return platform_sentence(f"{error}")
    if "jax" not in sys.modules:
        return ""
    import jax

    try:
        jax.devices()
    except Exception as failure:
        return platform_sentence(f"{failure}")
    return ""


def memory_fault(error: BaseException | None) -> str:
    """What to do where `error`, or what led to it, is an array that found no room; empty where it is another."""
    while error is not None and not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if error is None:
        return ""
    first, *_ = [*str(error).splitlines(), ""]
    reason = re.sub(r"^\w+: |\.$", "", first.strip())[:300]
    return (
        f"there is no memory for this ({reason or 'the machine has none left'}); lower the sizes in the config: "
        "environments, unrolls, minibatches, members, slots or the network's, whichever is large"
    )


def platform_sentence(reason: str, environment: Mapping[str, str] = os.environ) -> str:
    """What to do where JAX cannot start for `reason`."""
    asked = ", ".join(f"{name}={environment[name]}" for name in PLATFORMS if environment.get(name))
    reason = re.sub(r"^\w+(\.\w+)*Error: ?| \(set JAX_PLATFORMS=.*", "", " ".join(reason.split()))
    return (
        f"JAX cannot start{f' with {asked}' if asked else ''}: {reason or 'there is no such device or its plugin'}; "
        "set JAX_PLATFORMS=cpu, or unset it for the best device that is here; `jaxrl doctor` says what works"
    )


def _trial(environment: Mapping[str, str]) -> list[str] | None:
    """Start JAX in a process of its own: what it says where that fails, and None where it works or takes long."""
    words = [sys.executable, "-c", START]
    try:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, errors="replace", timeout=TRIAL_S)
    except subprocess.TimeoutExpired:
        return None
    return [line.strip() for line in done.stderr.splitlines() if line.strip()] if done.returncode else None
