"""`jaxrl doctor`: what this machine and this installation can do, and how to put right what they cannot."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.text import Text

import jaxrl
from jaxrl.config.sections import RecordConfig
from jaxrl.record.versions import package_versions, usable_cores
from jaxrl.record.wandb import choose_mode, has_api_key
from jaxrl.run.backend import platform_fault

GIB = 2**30
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
PONG_STEP = """
import envpool, numpy
pool = envpool.make_gymnasium("Pong-v5", num_envs=1)
pool.reset()
pool.step(numpy.zeros(1, numpy.int32))
"""
REQUIRE = {
    "gpu": "install the CUDA build, `pip install 'jaxrl[cuda]'`, in a clone `pip install -e '.[cuda]'`, and its driver",
    "tpu": "install the TPU build, `pip install 'jaxrl[tpu]'` or in a clone `pip install -e '.[tpu]'`, on a TPU VM",
}


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    status: Literal["ok", "warn", "fail"]
    subject: str
    detail: str
    fix: str = ""  # what to do, where the status is not ok


def main(require: str | None = None) -> int:
    """Print every finding as soon as it is known; 1 if something failed or the required device is missing."""
    console = Console(soft_wrap=True, highlight=False)  # no colour where the output is piped
    counts = {"ok": 0, "warn": 0, "fail": 0}
    for check in CHECKS:
        for finding in guarded(check):
            counts[finding.status] += 1
            line = Text.assemble((f"{finding.status:5}", STYLES[finding.status]), (f" {finding.subject:12}", "bold"))
            line.append(f" {finding.detail}")
            if finding.fix:
                line.append(f"; {finding.fix}", "yellow")
            console.print(line)
    outcome = "fail" if counts["fail"] else "warn" if counts["warn"] else "ok"
    summary = {
        "ok": "everything works",
        "warn": "training works, with the warnings above",
        "fail": "not ready to train",
    }
    missing = ""
    if require is not None and not has_device(require):
        missing = f"JAX finds no {require.upper()} here; {REQUIRE[require]}"
    if outcome == "fail" or not missing:  # "everything works" is no news to somebody whose GPU is not found
        console.print(Text(summary[outcome], STYLES[outcome]))
    if missing:
        print(f"jaxrl: error: {missing}", file=sys.stderr)
        return 1
    return int(outcome == "fail")


def has_device(kind: str) -> bool:
    """Whether JAX can compute on a `gpu` or a `tpu`."""
    try:
        import jax

        return bool(jax.devices(kind))
    except Exception:  # whatever its plugin raises
        return False


def check_versions() -> Iterator[Finding]:
    yield Finding("ok", "jaxrl", f"{jaxrl.__version__} in {Path(jaxrl.__file__).parent}")
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        yield Finding("ok", "python", f"{version} on {platform.platform()}")
    else:
        yield Finding("warn", "python", version, "jaxrl supports Python 3.11 to 3.13")
    versions = package_versions()
    yield Finding("ok", "packages", ", ".join(f"{name} {number}" for name, number in versions.items() if number))
    for name in [name for name, number in versions.items() if number is None]:
        yield Finding("fail", name, "is not installed", f"run `pip install {name}`")


def check_devices() -> Iterator[Finding]:
    import jax
    import jax.numpy as jnp

    if fault := platform_fault():
        yield Finding("fail", "devices", fault)
        return
    devices = jax.devices()
    platform_name = devices[0].platform
    kinds = ", ".join(sorted({device.device_kind for device in devices}))
    for device in devices:
        # A driver that does not fit is found by the first kernel, not by the list of devices.
        ones = jax.device_put(jnp.ones((8, 8)), device)
        (ones @ ones).block_until_ready()
    detail = f"{len(devices)} x {platform_name} ({kinds}); a matrix product works"
    used = platform_name != "cpu" or not Path("/proc/driver/nvidia/version").exists()
    yield _warning_unless(used, "devices", detail, f"JAX does not use the NVIDIA GPU: {REQUIRE['gpu']}")


def check_cores() -> Iterator[Finding]:
    usable, total = usable_cores(), os.cpu_count() or 1
    quota = _cgroup("cpu.max")  # "200000 100000": microseconds of CPU time in each period
    limit = f", a quota of {int(quota[0]) / int(quota[1]):g}" if len(quota) == 2 and quota[0] != "max" else ""
    detail = f"{usable} of {total} usable{limit}"
    fix = "environments and learner take turns on one core: expect half the speed"
    yield _warning_unless(usable >= 2, "cores", detail, fix)


def check_memory() -> Iterator[Finding]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        yield Finding("ok", "memory", "unknown: this system has no /proc/meminfo")
        return
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    total, available = kib["MemTotal"] * 1024, kib["MemAvailable"] * 1024
    limit = _cgroup("memory.max")
    if limit and limit[0] != "max":
        total = min(total, int(limit[0]))
        available = min(available, total - int((_cgroup("memory.current") or ["0"])[0]))
    detail = f"{available / GIB:.1f} of {total / GIB:.1f} GiB available"
    fix = "a run needs about 2 GiB: use fewer --runtime.envs_per_pool"
    yield _warning_unless(available >= 2 * GIB, "memory", detail, fix)


def check_envpool() -> Iterator[Finding]:
    """In a process of its own: a compiled module that does not fit this machine can end or hang the process."""
    fix = "reinstall it with `pip install --force-reinstall envpool`, or use other environments, as --env.name catch"
    try:
        done = subprocess.run([sys.executable, "-c", PONG_STEP], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        yield Finding("fail", "envpool", "a step of Pong did not end within 60 s", fix)
        return
    if done.returncode == 0:
        yield Finding("ok", "envpool", f"{metadata.version('envpool')}; a step of Pong works")
    else:
        reason = (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1]
        yield Finding("fail", "envpool", f"a step of Pong fails: {reason}", fix)


def check_runs_dir() -> Iterator[Finding]:
    """Writable and with space, without leaving a folder behind."""
    runs = Path(RecordConfig().runs_dir).absolute()
    folder = next(parent for parent in [runs, *runs.parents] if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield Finding("fail", "runs", f"{runs}: {error.strerror}", "make it writable or set --record.runs_dir")
        return
    yield Finding("ok", "runs", f"{runs} is writable")
    free = shutil.disk_usage(folder).free
    fix = "checkpoints need up to 1 GiB: free space or set --record.runs_dir"
    yield _warning_unless(free >= GIB, "disk", f"{free / GIB:.1f} GiB free", fix)


def check_wandb() -> Iterator[Finding]:
    """Whether a key is set; its value is nobody's business."""
    if find_spec("wandb") is None:
        yield Finding("ok", "wandb", "not installed: metrics stay in the run folder")
        return
    key, mode = "a key is set" if has_api_key() else "no key", choose_mode("auto")
    does = "is off" if mode == "disabled" else f"logs {mode}"
    told = ", ".join(f"{name}={os.environ[name]}" for name in ("WANDB_MODE", "WANDB_DISABLED") if name in os.environ)
    yield Finding(
        "ok", "wandb", f"{metadata.version('wandb')}; {key}: --record.wandb auto {does}{told and f' ({told})'}"
    )


def check_flags() -> Iterator[Finding]:
    names = ("XLA_FLAGS", "JAX_PLATFORMS", "XLA_PYTHON_CLIENT_PREALLOCATE", "XLA_PYTHON_CLIENT_MEM_FRACTION")
    flags = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    yield Finding("ok", "xla flags", ", ".join(flags) or "none set")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_versions,
    check_devices,
    check_cores,
    check_memory,
    check_envpool,
    check_runs_dir,
    check_wandb,
    check_flags,
)


def _warning_unless(good: bool, subject: str, detail: str, fix: str) -> Finding:
    return Finding("ok", subject, detail) if good else Finding("warn", subject, detail, fix)


def guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """A check that breaks is a finding too: the doctor is most needed where things are broken."""
    try:
        yield from check()
    except Exception as error:
        subject = check.__name__.removeprefix("check_")
        reason = (str(error).strip().splitlines() or [""])[0]
        yield Finding("fail", subject, f"{type(error).__name__}: {reason}", "reinstall jaxrl from its lock file")


def _cgroup(file: str) -> list[str]:
    """The words of a limit that a container sets (cgroup 2), or none."""
    try:
        return Path("/sys/fs/cgroup", file).read_text().split()
    except OSError:
        return []
