"""The policy head and the value head over a torso, perhaps with a core between them."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxrl.networks.lstm import LSTM, initial_memory
from jaxrl.types import Memory

ROOT_TWO = 2**0.5


def dense(features: int, gain: float, dtype: Any, name: str) -> nn.Dense:
    """A dense layer with orthogonal kernel of this gain and zero bias; parameters float32."""
    return nn.Dense(features, dtype=dtype, kernel_init=nn.initializers.orthogonal(gain), name=name)


class NetworkOutput(NamedTuple):
    """Both heads, float32 whatever the network computes in, and what is remembered after the last row."""

    policy: jax.Array  # [N, A]: logits for IMPALA, advantages before scaling for CASA; continuous [N, 2 D]
    value: jax.Array  # [N]
    memory: Memory = ()


class PolicyValueNetwork(nn.Module):
    """A torso, perhaps a recurrent core, and behind them a policy head and a value head.

    Args:
        torso: observation -> features [N, F].
        num_actions: A.
        core: what remembers; it sees the torso's features and nothing else.
        continuous: the policy is D means, and behind them D logarithms of standard deviations, parameters that start
            at 0 and do not depend on the observation.
        value_torso: what the value sees in place of the torso and the core.
    """

    torso: nn.Module
    num_actions: int
    core: LSTM | None = None
    continuous: bool = False
    value_torso: nn.Module | None = None

    def initial_memory(self, num_envs: int) -> Memory:
        """Of environments that have seen nothing; () without a core."""
        return () if self.core is None else initial_memory(num_envs, self.core.size)

    @nn.compact
    def __call__(self, observation: jax.Array, first: jax.Array | None = None, memory: Memory = ()) -> NetworkOutput:
        """Observations [N, ...] -> NetworkOutput.

        With a core the N rows are T rows of each of B environments, environment by environment, `first` is [B, T] and
        `memory` [B, ...]. Without these arguments every row is an episode of its own.
        """
        features = self.torso(observation)
        if self.core is not None:
            if first is None:
                first, memory = jnp.ones((len(features), 1), bool), self.initial_memory(len(features))
            rows, memory = self.core(features.reshape(*first.shape, features.shape[-1]), first, memory)
            features = rows.reshape(len(features), -1)
        # A small gain starts the policy close to uniform, so that nothing is ruled out before it was tried.
        # In float32 whatever the torso computes in: near 40 the neighbours of a bfloat16 are 0.25 away.
        policy = dense(self.num_actions, 0.01, jnp.float32, "policy")(features)
        if self.continuous:
            log_std = self.param("log_std", nn.initializers.zeros, (self.num_actions,))
            policy = jnp.concatenate([policy, jnp.broadcast_to(log_std, policy.shape)], -1)
        valued = features if self.value_torso is None else self.value_torso(observation)
        value = dense(1, 1.0, jnp.float32, "value")(valued)
        return NetworkOutput(policy, value[:, 0], memory)
