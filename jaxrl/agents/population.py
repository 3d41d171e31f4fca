"""A population: P agents behind the interface of one, trained by one process on one device from one set of pools.

    population = populate(agent, 8, {"learning_rate": rates})     # rates [8]
    alone = member(agent, 3, {"learning_rate": rates})            # the single run that member 3 equals

Member i is the agent with i, or a seed that is listed for it, folded into its key of `init` and into every key of
`act`, and with its own hypers; the population is the `vmap` of its members, so that a member's run is that of
`member(agent, i)` with the same key, on the same environments. **Environment e belongs to member e mod P**, in a pool
as in a trajectory, whatever the number of pools and actors: neither runtime nor queue nor checkpoints know of members.

All leaves of the train state have a leading axis [P], but `updates`, the version of the published parameters, which is
one number for all. Metrics are [P].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.config.member_values import check_names
from jaxrl.errors import ConfigError
from jaxrl.types import (
    ActorOutput,
    ActorParams,
    ActorState,
    Agent,
    Array,
    Key,
    Learnt,
    PyTree,
    TimeStep,
    TrainState,
    Trajectory,
    map_trajectory,
)

Table = Mapping[str, Array]  # hyper-parameter to its value for each member, [P]
_AXES: Any = {
    "params": 0,
    "opt_state": 0,
    "hypers": 0,
    "agent_state": 0,
    "key": 0,
    "updates": None,
    "progress": 0,
    "moments": 0,
}
PER_MEMBER: Any = TrainState(**_AXES)  # axes for vmap


def member(agent: Agent, index: int | jax.Array, hypers: Table | None = None, seeds: Array | None = None) -> Agent:
    """Member `index` of a population as an agent of its own, for a single run; arguments as for `populate`.

    Raises:
        ConfigError: a table or `seeds` has no value for an `index` that is an int; from `init`, a name is no
            hyper-parameter of the agent.
    """
    for name, values in _columns(hypers, seeds).items():
        if isinstance(index, int) and not 0 <= index < len(values):  # JAX would take the last one
            raise ConfigError(f"{name} has {len(values)} values, and none for member {index}; give one a member")
    seed = index if seeds is None else jnp.asarray(seeds)[index]

    def init(key: Key) -> TrainState:
        state = agent.init(jax.random.fold_in(key, seed))
        return set_hypers(state, {name: jnp.asarray(values)[index] for name, values in (hypers or {}).items()})

    def act(params: ActorParams, state: ActorState, timestep: TimeStep, key: Key) -> tuple[ActorState, ActorOutput]:
        return agent.act(params, state, timestep, jax.random.fold_in(key, seed))

    return agent._replace(init=init, act=act)


def populate(agent: Agent, size: int, hypers: Table | None = None, seeds: Array | None = None) -> Agent:
    """`size` members of `agent`.

    Args:
        hypers: those that differ, with one value a member.
        seeds: uint32 [size], what is folded into each member's keys; its number unless given.

    Raises:
        ConfigError: a table or `seeds` is not [size]; from `init`, a name is no hyper-parameter of the agent, or the
            agent has a replay; from `initial_actor_state`, the environments do not divide among the members.
    """
    for name, values in _columns(hypers, seeds).items():
        if np.shape(values) != (size,):
            raise ConfigError(f"{name} has the shape {np.shape(values)} for {size} members; give one value a member")
    members = jnp.arange(size)

    def init(key: Key) -> TrainState:
        def init_one(i: jax.Array) -> TrainState:
            state = member(agent, i, hypers, seeds).init(key)
            if jax.tree.leaves(state.replay):
                raise ConfigError(
                    "an agent with a replay cannot be populated, since every member would need a replay of its own; "
                    "set agent.replay.capacity to 0"
                )
            return state

        return jax.vmap(init_one, out_axes=PER_MEMBER)(members)

    def act(params: ActorParams, state: ActorState, timestep: TimeStep, key: Key) -> tuple[ActorState, ActorOutput]:
        def act_one(i: jax.Array, params: ActorParams, state: ActorState, timestep: TimeStep) -> Any:
            return member(agent, i, seeds=seeds).act(params, state, timestep, key)

        return merge(jax.vmap(act_one)(members, params, split(state, size), split(timestep, size)))

    def look(params: ActorParams, state: ActorState, timestep: TimeStep) -> tuple[Array, Array]:
        return merge(jax.vmap(agent.look)(params, split(state, size), split(timestep, size)))

    def initial_actor_state(num_envs: int) -> ActorState:
        if num_envs % size:
            raise ConfigError(f"{num_envs} environments do not divide among {size} members; take a multiple of {size}")
        state = agent.initial_actor_state(num_envs // size)
        return merge(jax.tree.map(lambda x: jnp.broadcast_to(x, (size, *x.shape)), state))

    def update(state: TrainState, trajectory: Trajectory, past: Sequence[Trajectory] = ()) -> Learnt:
        def update_one(state: TrainState, *parts: Trajectory) -> Learnt:
            return agent.update(state, parts[0], parts[1:])

        parts = [split_trajectory(whole, size) for whole in (trajectory, *past)]
        return jax.vmap(update_one, (PER_MEMBER, *[0] * len(parts)), (PER_MEMBER, 0))(state, *parts)

    return Agent(
        init=init,
        publish=jax.vmap(agent.publish, (PER_MEMBER,)),
        publish_greedy=jax.vmap(agent.publish_greedy, (PER_MEMBER,)),
        initial_actor_state=initial_actor_state,
        act=act,
        update=update,
        look=look,
        takes_frames=agent.takes_frames,
    )


def _columns(hypers: Table | None, seeds: Array | None) -> dict[str, Array]:
    """What has one value a member, by name."""
    return {**(hypers or {}), **({} if seeds is None else {"seeds": seeds})}


def split(tree: PyTree, size: int, axis: int = 0) -> PyTree:
    """Leaves with B environments at `axis` become [P, ..., B/P, ...]: environment e goes to member e mod P."""

    def split_leaf(x: Array) -> jax.Array:
        shape = x.shape
        parts = jnp.reshape(x, (*shape[:axis], shape[axis] // size, size, *shape[axis + 1 :]))
        return jnp.moveaxis(parts, axis + 1, 0)

    return jax.tree.map(split_leaf, tree)


def split_trajectory(trajectory: Trajectory, size: int) -> Trajectory:
    """Every member's part, [P, T, B/P, ...]."""
    return map_trajectory(lambda x: split(x, size, axis=1), lambda x: split(x, size), trajectory)


