"""The policy's transformer as a network of the agents: `policy` and `value` along whole streams, or token by token."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.speech.policy.transformer import Cache, Transformer
from jaxrl.types import Key, PyTree

# At the policy's learning rate alone a value that begins at 0 would be believed for a thousand updates.
VALUE_SCALE = 10.0


class Read(NamedTuple):
    """What the agents see of a network."""

    policy: jax.Array  # [N, A]
    value: jax.Array  # [N]
    memory: PyTree


class Memory(NamedTuple):
    """What a stream remembers; leaves [B, ...]."""

    cache: Cache
    place: jax.Array  # int32 [B], of the next token


class TokenNetwork:
    """A transformer with a value head, that begins as a supervised policy.

    One token of each stream goes through the cache. More of them are whole streams from their first token on, all at
    once, and what the actor remembered is not needed; both give the same logits (`tests/speech/rl/test_rollout.py`).
    The value is linear in the last hidden state, a constant to it: its regression moves no weight of the policy's.

    Args:
        model: the transformer.
        supervised: its parameters, with which `init` begins whatever the key is.
        places: of the cache: the longest stream.
    """

    def __init__(self, model: Transformer, supervised: PyTree, places: int):
        self.model: Any = model
        self._supervised, self._places = supervised, places

    def init(self, rngs: Key, observation: PyTree) -> PyTree:
        """The supervised parameters, and a value that is 0 everywhere."""
        del rngs, observation
        head = {"kernel": jnp.zeros((self.model.width,)), "bias": jnp.zeros(())}
        return {"params": {"policy": jax.tree.map(jnp.copy, self._supervised), "value": head}}

    def initial_memory(self, num_envs: int) -> Memory:
        """Of streams of which nothing was read."""
        return Memory(self.model.empty_cache(num_envs, self._places), jnp.zeros(num_envs, jnp.int32))

    def apply(self, variables: PyTree, observation: jax.Array, *recurrent: PyTree) -> Read:
        """Tokens int32 [B T], with `first` [B, T] and the memory before them."""
        params, (first, memory) = variables["params"], recurrent
        batch, time = first.shape
        if time == 1:
            inputs = {"params": params["policy"]}, observation, memory.cache, memory.place
            logits, cache = self.model.apply(*inputs, method="step")
            return Read(logits, jnp.zeros(batch), Memory(cache, memory.place + 1))

        def both(model: Any, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
            hidden = model.features(tokens)
            return hidden, model.head(hidden)

        tokens = observation.reshape(batch, time)
        hidden, logits = self.model.apply({"params": params["policy"]}, tokens, method=both)
        value = VALUE_SCALE * (jax.lax.stop_gradient(hidden) @ params["value"]["kernel"] + params["value"]["bias"])
        return Read(logits.reshape(batch * time, -1), value.reshape(-1), memory)
