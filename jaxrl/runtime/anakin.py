"""Anakin (Hessel et al. 2021, arXiv 2104.06272): acting, stepping and learning of a pure-JAX environment in one jit.

    anakin = make_anakin(agent, env, num_envs=16, unroll_length=16)
    carry, history = run(anakin, anakin.init(init_key, env_key, actor_key), num_updates=1000)

It is the Sebulba run with one actor, one pool and policy lag 0: same keys, same alignment, same updates. `agent` may be
a population (`jaxrl.agents.population`), and `init` and `update` are pure, so that whole runs can also be vmapped, each
with environments of its own: over seeds, over hyper-parameters, over the numbers that an environment is made of.

`AnakinRuntime` is what `runtime.kind: anakin` trains with, one update at a time, so that it is counted, recorded, saved
and resumed like any other. It keeps to the actors, pools and policy lag of the config, so that a config has the same
numbers with either kind, and a run of one can be resumed with the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl.config.sections import RuntimeConfig
from jaxrl.envs import batched
from jaxrl.envs.base import JaxEnv
from jaxrl.runtime.exchange import StopSignal
from jaxrl.runtime.learner import copy_to, make_learner_step, make_mesh, make_publish, place_batch, place_state
from jaxrl.runtime.seam import Announce, describe, ignore
from jaxrl.types import (
    ActorOutput,
    ActorParams,
    ActorState,
    Agent,
    Device,
    Key,
    Metrics,
    PyTree,
    Snapshot,
    Standing,
    TimeStep,
    TrainState,
    Trajectory,
    Update,
    align,
    map_trajectory,
)


class Lane(NamedTuple):
    """One pool of environments and its part of the actor, between two unrolls; leaves [B, ...]."""

    actor_state: ActorState
    envs: batched.Carry
    timestep: TimeStep  # what the agent sees next


class Carry(NamedTuple):
    """A run between two updates."""

    state: TrainState
    lane: Lane
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
        lane = Lane(agent.initial_actor_state(num_envs), *batched.begin(env, num_envs, env_key))
        return Carry(agent.init(init_key), lane, actor_key)

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
    lane, trajectory = drive(agent.act, partial(batched.step, env), length, params, carry.lane, key, 0)
    return carry._replace(lane=lane), trajectory


def drive(
    act: Callable[..., Any], step: Callable[..., Any], length: int, params: ActorParams, lane: Lane, key: Key, pool: int
) -> tuple[Lane, Trajectory]:
    """`length` rows of one pool, with the keys that `make_act` would fold."""

    def row(lane: Lane, number: jax.Array) -> tuple[Lane, tuple[TimeStep, ActorOutput]]:
        row_key = jax.random.fold_in(jax.random.fold_in(key, number), pool)
        actor_state, output = act(params, lane.actor_state, lane.timestep, row_key)
        envs, timestep = step(lane.envs, output.action)
        return Lane(actor_state, envs, timestep), (lane.timestep, output)

    end, (seen, output) = jax.lax.scan(row, lane, jnp.arange(length))
    seen = jax.tree.map(lambda rows, newest: jnp.concatenate([rows, newest[None]]), seen, end.timestep)
    return end, align(seen, output, lane.actor_state)


@partial(jax.jit, static_argnums=(0, 2))
def run(anakin: Anakin, carry: Carry, num_updates: int) -> tuple[Carry, tuple[Metrics, PyTree]]:
    """`num_updates` updates in one call; the history's leaves have them as their first axis."""
    return jax.lax.scan(lambda carry, _: anakin.update(carry), carry, None, length=num_updates)


