"""A multilayer perceptron for vectors, and for anything small enough to be flattened into one, of several parts too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxrl.errors import ConfigError
from jaxrl.networks.family import FamilyConfig, check_input, complete
from jaxrl.networks.heads import ROOT_TWO, PolicyValueNetwork, dense
from jaxrl.networks.motion import motion_frames
from jaxrl.types import EnvSpec, PyTree


@dataclass(frozen=True)
class Config(FamilyConfig):
    """Dense layers over the flattened observation.

    Args:
        separate_value: layers of its own for the value, of the same widths; otherwise policy and value share them.
    """

    separate_value: bool = False


def make(config: Config, spec: EnvSpec) -> PolicyValueNetwork:
    """The network for an environment: `apply({"params": params}, observation [N, ...]) -> NetworkOutput`.

    Raises:
        ConfigError: a setting cannot work.
    """
    check_input(config, spec)
    if not config.hidden_sizes:
        raise ConfigError("network.hidden_sizes is empty; network mlp needs at least one layer, as in [64, 64].")
    dtype, motion = jnp.dtype(config.dtype), config.input == "motion"
    torsos = (MLPTorso(config.hidden_sizes, dtype, motion=motion) for _ in range(1 + config.separate_value))
    return complete(config, next(torsos), spec, next(torsos, None))


class MLPTorso(nn.Module):
    """Dense layers over the flattened observation, whose arrays are [N, ...], -> [N, F].

    Args:
        hidden_sizes: widths.
        dtype: of the computation.
        activation: after every layer.
        motion: show `motion_frames` to the layers.
    """

    hidden_sizes: tuple[int, ...]
    dtype: Any = jnp.float32
    activation: Callable[[jax.Array], jax.Array] = nn.tanh
    motion: bool = False

    @nn.compact
    def __call__(self, observation: PyTree) -> jax.Array:
        seen = motion_frames(observation) if self.motion else observation
        parts = [self._flat(part) for part in jax.tree.leaves(seen)]
        x = parts[0] if len(parts) == 1 else jnp.concatenate(parts, -1)
        for i, size in enumerate(self.hidden_sizes):
            x = self.activation(dense(size, ROOT_TWO, self.dtype, f"dense_{i}")(x))
        return x

    def _flat(self, part: jax.Array) -> jax.Array:
        x = part.reshape(part.shape[0], -1)
        return x.astype(self.dtype) / 255 if x.dtype == jnp.uint8 else x.astype(self.dtype)
