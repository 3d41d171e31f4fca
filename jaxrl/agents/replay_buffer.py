"""Sample reuse: the newest unrolls are kept in the train state and learnt again beside each fresh one.

The buffer is a ring of whole unrolls, [capacity, T, B, ...], on the learner's devices, each with its share of B. So it
is saved, restored, donated and vmapped with all other state, and a resumed run replays what an uninterrupted one would.
It costs the memory of `capacity` batches, and every checkpoint grows by as much.

Every update puts the fresh unroll into the ring in place of the oldest, then draws `per_fresh` of those in it, each at
random, the fresh one included. An unroll stays for `capacity` updates, and each draws it `per_fresh / capacity` times
in expectation: it is trained `1 + per_fresh` times in expectation, times `num_epochs`. While the ring fills up the
draws fall on fewer unrolls: the very first one is drawn `per_fresh (1 + 1/2 + ... + 1/capacity)` times.
Minibatches hold fresh and old samples in the same proportion; importance ratios correct for the difference in policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp

from jaxrl.config.conditions import ReadIf
from jaxrl.config.ranges import AtLeast
from jaxrl.types import Agent, EnvSpec, Frames, Key, Learnt, PyTree, TimeStep, TrainState, Trajectory, align

REPLAY_STREAM = 0x7265_706C  # apart from the numbers that minibatches are drawn with


@dataclass(frozen=True)
class ReplayConfig:
    """A small memory of past unrolls.

    Args:
        capacity: unrolls kept of each environment, on the learner's devices and in every checkpoint; 0 for none.
        per_fresh: unrolls trained again beside each fresh one, so that a sample is trained 1 + per_fresh times in
            expectation; a minibatch grows by as much.
    """

    capacity: Annotated[int, AtLeast(0)] = 0
    per_fresh: Annotated[int, AtLeast(1), ReadIf("agent.replay.capacity")] = 1


def with_replay(agent: Agent, config: ReplayConfig, spec: EnvSpec, unroll_length: int, num_envs: int) -> Agent:
    """`agent` with a replay in its train state; the agent itself where `config` wants none."""
    if not config.capacity:
        return agent

    def init(key: Key) -> TrainState:
        return agent.init(key).replace(replay=empty(config.capacity, unroll_like(agent, spec, unroll_length, num_envs)))

    def update(state: TrainState, trajectory: Trajectory, past: Sequence[Trajectory] = ()) -> Learnt:
        replay = insert(state.replay, trajectory, state.updates % config.capacity)
        filled = jnp.minimum(state.updates + 1, config.capacity)
        key = jax.random.fold_in(state.key, REPLAY_STREAM)
        slots = jax.random.randint(key, (config.per_fresh,), 0, filled)
        again = [look_up(replay, slot) for slot in slots]
        return agent.update(state.replace(replay=replay), trajectory, (*past, *again))

    return agent._replace(init=init, update=update)


def empty(capacity: int, unroll: Trajectory) -> Trajectory:
    """A ring of zeros for unrolls of this shape."""
    return jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape), x.dtype), unroll)


def insert(replay: Trajectory, trajectory: Trajectory, slot: jax.Array) -> Trajectory:
    """The ring with `trajectory` at `slot` []."""
    return jax.tree.map(lambda ring, x: ring.at[slot].set(x), replay, trajectory)


def look_up(replay: Trajectory, slot: jax.Array) -> Trajectory:
    """The unroll at `slot` []."""
    return jax.tree.map(lambda ring: jax.lax.dynamic_index_in_dim(ring, slot, keepdims=False), replay)


def unroll_like(agent: Agent, spec: EnvSpec, unroll_length: int, num_envs: int) -> Trajectory:
    """Shapes and dtypes of the unrolls that actors will send; nothing is computed."""

    def play(key: Key) -> Trajectory:
        acting = agent.initial_actor_state(num_envs)
        timestep = blank_timestep(spec, num_envs)
        _, output = agent.act(agent.publish(agent.init(key)), acting, timestep, key)

        def rows(count: int, tree: PyTree) -> PyTree:
            return jax.tree.map(lambda x: jnp.stack([x] * count), tree)

        trajectory = align(rows(unroll_length + 1, timestep), rows(unroll_length, output), acting)
        if spec.frame_stack == 1:
            return trajectory
        frames = rows(spec.frame_stack + unroll_length, timestep.observation[:, -1])
        return trajectory._replace(observation=Frames(frames))

    return jax.eval_shape(play, jax.random.key(0))


def blank_timestep(spec: EnvSpec, num_envs: int) -> TimeStep:
    """What an actor sees before anything happened; for its shapes."""
    real, no = jnp.zeros(num_envs, jnp.float32), jnp.zeros(num_envs, bool)
    return TimeStep(
        observation=spec.blank(num_envs),
        reward=real,
        discount=real,
        first=no,
        last=no,
        legal=jnp.ones((num_envs, spec.num_actions), bool) if spec.masks_actions else None,
        episode_return=real,
        episode_length=jnp.zeros(num_envs, jnp.int32),
    )
