"""The learner: one jitted step over the batch of all actors, sharded over the learner devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrl.types import ActorParams, Agent, Device, Metrics, PyTree, TrainState, Trajectory

LearnerStep = Callable[[TrainState, Trajectory], tuple[TrainState, Metrics]]


def make_mesh(devices: Sequence[Device]) -> Mesh:
    """A mesh whose one axis, `batch`, splits the environments of a trajectory."""
    return Mesh(np.asarray(devices), ("batch",))


def make_learner_step(agent: Agent, mesh: Mesh) -> LearnerStep:
    """Jit `agent.update`; the old train state's memory is reused for the new one."""
    replicated = NamedSharding(mesh, PartitionSpec())
    return jax.jit(agent.update, donate_argnums=0, out_shardings=(replicated, replicated))


def place_state(state: TrainState, mesh: Mesh) -> TrainState:
    """A copy of `state` on every learner device."""
    return jax.device_put(state, NamedSharding(mesh, PartitionSpec()), may_alias=False)


def place_batch(trajectories: Sequence[Trajectory], mesh: Mesh) -> Trajectory:
    """Join the actors' host trajectories along B, in the order given, and send them to the learner devices."""
    if len(trajectories) == 1:
        joined = trajectories[0]
    else:
        rows = [t._replace(actor_state=()) for t in trajectories]
        joined = jax.tree.map(lambda *x: np.concatenate(x, axis=1), *rows)
        actor_state = jax.tree.map(lambda *x: np.concatenate(x), *(t.actor_state for t in trajectories))
        joined = joined._replace(actor_state=actor_state)
    return jax.device_put(joined, batch_sharding(joined, mesh))


def batch_sharding(trajectory: Trajectory, mesh: Mesh) -> Any:
    """Shardings of a trajectory: B is axis 0 of the actor state and axis 1 of everything else."""
    rows = jax.tree.map(lambda _: NamedSharding(mesh, PartitionSpec(None, "batch")), trajectory)
    state = jax.tree.map(lambda _: NamedSharding(mesh, PartitionSpec("batch")), trajectory.actor_state)
    return rows._replace(actor_state=state)


def make_publish(agent: Agent, actor_devices: Sequence[Device]) -> Callable[[TrainState], dict[Any, ActorParams]]:
    """Copy what actors need to every actor device.

    Copies, never aliases: the learner's next step donates the train state, and with it any array that is only a view
    of its parameters.
    """
    devices = tuple(dict.fromkeys(actor_devices))

    def publish(state: TrainState) -> dict[Any, ActorParams]:
        params = agent.publish(state)
        return {device: copy_to(params, device) for device in devices}

    return publish


def copy_to(tree: PyTree, device: Device) -> PyTree:
    """`tree` on `device`, sharing no memory with the original."""
    # `device_put` alone will not do: of an array on several devices it hands out one's part, despite `may_alias=False`.
    return jax.device_put(_copy(tree), device)


@jax.jit
def _copy(tree: PyTree) -> PyTree:
    return jax.tree.map(jnp.copy, tree)
