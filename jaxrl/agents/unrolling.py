"""The network along a trajectory: what a learner computes again of what an actor did, burn-in included."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jaxrl import ops
from jaxrl.types import Frames, Key, Memory, Params, PyTree, Trajectory, map_trajectory


class Network(Protocol):
    """A flax module, or anything with its methods: `apply` returns `policy` [N, A], `value` [N] and `memory`.

    A recurrent network also takes `first` [B, T] and the memory before the first row, for N = B T observations in the
    order of the environments. One whose initial memory is () is never given them.
    """

    def init(self, rngs: Key, observation: PyTree) -> PyTree: ...
    def apply(self, variables: PyTree, observation: PyTree, *memory: PyTree) -> Any: ...
    def initial_memory(self, num_envs: int) -> Memory: ...


class Given(NamedTuple):
    """A network that begins with parameters it is given."""

    network: Network
    params: Params

    def init(self, rngs: Key, observation: PyTree) -> PyTree:
        """The parameters, whatever the key; copies, because an update reuses the memory of what it was given."""
        del rngs, observation
        return {"params": jax.tree.map(jnp.copy, self.params)}

    def apply(self, variables: PyTree, observation: PyTree, *memory: PyTree) -> Any:
        """As the network's."""
        return self.network.apply(variables, observation, *memory)

    def initial_memory(self, num_envs: int) -> Memory:
        """As the network's."""
        return self.network.initial_memory(num_envs)


def apply_network(network: Network, params: Params, observation: PyTree, first: jax.Array, memory: Memory) -> Any:
    """The network's output for observations [B T, ...] of B environments, with `first` [B, T]."""
    arguments = (first, memory) if jax.tree.leaves(memory) else ()
    return network.apply({"params": params}, observation, *arguments)


def whole(trajectory: Trajectory) -> Trajectory:
    """The trajectory with its observations stacked, where it has every frame once."""
    if not isinstance(trajectory.observation, Frames):
        return trajectory
    stacked = ops.stack_frames(trajectory.observation.frames, trajectory.first)
    return trajectory._replace(observation=stacked)


def unroll_network(network: Network, params: Params, trajectory: Trajectory) -> tuple[jax.Array, jax.Array]:
    """The policy head [T, B, A] and the value head [T+1, B] along a trajectory, from the memory that the actor had.

    The network sees [B (T+1), ...], environment by environment: in that order a batch that is sharded over B stays
    where it is.
    """
    output = _unroll(network, params, trajectory.observation, trajectory.first, _memory_of(network, trajectory))
    time, batch = trajectory.first.shape
    policy, value = (x.reshape(batch, time, *x.shape[1:]).swapaxes(0, 1) for x in (output.policy, output.value))
    return policy[:-1], value


def warm_up(network: Network, params: Params, trajectory: Trajectory, burn_in: int) -> Trajectory:
    """The trajectory without its first `burn_in` rows, from the memory that `params` have after them (a constant).

    The memory that the actor stored is that of older parameters; a few rows later little of the difference is left
    (Kapturowski et al. 2019, R2D2).
    """
    if burn_in == 0:
        return trajectory
    rest = map_trajectory(lambda x: x[burn_in:], lambda x: x, trajectory)
    observation = jax.tree.map(lambda x: x[:burn_in], trajectory.observation)
    params = jax.lax.stop_gradient(params)  # before, not after: then no backward pass is computed
    memory = _unroll(network, params, observation, trajectory.first[:burn_in], _memory_of(network, trajectory)).memory
    return rest._replace(actor_state=rest.actor_state._replace(memory=memory))


def _memory_of(network: Network, trajectory: Trajectory) -> Memory:
    recurrent = jax.tree.leaves(network.initial_memory(1))
    return trajectory.actor_state.memory if recurrent else ()


def _unroll(network: Network, params: Params, observation: PyTree, first: jax.Array, memory: Memory) -> Any:
    """The network's output for rows [T, B, ...], environment by environment."""
    time, batch = first.shape
    flat = jax.tree.map(lambda x: x.swapaxes(0, 1).reshape(batch * time, *x.shape[2:]), observation)
    return apply_network(network, params, flat, first.T, memory)
