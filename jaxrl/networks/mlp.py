"""A multilayer perceptron for vectors, and for anything small enough to be flattened into one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxrl.errors import ConfigError
from jaxrl.networks.family import FamilyConfig, complete, one_array
from jaxrl.networks.heads import ROOT_TWO, PolicyValueNetwork, dense
from jaxrl.types import EnvSpec


@dataclass(frozen=True)
class Config(FamilyConfig):
    """Dense layers over the flattened observation, shared by policy and value."""


def make(config: Config, spec: EnvSpec) -> PolicyValueNetwork:
    """The network for an environment: `apply({"params": params}, observation [N, ...]) -> NetworkOutput`.

    Raises:
        ConfigError: a setting cannot work.
    """
    one_array(config, spec)
    if not config.hidden_sizes:
        raise ConfigError("network.hidden_sizes is empty; network mlp needs at least one layer, as in [64, 64].")
    return complete(config, MLPTorso(config.hidden_sizes, jnp.dtype(config.dtype)), spec)


class MLPTorso(nn.Module):
    """Dense layers over the flattened observation, [N, ...] -> [N, F].

    Args:
        hidden_sizes: widths.
        dtype: of the computation.
        activation: after every layer.
    """

    hidden_sizes: tuple[int, ...]
    dtype: Any = jnp.float32
    activation: Callable[[jax.Array], jax.Array] = nn.tanh

    @nn.compact
    def __call__(self, observation: jax.Array) -> jax.Array:
        x = observation.reshape(observation.shape[0], -1)
        x = x.astype(self.dtype) / 255 if x.dtype == jnp.uint8 else x.astype(self.dtype)
        for i, size in enumerate(self.hidden_sizes):
            x = self.activation(dense(size, ROOT_TWO, self.dtype, f"dense_{i}")(x))
        return x
