"""The range of every setting that has one, in one table; types are checked by `jaxrl.config.parsing`."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from jaxrl.config.sections import ExperimentConfig
from jaxrl.errors import ConfigError


@dataclass(frozen=True)
class Bounds:
    """`low <= value <= high`, or `low < value <= high` where it is open."""

    low: float
    high: float = math.inf
    open: bool = False  # below

    def contain(self, value: float) -> bool:
        """NaN is in no range."""
        return (value > self.low if self.open else value >= self.low) and value <= self.high

    def __str__(self) -> str:
        low = f"above {self.low}" if self.open else f"at least {self.low}"
        return low if self.high == math.inf else f"{low} and at most {self.high}"


MAX_SEED = 2**32 - 1  # a JAX key keeps 32 bits: 2**32 would be seed 0 again
POSITIVE = Bounds(0, open=True)
SHARE = Bounds(0, 1)
# Agents compute in float32, where 1e-50 is 0 and 1e40 infinity.
TINY, HUGE = 1e-37, 3e38
FINITE = Bounds(-HUGE, HUGE)

HYPERS = {  # of any agent that has them; others are FINITE
    "learning_rate": Bounds(0, HUGE),
    "weight_decay": Bounds(0, HUGE),
    "discount_factor": SHARE,
    # Colder is the argmax already, and where logits reach 1e9 their rounding overflows the softmax; hotter is uniform,
    # and the loss of `temperature_factor` overflows.
    "temperature": Bounds(1e-6, 1e20),
    "advantage_scale": Bounds(TINY, HUGE),
    "rho_clip": Bounds(TINY),  # infinity does not clip
    "c_clip": Bounds(TINY),
    "trace_lambda": SHARE,
}

BOUNDS = {
    "seed": Bounds(0, MAX_SEED),
    "env_steps": Bounds(1),
    "max_minutes": Bounds(0),
    "network.core_size": Bounds(1),
    "runtime.num_actors": Bounds(1),
    "runtime.pools_per_actor": Bounds(1),
    "runtime.envs_per_pool": Bounds(1),
    "runtime.threads_per_pool": Bounds(0),
    "runtime.unroll_length": Bounds(1),
    "runtime.policy_lag": Bounds(0),
    "runtime.timeout_s": POSITIVE,
    "hosts.timeout_s": POSITIVE,
    "record.report_every": Bounds(1),
    "record.checkpoint_every": Bounds(1),
    "record.keep_checkpoints": Bounds(1),
    "evaluation.episodes": Bounds(0),
    "evaluation.num_envs": Bounds(1),
    "population.size": Bounds(1),
    "population.pbt.every": Bounds(0),
    "agent.num_epochs": Bounds(1),
    "agent.num_minibatches": Bounds(1),
    "agent.burn_in": Bounds(0),
    "agent.replay.capacity": Bounds(0),
    "agent.replay.per_fresh": Bounds(1),
    "agent.optimiser.max_grad_norm": Bounds(TINY),
    "agent.optimiser.epsilon": Bounds(0, HUGE),
    "agent.optimiser.warmup_updates": Bounds(0),
    "agent.exploration.max_inverse_temperature": Bounds(1e-20, 1e6),  # below 1e-3 all temperatures are the hottest
    "agent.exploration.num_blocks": Bounds(1),
    "agent.exploration.num_bandits": Bounds(1),
    "agent.exploration.num_candidates": Bounds(1),
    "agent.exploration.ucb": Bounds(0, HUGE),
    "agent.exploration.ladder_epsilon": SHARE,
    "agent.exploration.ladder_exponent": Bounds(0, HUGE),
}


def check_bounds(config: ExperimentConfig) -> None:
    """Raises `ConfigError` for the first setting outside its range; settings that an agent lacks are passed over."""
    hypers = config.agent.hypers
    of_hypers = {f"agent.hypers.{field.name}": bounds_of(field.name) for field in fields(hypers)}
    for name, bounds in (BOUNDS | of_hypers).items():
        value = _value(config, name)
        if value is not None and not bounds.contain(value):
            raise ConfigError(f"{name} must be {bounds}, got {value}")
    if getattr(hypers, "c_clip", 0) > getattr(hypers, "rho_clip", math.inf):
        raise ConfigError(
            f"agent.hypers.c_clip must be at most agent.hypers.rho_clip, got {hypers.c_clip} and {hypers.rho_clip}"
        )
    exploration = getattr(config.agent, "exploration", None)
    if exploration is not None and exploration.num_candidates > exploration.num_blocks:
        raise ConfigError(
            f"agent.exploration.num_candidates must be at most agent.exploration.num_blocks, got "
            f"{exploration.num_candidates} and {exploration.num_blocks}"
        )


def bounds_of(hyper: str) -> Bounds:
    """The range of a hyper-parameter."""
    return HYPERS.get(hyper, FINITE)


def check_hyper(setting: str, name: str, value: float) -> None:
    """The same for one hyper-parameter that `setting` lists; raises `ConfigError`."""
    bounds = bounds_of(name)
    if not bounds.contain(value):
        raise ConfigError(f"{setting}: {name} must be {bounds}, got {value:g}")


def _value(config: ExperimentConfig, name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part, None)
    return value
