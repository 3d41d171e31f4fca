"""An agent without code, for tests of configs: its dataclasses, and a config that names it `fake`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from jaxrl.config.ranges import AtLeast


@dataclass(frozen=True)
class Hypers:
    """Floats.

    Args:
        learning_rate: size of a step.
    """

    learning_rate: float = 5e-4
    discount_factor: float = 0.99


@dataclass(frozen=True)
class Config:
    """An agent that exists for these tests.

    Args:
        num_epochs: how often each sample is trained.
    """

    num_epochs: Annotated[int, AtLeast(1)] = 1
    reward_transform: Literal["clip", "identity"] = "clip"
    betas: tuple[float, ...] = (0.9, 0.999)
    hypers: Hypers = field(default_factory=lambda: Hypers(discount_factor=0.9))


def make(config: Config, network: Any, spec: Any, num_updates: int) -> Any:
    """Never called."""
    raise NotImplementedError


PONG = """\
name: pong-test
seed: 0
env_steps: 5_000_000
env: {id: Pong-v5, protocol: cpu, noop_max: 30}
network:
  torso: small
  hidden_sizes: [256, 128]
agent: {name: fake, num_epochs: 2, hypers: {learning_rate: 5e-4}}
runtime: {num_actors: 2}
"""
