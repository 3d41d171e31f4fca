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
from jaxrl.agents.unrolling import Network, whole
from jaxrl.types import (
    GRADIENT_STEPS,
    Frames,
    Key,
    Learnt,
    Metrics,
    Params,
    PyTree,
    TrainState,
    Trajectory,
    map_trajectory,
)

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
        progress=() if config.schedule == "constant" else jnp.zeros((), jnp.float32),
    )


def make_update(
    loss: Loss, config: OptimiserConfig, *, num_epochs: int, num_minibatches: int, num_updates: int
) -> Callable[[TrainState, Trajectory], Learnt]:
    """One learner update: `num_epochs` passes over `num_minibatches` parts of the batch, one gradient step each.

    Importance ratios keep later steps honest: the behaviour stays the policy that acted. Metrics are means over the
    steps. `hypers` needs `learning_rate` and `weight_decay`.
    """
    transform = make_transform(config)

    def gradient_step(state: TrainState, batch: Trajectory, rate: jax.Array, decay: jax.Array) -> Learnt:
        (_, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(state.params, state.hypers, batch)
        params, opt_state = apply_step(transform, gradient, state.opt_state, state.params, rate, decay)
        metrics = {**metrics, "optimiser/grad_norm": optax.tree.norm(gradient)}
        return state.replace(params=params, opt_state=opt_state), metrics

    def update(state: TrainState, trajectory: Trajectory) -> Learnt:
        check_trajectory(trajectory)
        factor = schedule_factor(config, state.updates, num_updates, state.progress)
        rate, decay = state.hypers.learning_rate * factor, state.hypers.weight_decay * factor
        key, *epoch_keys = jax.random.split(state.key, 1 + num_epochs)
        num_envs = trajectory.first.shape[1]
        choices = jnp.concatenate([draw_minibatches(k, num_envs, num_minibatches) for k in epoch_keys])

        def body(state: TrainState, chosen: jax.Array) -> Learnt:
            # The barrier keeps XLA from fusing the gather, and the stacking of frames, into the network, where they
            # would be done again in the backward pass, pixel by pixel.
            batch = jax.lax.optimization_barrier(whole(take_minibatch(trajectory, chosen)))
            return gradient_step(state, batch, rate, decay)

        with jax.named_scope(GRADIENT_STEPS):
            state, metrics = jax.lax.scan(body, state.replace(key=key), choices)
        metrics = jax.tree.map(jnp.mean, metrics)
        return state.replace(updates=state.updates + 1), {**metrics, "optimiser/learning_rate": rate}

    return update


def check_trajectory(trajectory: Trajectory) -> None:
    """Assert the shapes that `jaxrl.types.Trajectory` promises; costs nothing in compiled code."""
    time, batch = trajectory.reward.shape
    flags = (trajectory.discount, trajectory.last, trajectory.episode_return)
    chex.assert_shape(flags, (time, batch))
    chex.assert_shape(trajectory.first, (time + 1, batch))
    chex.assert_tree_shape_prefix((trajectory.action, trajectory.behaviour_logits), (time, batch))
    seen = trajectory.observation
    chex.assert_tree_shape_prefix(seen, (len(seen.frames) if isinstance(seen, Frames) else time + 1, batch))
    chex.assert_tree_shape_prefix(trajectory.extras, (time, batch))


def draw_minibatches(key: Key, num_envs: int, num_minibatches: int) -> jax.Array:
    """A random split of the environments: int32 [num_minibatches, num_envs / num_minibatches].

    Of every `num_minibatches` neighbours one goes to each minibatch: entry [m, g] says which of group g goes to m. So
    minibatches are made within groups, and a batch that is sharded over B stays on its devices, each with its share.
    """
    places = jnp.broadcast_to(jnp.arange(num_minibatches), (num_envs // num_minibatches, num_minibatches))
    return jax.random.permutation(key, places, axis=1, independent=True).T


def take_minibatch(trajectory: Trajectory, chosen: jax.Array) -> Trajectory:
    """The trajectory of one environment of each group of neighbours: the one with the number `chosen` [groups] in it.

    A gather over all of B would do as well on one device. Of a batch that is sharded over B it would send every device
    everything: each would compute the whole minibatch.
    """

    def take(axis: int, x: jax.Array) -> jax.Array:
        groups = x.reshape(*x.shape[:axis], len(chosen), x.shape[axis] // len(chosen), *x.shape[axis + 1 :])
        place = chosen.reshape(*(1,) * axis, len(chosen), *(1,) * (groups.ndim - axis - 1))
        return jnp.take_along_axis(groups, place, axis + 1).squeeze(axis + 1)

    return map_trajectory(partial(take, 1), partial(take, 0), trajectory)


def side_by_side(trajectories: Sequence[Trajectory], num_minibatches: int) -> Trajectory:
    """Several trajectories [T, B] as one [T, B times their number], in turn `num_minibatches` environments of each.

    So a batch that is sharded over B stays where it is, and every minibatch has the same share of each trajectory:
    the groups of `draw_minibatches` are of one trajectory each.
    """

    def merge(axis: int, *leaves: jax.Array) -> jax.Array:
        groups = [x.reshape(*x.shape[:axis], -1, num_minibatches, *x.shape[axis + 1 :]) for x in leaves]
        x = jnp.stack(groups, axis + 1)
        return x.reshape(*x.shape[:axis], -1, *x.shape[axis + 3 :])

    return map_trajectory(partial(merge, 1), partial(merge, 0), *trajectories)
