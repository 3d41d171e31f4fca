"""What a study will cost, before it starts: disk and jobs, and hours where there is a measurement of its speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import jax

from jaxrl.config.parsing import read_config
from jaxrl.run.experiment import INIT_KEY, build
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.progress import last_report
from jaxrl.sweeps.sweep_folder import SweepFolder

METRICS_LINE = 1_200  # bytes of one report, from recorded runs
EPISODE_LINE = 110  # bytes
EPISODE_STEPS = 500  # env steps of a short episode, so that the estimate is an upper one
OTHER = 500_000  # bytes: figure, log, config


@dataclass(frozen=True)
class Costs:
    """What the runs that are still to be done will take."""

    runs: int
    frames: float
    gigabytes: float


class Speed(NamedTuple):
    """Frames/s of one run, and who measured it."""

    frames_per_second: float
    source: str


def measured(folder: SweepFolder, runs: Sequence[Run]) -> Speed | None:
    """The median over the runs of a study that have trained in `folder`; None where none has."""
    rates = []
    for run in runs:
        row = last_report(folder, run)
        if row.get("progress/wall") and row.get("progress/frames"):
            rates.append(row["progress/frames"] / row["progress/wall"])
    return Speed(median(rates), f"the median of {len(rates)} runs so far") if rates else None


def estimate(runs: Sequence[Run]) -> Costs:
    """Builds each agent once, without training or allocating it, for the size of its checkpoints."""
    frames, size = 0.0, 0.0
    per_run: dict[tuple[str, str], tuple[int, float]] = {}
    for run in runs:
        key = (run.sweep, run.config)  # games of one sweep have networks of one size, but for a few actions
        if key not in per_run:
            per_run[key] = _frame_skip_and_bytes(run)
        skip, stored = per_run[key]
        frames += skip * run.env_steps
        size += stored
    return Costs(len(runs), frames, size / 1e9)


def describe(costs: Costs, scale: str, device: str, at_a_time: int, speed: Speed | None) -> str:
    """The plan in words; without a measured speed it has no hours."""
    time = (
        "not known: nothing was measured here; `jaxrl bench CONFIG --json FILE` measures, and --frames-per-second "
        "takes the number"
    )
    if speed is not None:
        hours = costs.frames / speed.frames_per_second / 3600
        time = (
            f"{hours:,.1f} {device}-hours at {speed.frames_per_second:,.0f} frames/s a run ({speed.source})\n"
            f"         {hours / 24 / max(1, at_a_time):,.2f} days with {at_a_time} at a time"
        )
    return (
        f"scale {scale}: {costs.runs} runs to do, {costs.frames / 1e6:,.1f}M frames\n"
        f"  time   {time}\n"
        f"  disk   {costs.gigabytes:,.2f} GB at most, checkpoints, metrics and episodes\n"
        f"  jobs   {costs.runs}"
    )


def _frame_skip_and_bytes(run: Run) -> tuple[int, float]:
    config = read_config(run.config, run.words)
    experiment = build(config)
    state = jax.eval_shape(experiment.agent.init, experiment.key(INIT_KEY))
    leaves = [leaf for leaf in jax.tree.leaves(state) if hasattr(leaf.dtype, "itemsize")]
    checkpoint = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    # Beside the state: lag + 1 published versions, each at most as large as the parameters; one more while writing.
    checkpoints = (config.record.keep_checkpoints + 1) * checkpoint * (1 + (config.runtime.policy_lag + 1) / 3)
    runtime = config.runtime
    samples = runtime.num_actors * runtime.pools_per_actor * runtime.envs_per_pool * runtime.unroll_length
    reports = config.env_steps / samples / config.record.report_every
    lines = reports * METRICS_LINE + config.env_steps / EPISODE_STEPS * EPISODE_LINE
    return experiment.spec.frame_skip, checkpoints + lines + OTHER
