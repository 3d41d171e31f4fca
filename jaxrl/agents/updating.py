"""One learner update: a batch is checked, split into minibatches, and each makes a gradient step.

Everything here keeps a batch that is sharded over B where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax

from jaxrl.agents.optimiser import OptimiserConfig, apply_step, make_transform, schedule_factor
from jaxrl.agents.unrolling import Network
from jaxrl.types import Key, Metrics, Params, PyTree, TrainState, Trajectory, map_trajectory

Loss = Callable[[Params, Any, Trajectory], tuple[jax.Array, Metrics]]  # of parameters, hypers and trajectory


def init_state(network: Network, config: OptimiserConfig, hypers: PyTree, observation: PyTree, key: Key) -> TrainState:
    """Fresh parameters and moments; `observation` [1, ...] gives the shapes."""
    param_key, state_key = jax.random.split(key)
    params = network.init(param_key, observation)["params"]
    hypers = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), hypers)
    return TrainState(
        params=params,
        opt_state=make_transform(config).init(params),
        hypers=hypers,
        agent_state=(),
        key=state_key,
        updates=jnp.zeros((), jnp.int32),
    )


def make_update(
    loss: Loss, config: OptimiserConfig, *, num_epochs: int, num_minibatches: int, num_updates: int
) -> Callable[[TrainState, Trajectory], tuple[TrainState, Metrics]]:
    """One learner update: `num_epochs` passes over `num_minibatches` parts of the batch, one gradient step each.

    Importance ratios keep later steps honest: the behaviour stays the policy that acted. Metrics are means over the
    steps. `hypers` needs `learning_rate` and `weight_decay`.
    """
    transform = make_transform(config)

    def gradient_step(
        state: TrainState, batch: Trajectory, rate: jax.Array, decay: jax.Array
    ) -> tuple[TrainState, Metrics]:
        (_, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(state.params, state.hypers, batch)
        params, opt_state = apply_step(transform, gradient, state.opt_state, state.params, rate, decay)
        metrics = {**metrics, "optimiser/grad_norm": optax.tree.norm(gradient)}
        return state.replace(params=params, opt_state=opt_state), metrics

    def update(state: TrainState, trajectory: Trajectory) -> tuple[TrainState, Metrics]:
        check_trajectory(trajectory)
        factor = schedule_factor(config, state.updates, num_updates)
        rate, decay = state.hypers.learning_rate * factor, state.hypers.weight_decay * factor
        key, *epoch_keys = jax.random.split(state.key, 1 + num_epochs)
        num_envs = trajectory.first.shape[1]
        indices = jnp.concatenate([minibatch_indices(k, num_envs, num_minibatches) for k in epoch_keys])

        def body(state: TrainState, chosen: jax.Array) -> tuple[TrainState, Metrics]:
            # The barrier keeps XLA from fusing the gather into the network, where it would be done again in the
            # backward pass, pixel by pixel.
            batch = jax.lax.optimization_barrier(take_environments(trajectory, chosen))
            return gradient_step(state, batch, rate, decay)

        state, metrics = jax.lax.scan(body, state.replace(key=key), indices)
        metrics = jax.tree.map(jnp.mean, metrics)
        return state.replace(updates=state.updates + 1), {**metrics, "optimiser/learning_rate": rate}

    return update


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
