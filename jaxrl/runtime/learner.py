"""The learner: one jitted step over the batch of all actors, sharded over the learner devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrl.types import ActorParams, Agent, Device, Metrics, PyTree, TrainState, Trajectory, map_trajectory

LearnerStep = Callable[[TrainState, Trajectory], tuple[TrainState, Metrics]]


def make_mesh(devices: Sequence[Device]) -> Mesh:
    """A mesh whose one axis, `batch`, splits the environments of a trajectory."""
    return Mesh(np.asarray(devices), ("batch",))


def make_learner_step(agent: Agent, mesh: Mesh) -> LearnerStep:
    """Jit `agent.update`; the old train state's memory is reused for the new one."""
    state = state_sharding(jax.eval_shape(agent.init, jax.random.key(0)), mesh)
    return jax.jit(agent.update, donate_argnums=0, out_shardings=(state, NamedSharding(mesh, PartitionSpec())))


def place_state(state: TrainState, mesh: Mesh) -> TrainState:
    """A copy of `state`, which is the same on every host, on every learner device; of its replay each has a part."""
    shardings = state_sharding(state, mesh)
    if mesh.is_multi_process:
        return jax.tree.map(_distribute, state, shardings)
    return jax.device_put(state, shardings, may_alias=False)


def _distribute(x: jax.Array, sharding: NamedSharding) -> jax.Array:
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_distribute(jax.random.key_data(x), sharding), impl=jax.random.key_impl(x))
    return jax.make_array_from_process_local_data(sharding, np.asarray(x))


def state_sharding(state: TrainState, mesh: Mesh) -> Any:
    """Shardings of a train state: the same everywhere, but for the replay, which is split like the unrolls in it."""
    sharding = jax.tree.map(lambda _: NamedSharding(mesh, PartitionSpec()), state)
    return sharding.replace(replay=batch_sharding(state.replay, mesh, None)) if state.replay else sharding


def place_batch(trajectories: Sequence[Trajectory], mesh: Mesh) -> Trajectory:
    """Join the actors' trajectories along B, in the order given, and send them to the learner devices.

    With several hosts each brings its own actors' part, in the order of the hosts, to its own devices.
    """
    joined = trajectories[0]
    if len(trajectories) > 1:
        joined = map_trajectory(lambda *x: np.concatenate(x, axis=1), lambda *x: np.concatenate(x), *trajectories)
    shardings = batch_sharding(joined, mesh)
    if mesh.is_multi_process:
        return jax.tree.map(jax.make_array_from_process_local_data, shardings, joined)
    return jax.device_put(joined, shardings)


def batch_sharding(trajectory: Trajectory, mesh: Mesh, *leading: None) -> Any:
    """Shardings of a trajectory: B is axis 0 of the actor state and axis 1 of everything else.

    `leading` stands for the axes before those, one None each.
    """
    rows = NamedSharding(mesh, PartitionSpec(*leading, None, "batch"))
    state = NamedSharding(mesh, PartitionSpec(*leading, "batch"))
    return map_trajectory(lambda _: rows, lambda _: state, trajectory)


def make_publish(agent: Agent, actor_devices: Sequence[Device]) -> Callable[[TrainState], dict[Any, ActorParams]]:
    """Copy what actors need to every actor device.

    Copies, never aliases: the learner's next step donates the train state, and with it any array that is only a view
    of its parameters.
    """
    devices = tuple(dict.fromkeys(actor_devices))
    params_of = jax.jit(agent.publish)  # its constants are on the device then, and not sent with every update

    def publish(state: TrainState) -> dict[Any, ActorParams]:
        params = params_of(state)
        return {device: copy_to(params, device) for device in devices}

    return publish


def copy_to(tree: PyTree, device: Device) -> PyTree:
    """`tree`, whole on each of its devices, on `device`, sharing no memory with the original."""
    # Of an array on several devices, one's part is the whole; no other host has to take part.
    local = jax.tree.map(lambda x: x.addressable_data(0) if isinstance(x, jax.Array) else x, tree)
    # `device_put` alone will not do: where the array already is it hands out the same memory, `may_alias=False` or not.
    return jax.device_put(_copy(local), device)


@jax.jit
def _copy(tree: PyTree) -> PyTree:
    return jax.tree.map(jnp.copy, tree)
