"""Recurrent cores: what remembers between the torso and the heads."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn


class LSTMState(NamedTuple):
    """What an LSTM remembers; float32 whatever the network computes in, because errors would add up."""

    hidden: jax.Array  # [B, H], what the heads see
    cell: jax.Array  # [B, H]


def initial_memory(num_envs: int, size: int) -> LSTMState:
    """Nothing remembered yet: zeros, which is also what a core is reset to where an episode starts."""
    zero = jnp.zeros((num_envs, size), jnp.float32)
    return LSTMState(zero, zero)


class LSTM(nn.Module):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

        h, c     = 0 where `first`, else as they were
        i,f,g,o  = split(x W + h U + b)
        c'       = sigmoid(f) c + sigmoid(i) tanh(g)
        h'       = sigmoid(o) tanh(c')

    Args:
        size: H.
        dtype: of the products.
    """

    size: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: jax.Array, first: jax.Array, memory: LSTMState) -> tuple[jax.Array, LSTMState]:
        """Features [B, T, F] and `first` [B, T] -> outputs [B, T, H] and the memory after the last row."""
        width = 4 * self.size
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (features.shape[-1], width))
        recurrent = self.param("recurrent_kernel", _orthogonal_gates, (self.size, width))
        bias = self.param("bias", _remember_at_first, (width,))
        # All rows at once: only the product with h has to wait for the row before.
        driven = jnp.dot(features.astype(self.dtype), kernel.astype(self.dtype)).astype(jnp.float32) + bias
        recurrent = recurrent.astype(self.dtype)

        def step(memory: LSTMState, row: tuple[jax.Array, jax.Array]) -> tuple[LSTMState, jax.Array]:
            driven, first = row
            hidden, cell = jax.tree.map(lambda x: jnp.where(first[:, None], 0, x), memory)
            gates = driven + jnp.dot(hidden.astype(self.dtype), recurrent).astype(jnp.float32)
            write, keep, candidate, show = jnp.split(gates, 4, axis=-1)
            cell = nn.sigmoid(keep) * cell + nn.sigmoid(write) * jnp.tanh(candidate)
            hidden = nn.sigmoid(show) * jnp.tanh(cell)
            return LSTMState(hidden, cell), hidden

        # Over time: rows become the leading axis and environments stay where they are.
        memory, outputs = jax.lax.scan(step, memory, (driven.swapaxes(0, 1), first.T))
        return outputs.swapaxes(0, 1), memory


def _orthogonal_gates(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """One orthogonal matrix for each of the four gates: h neither grows nor shrinks by the start alone."""
    keys = jax.random.split(key, 4)
    square = (shape[0], shape[1] // 4)
    return jnp.concatenate([nn.initializers.orthogonal()(k, square) for k in keys], axis=1)


def _remember_at_first(key: jax.Array, shape: tuple[int]) -> jax.Array:
    """Zero but for the forget gates, which 1 holds open (Jozefowicz et al. 2015)."""
    del key
    return jnp.zeros(shape).at[shape[0] // 4 : shape[0] // 2].set(1.0)
