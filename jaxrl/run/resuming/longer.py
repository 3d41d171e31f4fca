"""What more env steps do to the learning rate of a run that is resumed: a linear schedule ends at another update."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxrl.agents.optimiser import schedule_factor
from jaxrl.config.plan import make_plan
from jaxrl.config.sections import ExperimentConfig
from jaxrl.errors import ConfigError
from jaxrl.run.resuming.same_experiment import SCHEDULE, Resumed


def rates(saved: ExperimentConfig, config: ExperimentConfig, updates: int, env_steps: int) -> tuple[float, float]:
    """Multipliers of the learning rate after so much, by the length that the run had and by the one it gets; equal
    where that is the same, or nothing follows it."""
    if not hasattr(config.agent, "optimiser"):  # an agent of the user's own
        return 1.0, 1.0
    optimiser, done = config.agent.optimiser, jnp.asarray(updates)

    def rate(each: ExperimentConfig) -> float:
        if optimiser.schedule != "constant" and env_steps >= each.env_steps:
            return 0.0
        plan = make_plan(each, jax.process_count())
        return float(
            schedule_factor(optimiser, done, plan.num_updates, jnp.float32(env_steps / plan.samples_per_update))
        )

    return rate(saved), rate(config)


def check_rate(resumed: Resumed, updates: int, env_steps: int) -> None:
    """Raises `ConfigError` where the learning rate had reached 0 and would rise from there, and nobody asked for it."""
    run, saved, config, asked = resumed
    old, new = rates(saved, config, updates, env_steps)
    if old == 0 < new and not asked:
        kept = f"{SCHEDULE} {config.agent.optimiser.schedule}"
        raise ConfigError(
            f"the learning rate of {run} has reached 0 at update {updates} ({kept}), and {config.env_steps:,} env "
            f"steps would raise it to {new:.3g} of its peak; type --{kept} as well to have that, or start a new run of "
            "that length"
        )


def rate_sentence(resumed: Resumed, updates: int, env_steps: int) -> str:
    """What the schedule does; empty where it is the same."""
    saved, config = resumed.saved, resumed.config
    old, new = rates(saved, config, updates, env_steps)
    if old == new:
        return ""
    return (
        f"the learning rate goes from {old:.3g} to {new:.3g} of its peak at update {updates}: {SCHEDULE} "
        f"{config.agent.optimiser.schedule} now ends with {config.env_steps:,} env steps, and ended with "
        f"{saved.env_steps:,}"
    )
