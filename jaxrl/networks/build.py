"""NetworkConfig -> network."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxrl.config.sections import NetworkConfig
from jaxrl.errors import ConfigError
from jaxrl.networks.cores import LSTM, initial_memory
from jaxrl.networks.motion import motion_frames
from jaxrl.networks.torsos import NATURE, RESNET_CHANNELS, SMALL, MLPTorso, PlainTorso, ResNetTorso, dense
from jaxrl.types import EnvSpec, Memory

SMALLEST_FRAME = {"nature": 36, "small": 13, "resnet": 8}


class NetworkOutput(NamedTuple):
    """Both heads, float32 whatever the network computes in, and what is remembered after the last row."""

    policy: jax.Array  # [N, A]: logits for IMPALA, advantages before scaling for CASA
    value: jax.Array  # [N]
    memory: Memory = ()


class PolicyValueNetwork(nn.Module):
    """A torso, perhaps a recurrent core, and behind them a policy head and a value head.

    Args:
        torso: observation -> features [N, F].
        num_actions: A.
        dtype: of the heads' products.
        motion: show the torso `motion_frames` instead of the plain ones.
        core: what remembers; it sees the torso's features and nothing else.
    """

    torso: nn.Module
    num_actions: int
    dtype: jnp.dtype = jnp.dtype("float32")
    motion: bool = False
    core: LSTM | None = None

    def initial_memory(self, num_envs: int) -> Memory:
        """Of environments that have seen nothing; () without a core."""
        return () if self.core is None else initial_memory(num_envs, self.core.size)

    @nn.compact
    def __call__(self, observation: jax.Array, first: jax.Array | None = None, memory: Memory = ()) -> NetworkOutput:
        """Observations [N, ...] -> NetworkOutput.

        With a core the N rows are T rows of each of B environments, environment by environment, `first` is [B, T] and
        `memory` [B, ...]. Without these arguments every row is an episode of its own.
        """
        features = self.torso(motion_frames(observation) if self.motion else observation)
        if self.core is not None:
            if first is None:
                first, memory = jnp.ones((len(features), 1), bool), self.initial_memory(len(features))
            rows, memory = self.core(features.reshape(*first.shape, features.shape[-1]), first, memory)
            features = rows.reshape(len(features), -1)
        # A small gain starts the policy close to uniform, so that nothing is ruled out before it was tried.
        policy = dense(self.num_actions, 0.01, self.dtype, "policy")(features)
        value = dense(1, 1.0, self.dtype, "value")(features)
        return NetworkOutput(policy.astype(jnp.float32), value[:, 0].astype(jnp.float32), memory)


def make_network(config: NetworkConfig, spec: EnvSpec) -> PolicyValueNetwork:
    """The network for an environment: `apply({"params": params}, observation [N, ...]) -> NetworkOutput`.

    Raises:
        ConfigError: if the torso cannot take such observations.
    """
    check(config, spec)
    dtype = jnp.dtype(config.dtype)
    match config.torso:
        case "nature":
            torso: nn.Module = PlainTorso(NATURE, config.hidden_sizes, dtype)
        case "small":
            torso = PlainTorso(SMALL, config.hidden_sizes, dtype, multiple=4)
        case "resnet":
            torso = ResNetTorso(RESNET_CHANNELS, config.hidden_sizes, dtype)
        case "mlp":
            torso = MLPTorso(config.hidden_sizes, dtype)
    core = LSTM(config.core_size, dtype) if config.core == "lstm" else None
    return PolicyValueNetwork(torso, spec.num_actions, dtype, config.input == "motion", core)


def check(config: NetworkConfig, spec: EnvSpec) -> None:
    """Raise a ConfigError of one sentence where torso and observation do not fit."""
    shape = spec.observation_shape
    if config.input == "motion" and (len(shape) != 3 or spec.observation_dtype != "uint8"):
        raise ConfigError(
            f"network.input motion needs stacked uint8 frames, but the environment's observation is "
            f"{spec.observation_dtype} {list(shape)}; use network.input plain."
        )
    if any(size < 1 for size in config.hidden_sizes):
        raise ConfigError(f"network.hidden_sizes must be positive, not {list(config.hidden_sizes)}.")
    if config.core_size < 1:
        raise ConfigError(f"network.core_size must be at least 1, got {config.core_size}.")
    if config.torso == "mlp":
        if not config.hidden_sizes:
            raise ConfigError("network.hidden_sizes is empty; the mlp torso needs at least one layer, as in [64, 64].")
        return
    if config.torso not in SMALLEST_FRAME:
        choices = ", ".join((*SMALLEST_FRAME, "mlp"))
        raise ConfigError(f"network.torso {config.torso!r} does not exist; choose one of {choices}.")
    if len(shape) != 3:
        raise ConfigError(
            f"network.torso {config.torso!r} needs frames [channels, height, width], but the environment's observation "
            f"has shape {list(shape)}; use network.torso mlp."
        )
    smallest = SMALLEST_FRAME[config.torso]
    if min(shape[1:]) < smallest:
        raise ConfigError(
            f"network.torso {config.torso!r} needs frames of at least {smallest}x{smallest} pixels, not "
            f"{shape[1]}x{shape[2]}; use a larger env.frame_size or another torso."
        )
