"""What a study will cost, before it starts: hours, disk, jobs, each from an assumption that is printed beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax

from jaxrl.config.parsing import read_config
from jaxrl.run.experiment import INIT_KEY, build
from jaxrl.sweeps.expand import Run

METRICS_LINE = 1_200  # bytes of one report, from recorded runs
EPISODE_LINE = 110  # bytes
EPISODE_STEPS = 500  # env steps of a short episode, so that the estimate is an upper one
OTHER = 500_000  # bytes: figure, log, config


@dataclass(frozen=True)
class Costs:
    """What the runs that are still to be done will take."""

    runs: int
    frames: float
    hours: float  # of one device at a time
    gigabytes: float
    frames_per_second: float


def estimate(runs: Sequence[Run], frames_per_second: float) -> Costs:
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
    return Costs(len(runs), frames, frames / frames_per_second / 3600, size / 1e9, frames_per_second)


def describe(costs: Costs, scale: str, device: str, at_a_time: int) -> str:
    """The plan in words."""
    days = costs.hours / 24 / max(1, at_a_time)
    return (
        f"scale {scale}: {costs.runs} runs to do, {costs.frames / 1e6:,.1f}M frames\n"
        f"  time   {costs.hours:,.1f} {device}-hours at {costs.frames_per_second:,.0f} frames/s a run, an assumption: "
        "measure yours with `jaxrl bench CONFIG --json FILE` and give it with --frames-per-second\n"
        f"         {days:,.2f} days with {at_a_time} at a time\n"
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
