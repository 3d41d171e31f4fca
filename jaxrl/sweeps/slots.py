"""How many runs fit on this machine side by side, and what each of them may use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jaxrl.errors import ConfigError

GPU_MEMORY = 0.9  # share of a GPU's memory that its runs divide; the rest is the driver's


@dataclass(frozen=True)
class Slot:
    """The place of one run: the cores that it is pinned to, and its environment variables."""

    cores: tuple[int, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def make_slots(
    jobs: int | None,
    cores_per_run: int,
    runs_per_gpu: int,
    cores: Sequence[int] | None = None,
    gpus: Sequence[str] | None = None,
) -> list[Slot]:
    """A slot per run that fits.

    With GPUs `runs_per_gpu` on each, which share its memory evenly; without, as many as have `cores_per_run` cores.
    The cores are dealt out evenly; runs share them only if there are more runs than cores.

    Args:
        jobs: how many instead; None for as many as fit.
        cores: to deal out; those that this process may use unless given.
        gpus: as in CUDA_VISIBLE_DEVICES; those that are visible unless given.
    """
    cores = sorted(os.sched_getaffinity(0)) if cores is None else cores
    gpus = visible_gpus() if gpus is None else gpus
    for name, value in (("--jobs", jobs), ("--cores-per-run", cores_per_run), ("--runs-per-gpu", runs_per_gpu)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} must be at least 1, not {value}")
    fit = len(gpus) * runs_per_gpu if gpus else max(1, len(cores) // cores_per_run)
    number = jobs or fit
    slots = []
    for index in range(number):
        mine = tuple(cores[index * len(cores) // number : (index + 1) * len(cores) // number])
        slots.append(Slot(mine or (cores[index % len(cores)],), _environment(index, number, gpus)))
    return slots


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """NVIDIA GPUs that a run would see; asks the driver, so that the launcher need not start JAX."""
    if environment.get("JAX_PLATFORMS", "") == "cpu":
        return []
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(index) for index, line in enumerate(filter(None, listing.splitlines())) if line.startswith("GPU ")]


def _environment(index: int, number: int, gpus: Sequence[str]) -> dict[str, str]:
    if not gpus:
        return {}
    sharing = -(-number // len(gpus))
    fraction = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{GPU_MEMORY / sharing:.3f}"} if sharing > 1 else {}
    return {"CUDA_VISIBLE_DEVICES": gpus[index % len(gpus)], **fraction}
