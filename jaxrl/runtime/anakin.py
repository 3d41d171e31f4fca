"""Anakin (Hessel et al. 2021, arXiv 2104.06272): acting, stepping and learning of a pure-JAX environment in one jit.

    anakin = make_anakin(agent, env, num_envs=16, unroll_length=16)
    carry, history = run(anakin, anakin.init(init_key, env_key, actor_key), num_updates=1000)

It is the Sebulba run with one actor, one pool and policy lag 0: same keys, same alignment, same updates. `agent` may be
a population (`jaxrl.agents.population`), and `init` and `update` are pure, so that whole runs can also be vmapped, each
with environments of its own: over seeds, over hyper-parameters, over the numbers that an environment is made of.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.envs import batched
from jaxrl.envs.base import JaxEnv
from jaxrl.types import ActorParams, ActorState, Agent, Key, Metrics, PyTree, TimeStep, TrainState, Trajectory, align


class Carry(NamedTuple):
    """A run between two updates."""

    state: TrainState
    actor_state: ActorState  # leaves [B, ...]
    envs: batched.Carry
    timestep: TimeStep  # leaves [B, ...], what the agent sees next
    key: Key  # of the actor


class Episodes(NamedTuple):
    """What ended in one unroll, environment by environment."""

    count: jax.Array  # int32 [B]
    total_return: jax.Array  # float32 [B], raw and undiscounted
    total_length: jax.Array  # int32 [B], env steps


class Anakin(NamedTuple):
    """A run as two pure functions."""

    init: Callable[[Key, Key, Key], Carry]  # keys of the agent, the environments and the actor
    update: Callable[[Carry], tuple[Carry, tuple[Metrics, PyTree]]]  # metrics, and what `watch` kept of the unroll


def finished_episodes(trajectory: Trajectory) -> Episodes:
    """Number, returns and lengths of the episodes that ended."""
    ended = jnp.asarray(trajectory.last)
    returns, lengths = (jnp.where(ended, x, 0) for x in (trajectory.episode_return, trajectory.episode_length))
    return Episodes(jnp.sum(ended, 0, dtype=jnp.int32), jnp.sum(returns, 0), jnp.sum(lengths, 0))


def make_anakin(
    agent: Agent,
    env: JaxEnv,
    num_envs: int,
    unroll_length: int,
    watch: Callable[[Trajectory], PyTree] = finished_episodes,
) -> Anakin:
    """Runs of `agent` in `num_envs` copies of `env`; `watch` makes of each unroll what its history keeps."""

    def init(init_key: Key, env_key: Key, actor_key: Key) -> Carry:
        envs, timestep = batched.begin(env, num_envs, env_key)
        return Carry(agent.init(init_key), agent.initial_actor_state(num_envs), envs, timestep, actor_key)

    def update(carry: Carry) -> tuple[Carry, tuple[Metrics, PyTree]]:
        key = jax.random.fold_in(carry.key, carry.state.updates)
        carry, trajectory = unroll(agent, env, unroll_length, agent.publish(carry.state), carry, key)
        state, metrics = agent.update(carry.state, trajectory)
        return carry._replace(state=state), (metrics, watch(trajectory))

    return Anakin(init, update)


def unroll(
    agent: Agent, env: JaxEnv, length: int, params: ActorParams, carry: Carry, key: Key
) -> tuple[Carry, Trajectory]:
    """`Actor.unroll` without leaving the device: `length` rows with `params`."""

    def step(now: tuple[Any, ...], row: jax.Array) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        actor_state, envs, timestep = now
        row_key = jax.random.fold_in(jax.random.fold_in(key, row), 0)  # as `make_act` does, for pool 0
        actor_state, output = agent.act(params, actor_state, timestep, row_key)
        envs, following = batched.step(env, envs, output.action)
        return (actor_state, envs, following), (timestep, output)

    start = carry.actor_state, carry.envs, carry.timestep
    (actor_state, envs, timestep), (seen, output) = jax.lax.scan(step, start, jnp.arange(length))
    seen = jax.tree.map(lambda rows, newest: jnp.concatenate([rows, newest[None]]), seen, timestep)
    trajectory = align(seen, output, carry.actor_state)
    return carry._replace(actor_state=actor_state, envs=envs, timestep=timestep), trajectory


@partial(jax.jit, static_argnums=(0, 2))
def run(anakin: Anakin, carry: Carry, num_updates: int) -> tuple[Carry, tuple[Metrics, PyTree]]:
    """`num_updates` updates in one call; the history's leaves have them as their first axis."""
    return jax.lax.scan(lambda carry, _: anakin.update(carry), carry, None, length=num_updates)