class AnakinRuntime:
    """A `Runtime` without threads: a jitted call acts and steps the environments, another one learns.

    Args:
        pools: `[actor][pool]`; their environments start where the pools stand.
        key: for acting.
        device: for everything.
    """

    def __init__(
        self,
        agent: Agent,
        pools: Sequence[Sequence[batched.BatchedJaxEnv]],
        state: TrainState,
        key: Key,
        config: RuntimeConfig,
        *,
        device: Device,
    ) -> None:
        self._agent, self._pools, self._device, self._lag = agent, pools, device, config.policy_lag
        self._keys = [jax.random.fold_in(key, actor) for actor in range(len(pools))]
        self._drive = jax.jit(partial(drive, agent.act, pools[0][0].step_purely, config.unroll_length))
        self._mesh = make_mesh([device])
        self._step = make_learner_step(agent, self._mesh)
        self._publish = make_publish(agent, [device])
        self.signal = StopSignal()
        self.load(state, None)

    def load(self, state: TrainState, standing: Standing | None) -> None:
        self.state = place_state(state, self._mesh)
        self.updates_done = int(state.updates)
        if standing is None:
            self._history = [self._publish(self.state)[self._device]] * (self._lag + 1)
            snapshots = [None] * len(self._pools)
        else:
            self._history = [copy_to(params, self._device) for params in standing.history]
            snapshots = standing.snapshots
        self._lanes = [self._place(line, snapshot) for line, snapshot in zip(self._pools, snapshots, strict=True)]

    def _place(self, line: Sequence[batched.BatchedJaxEnv], snapshot: Snapshot | None) -> list[Lane]:
        """The lanes of one actor, from the start of their environments or from `snapshot`."""
        states = [self._agent.initial_actor_state(pool.num_envs) for pool in line]
        timesteps = [pool.reset() for pool in line]
        if snapshot is not None and snapshot.env_state is not None:
            states = snapshot.actor_state
            timesteps = [pool.load_state(saved) for pool, saved in zip(line, snapshot.env_state, strict=True)]
        lanes = [Lane(s, pool.carry, t) for s, pool, t in zip(states, line, timesteps, strict=True)]
        return jax.device_put(lanes, self._device)

    def standing(self) -> Standing:
        return Standing([self._snapshot(*both) for both in zip(self._pools, self._lanes, strict=True)], self._history)

    def _snapshot(self, line: Sequence[batched.BatchedJaxEnv], lanes: Sequence[Lane]) -> Snapshot:
        for pool, lane in zip(line, lanes, strict=True):
            pool.go_on(lane.envs)
        return Snapshot([pool.save_state() for pool in line], jax.device_get([lane.actor_state for lane in lanes]))

    def __enter__(self) -> AnakinRuntime:
        return self

    def __exit__(self, *exc: Any) -> None:
        for line in self._pools:
            for pool in line:
                pool.close()

    def updates(self, announce: Announce = ignore) -> Iterator[Update]:
        del announce  # there is one host
        while not self.signal.stopped:
            batch = self._unroll()
            self.state, metrics = self._step(self.state, place_batch([batch], self._mesh))
            lag = min(self._lag, self.updates_done)
            self.updates_done += 1
            self._history = [*self._history[1:], self._publish(self.state)[self._device]]
            yield describe(metrics, split_actors(jax.device_get(told(batch)), len(self._pools)), lag, {})

    def _unroll(self) -> Trajectory:
        """The next unroll of every lane, side by side."""
        unrolls = []
        for actor, lanes in enumerate(self._lanes):
            key = jax.random.fold_in(self._keys[actor], self.updates_done)
            done = [self._drive(self._history[0], lane, key, pool) for pool, lane in enumerate(lanes)]
            self._lanes[actor] = [lane for lane, _ in done]
            unrolls += [trajectory for _, trajectory in done]
        return unrolls[0] if len(unrolls) == 1 else _join(*unrolls)


@jax.jit
def _join(*trajectories: Trajectory) -> Trajectory:
    return map_trajectory(lambda *x: jnp.concatenate(x, axis=1), lambda *x: jnp.concatenate(x), *trajectories)


def told(trajectory: Trajectory) -> Trajectory:
    """What the host is told of an unroll: enough to count env steps and to list episodes."""
    return trajectory._replace(observation=(), behaviour_logits=(), actor_state=(), extras=())


def split_actors(trajectory: Trajectory, count: int) -> list[Trajectory]:
    """The rows of each actor, which lie side by side."""
    width = trajectory.first.shape[1] // count

    def part(actor: int) -> Trajectory:
        chosen = slice(actor * width, (actor + 1) * width)
        return map_trajectory(lambda x: x[:, chosen], lambda x: x[chosen], trajectory)

    return [part(actor) for actor in range(count)]
