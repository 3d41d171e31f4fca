"""Batches of environments: checked, split into minibatches, and laid side by side.

Everything here keeps a batch that is sharded over B where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import chex
import jax
import jax.numpy as jnp

from jaxrl.types import Key, Trajectory, map_trajectory


def check_trajectory(trajectory: Trajectory) -> None:
    """Assert the shapes that `jaxrl.types.Trajectory` promises; costs nothing in compiled code."""
    time, batch = trajectory.action.shape
    flags = (trajectory.reward, trajectory.discount, trajectory.last, trajectory.episode_return)
    chex.assert_shape(flags, (time, batch))
    chex.assert_shape(trajectory.first, (time + 1, batch))
    chex.assert_shape(trajectory.behaviour_logits, (time, batch, None))
    chex.assert_tree_shape_prefix(trajectory.observation, (time + 1, batch))
    chex.assert_tree_shape_prefix(trajectory.extras, (time, batch))


def minibatch_indices(key: Key, num_envs: int, num_minibatches: int) -> jax.Array:
    """A random split of the environments: int32 [num_minibatches, num_envs / num_minibatches].

    Of every `num_minibatches` neighbours one goes to each minibatch, so that a batch that is sharded over devices is
    split evenly on each of them.
    """
    groups = jnp.arange(num_envs, dtype=jnp.int32).reshape(-1, num_minibatches)
    return jax.random.permutation(key, groups, axis=1, independent=True).T


def take_environments(trajectory: Trajectory, indices: jax.Array) -> Trajectory:
    """The trajectory of some environments only."""
    return map_trajectory(lambda x: x[:, indices], lambda x: x[indices], trajectory)


def side_by_side(trajectories: Sequence[Trajectory]) -> Trajectory:
    """Several trajectories [T, B] as one [T, B times their number]; those of one environment become neighbours.

    So a batch that is sharded over B stays where it is, and `minibatch_indices` mixes them evenly.
    """

    def merge(axis: int, *leaves: jax.Array) -> jax.Array:
        x = jnp.stack(leaves, axis + 1)
        return x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])

    return map_trajectory(partial(merge, 1), partial(merge, 0), *trajectories)
