"""What more env steps do to the learning rate of a run that is resumed: a linear schedule ends at another update."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.agents.optimiser import schedule_factor
from jaxrl.config.plan import make_plan
from jaxrl.config.sections import ExperimentConfig
from jaxrl.errors import ConfigError

SCHEDULE = "agent.optimiser.schedule"  # typed again with its own value, it asks for what would otherwise be refused


class Rates(NamedTuple):
    """Multipliers of the learning rate at one update: by the length that the run had, and by the one it gets."""

    old: float
    new: float


def rates(saved: ExperimentConfig, config: ExperimentConfig, updates: int) -> Rates:
    """Those after `updates`; equal where the length is the same, or nothing follows it."""
    if not hasattr(config.agent, "optimiser"):  # an agent of the user's own
        return Rates(1.0, 1.0)
    lengths = (make_plan(each, jax.process_count()).num_updates for each in (saved, config))
    done = jnp.asarray(updates)
    return Rates(*(float(schedule_factor(config.agent.optimiser, done, length)) for length in lengths))


def check_rate(saved: ExperimentConfig, config: ExperimentConfig, updates: int) -> None:
    """Raises `ConfigError` where the learning rate had reached 0 and would rise from there."""
    old, new = rates(saved, config, updates)
    if old == 0 < new:
        raise ConfigError(
            f"the learning rate has reached 0 at update {updates} ({SCHEDULE} {config.agent.optimiser.schedule}), and "
            f"{config.env_steps:,} env steps would raise it to {new:.3g} of its peak; type --{SCHEDULE} "
            f"{config.agent.optimiser.schedule} as well to have that, or start a new run of that length"
        )


def rate_sentence(saved: ExperimentConfig, config: ExperimentConfig, updates: int) -> str:
    """What the schedule does; empty where it is the same."""
    old, new = rates(saved, config, updates)
    if old == new:
        return ""
    return (
        f"the learning rate goes from {old:.3g} to {new:.3g} of its peak at update {updates}: {SCHEDULE} "
        f"{config.agent.optimiser.schedule} now ends with {config.env_steps:,} env steps, and ended with "
        f"{saved.env_steps:,}"
    )