def merge(tree: PyTree) -> PyTree:
    """The inverse of `split` at axis 0: leaves [P, B/P, ...] become [B, ...]."""
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1).reshape(-1, *x.shape[2:]), tree)


def member_state(state: TrainState, index: int) -> TrainState:
    """The train state of one member, as its single run has it."""
    one = jax.tree.map(lambda x: x[index], state.replace(updates=()))
    return one.replace(updates=state.updates)


def set_hypers(state: TrainState, values: Table) -> TrainState:
    """`state` with other values of some hyper-parameters; raises `ConfigError` where it has no such one."""
    current = state.hypers
    check_names("hypers", tuple(values), current)
    new = {
        name: jnp.broadcast_to(jnp.asarray(v, jnp.float32), getattr(current, name).shape) for name, v in values.items()
    }
    return state.replace(hypers=replace(current, **new))


def report_hypers(agent: Agent, names: tuple[str, ...]) -> Agent:
    """`agent` with the values of these hyper-parameters among its metrics."""

    def update(state: TrainState, trajectory: Trajectory, past: Sequence[Trajectory] = ()) -> Learnt:
        used = {f"hypers/{name}": getattr(state.hypers, name) for name in names}
        state, metrics = agent.update(state, trajectory, past)
        return state, {**metrics, **used}

    return agent._replace(update=update)
