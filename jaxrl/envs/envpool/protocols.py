"""Atari protocols as data: what an agent sees and how an episode starts and ends. Free of JAX and of EnvPool.

A score means nothing without its protocol, so every run folder, figure and table carries `Protocol.label`. Common to
all presets: 4 frames per env step, the last 4 grey frames stacked, no fire on reset, a lost life ends no episode, and
the reward leaves the environment raw; clipping or transforming it is the learner's business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from jaxrl.config.ranges import check_ranges
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.errors import ConfigError


@dataclass(frozen=True)
class Protocol:
    """One fixed set of Atari rules.

    Args:
        label: for logs and figures, such as `paper` or `cpu + noop_max=1`.
        frame_size: side of the square frame in pixels.
        full_action_set: all 18 actions, or only those that do something in the game.
        sticky_actions: probability that the previous action is repeated instead.
        noop_max: 1 to so many no-ops start an episode.
        max_episode_steps: env steps after which an episode is truncated.
        frame_skip: frames per env step.
        frame_stack: frames in an observation.
        random_starts: so many actions at the start of an episode are drawn at random.
    """

    label: str
    frame_size: int
    full_action_set: bool
    sticky_actions: float
    noop_max: int
    max_episode_steps: int
    frame_skip: int = 4
    frame_stack: int = 4
    random_starts: int = 0


PRESETS: dict[str, Protocol] = {
    # Machado et al. 2018: stochastic through sticky actions, 108,000 frames.
    "machado": Protocol("machado", 84, True, sticky_actions=0.25, noop_max=1, max_episode_steps=27_000),
    # CASA and GDI: stochastic through no-op starts only, 100,000 frames.
    "paper": Protocol("paper", 84, True, sticky_actions=0.0, noop_max=30, max_episode_steps=25_000),
    # The laptop variant of `paper`: a quarter of the pixels, only the game's own actions. Never mix its scores with it.
    "cpu": Protocol("cpu", 42, False, sticky_actions=0.0, noop_max=30, max_episode_steps=27_000),
}

OVERRIDABLE = ("sticky_actions", "full_action_set", "noop_max", "max_episode_steps", "frame_size", "random_starts")


def overrides(config: EnvPool) -> dict[str, Any]:
    """The protocol settings that `config` sets itself, by name."""
    values = {name: getattr(config, name) for name in OVERRIDABLE}
    return {name: value for name, value in values.items() if value is not None}


def resolve(config: EnvPool) -> Protocol:
    """The preset of `config.protocol` with the config's own settings in place; raises `ConfigError`."""
    if config.protocol not in PRESETS:
        raise ConfigError(f"env.protocol must be one of {', '.join(PRESETS)}, got {config.protocol}")
    check_ranges(config, "env.")
    preset = PRESETS[config.protocol]
    changed = {name: value for name, value in overrides(config).items() if value != getattr(preset, name)}
    label = " + ".join([preset.label, *(f"{name}={value}" for name, value in changed.items())])
    protocol = replace(preset, label=label, **changed)
    if protocol.sticky_actions == 1:
        raise ConfigError("env.sticky_actions must be below 1, where the first action would be repeated for ever")
    return protocol
