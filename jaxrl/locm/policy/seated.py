"""A trained policy as a player of whole batches of games, compiled with them."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jax import Array

from jaxrl import ops
from jaxrl.envs.locm.observe import legal_actions
from jaxrl.envs.locm.state import State, Version
from jaxrl.locm.players import Memory, Mind, Player
from jaxrl.locm.policy.network import CardNetwork, Config
from jaxrl.locm.policy.weights import PolicyError, Weights
from jaxrl.locm.table import view


def make_network(weights: Weights) -> CardNetwork:
    """The network that the weights are of; raises `PolicyError` where they are of another version of it."""
    names = {field.name for field in dataclasses.fields(Config)}
    if unknown := sorted(set(weights.settings) - names):
        raise PolicyError(f"{weights.name} has a network with {unknown[0]}, which this version of jaxrl does not know")
    return CardNetwork(Config(**weights.settings))


def policy_player(weights: Weights, version: Version, sampled: bool = False) -> Player:
    """The policy as a player: the most probable legal action, or one drawn with its probability."""
    network = make_network(weights)
    params = jax.tree.map(jnp.asarray, weights.params)

    def apply(state: State, memory: Memory) -> tuple[Array, Array, Memory]:
        """Logits [B, 145], -inf where not legal, values [B] and the new memory."""
        seen = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), view(state, version))
        goes_on = jnp.zeros((len(seen.in_battle), 1), bool)  # a game that has not begun has a memory of zeros
        out = network.apply({"params": params}, seen, goes_on, memory)
        legal = legal_actions(state, version).T
        return jnp.where(legal, weights.scale * out.policy, -jnp.inf), out.value, out.memory  # pyright: ignore[reportAttributeAccessIssue]

    def act(key: Array, state: State, memory: Memory) -> tuple[Array, Memory]:
        logits, _, memory = apply(state, memory)
        action = ops.sample(key, logits) if sampled else jnp.argmax(logits, axis=-1)
        return action.astype(jnp.int16), memory

    def look(state: State, memory: Memory) -> tuple[Array, Array]:
        logits, value, _ = apply(state, memory)
        return jax.nn.softmax(logits).T, value

    def forgetful(key: Array, state: State) -> Array:
        return act(key, state, network.initial_memory(state.winner.shape[-1]))[0]

    return Player(weights.name, forgetful, forgetful, Mind(network.initial_memory, act, look))
