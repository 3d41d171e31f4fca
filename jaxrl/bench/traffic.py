"""What a training sends between host and device, counted from shapes: `python -m jaxrl.bench.traffic CONFIG ...`.

Actors on an accelerator send each observation to it, and fetch actions; at the end of an unroll the rest of what `act`
returned and the policy's memory follow, and the learner is sent the trajectory. Parameters stay on the device where
actors and learner share it. Anakin sends nothing, and fetches what episodes and the count of env steps are told from.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxrl.bench.programs import programs
from jaxrl.config.parsing import read_config
from jaxrl.run.experiment import Experiment, build
from jaxrl.runtime.actor import Recent
from jaxrl.runtime.anakin import told
from jaxrl.types import PyTree

HEADINGS = ("config", "to act", "to learn", "back", "sum", "GB/s at 33,000 env steps/s", "batch", "train state")
RATE = 33_000  # env steps per second: what EnvPool makes of 16 cores on Pong


class Traffic(NamedTuple):
    """Bytes; the first three for each row of each environment, over which what crosses once per unroll is spread."""

    to_act: float  # observations and flags for `act`
    to_learn: float  # trajectories for the learner
    back: float  # actions, behaviour, memory
    batch: int  # one update's trajectories, on the device
    state: int  # parameters, optimiser and replay, on the device

    @property
    def per_row(self) -> float:
        """Both directions."""
        return self.to_act + self.to_learn + self.back


def traffic(experiment: Experiment) -> Traffic:
    """What `experiment` moves; nothing is made or computed."""
    there, runtime = programs(experiment), experiment.config.runtime
    state, trajectory = there["update"].arguments
    rows = runtime.unroll_length * experiment.plan.num_envs
    sizes = size_of(trajectory), size_of(state)
    if runtime.kind == "anakin":
        return Traffic(0, 0, size_of(told(trajectory)) / rows, *sizes)
    _, acting, timestep, *_ = there["act"].arguments
    _, output = jax.eval_shape(there["act"].function, *there["act"].arguments)
    envs = runtime.envs_per_pool
    sent, memory = size_of(timestep), acting
    if isinstance(acting, Recent):  # the older frames are sent before the first row, and do not come back
        sent, memory = sent + size_of(acting.older) / runtime.unroll_length, acting.state
    back = (size_of(output) + size_of(memory) / runtime.unroll_length) / envs
    return Traffic(sent / envs, size_of(trajectory) / rows, back, *sizes)


def size_of(tree: PyTree) -> int:
    """Bytes of all leaves, arrays or their shapes."""
    return sum(int(np.prod(x.shape)) * _width(x.dtype) for x in jax.tree.leaves(tree))


def _width(dtype: np.dtype) -> int:
    is_key = jax.numpy.issubdtype(dtype, jax.dtypes.prng_key)
    return 8 if is_key else dtype.itemsize  # a threefry key is two words


def table(found: dict[str, Traffic]) -> str:
    """Markdown; one line a config, by its name."""
    lines = [HEADINGS, ("---", *["---:"] * (len(HEADINGS) - 1))]
    for name, moved in found.items():
        numbers = [f"{x:,.0f}" for x in (moved.to_act, moved.to_learn, moved.back, moved.per_row)]
        sizes = [f"{x / 1e6:,.1f} MB" for x in (moved.batch, moved.state)]
        lines.append((f"`{name}`", *numbers, f"{moved.per_row * RATE / 1e9:.2f}", *sizes))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(configs: Sequence[str]) -> None:
    """Print the table of these config files."""
    print(table({Path(path).stem: traffic(build(read_config(path, []))) for path in configs}), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
