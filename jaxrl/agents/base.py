"""What agents share: acting with a softmax policy, and one update made of epochs and minibatches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import chex
import jax
import jax.numpy as jnp
import optax

from jaxrl import ops
from jaxrl.agents.optimiser import OptimiserConfig, apply_step, make_transform, schedule_factor
from jaxrl.types import (
    ActorOutput,
    ActorState,
    Agent,
    EnvSpec,
    Key,
    Metrics,
    Params,
    PyTree,
    TimeStep,
    TrainState,
    Trajectory,
)

GREEDY_TEMPERATURE = 1e-6  # a softmax this cold is the argmax; ties share their probability

Scalar = jax.Array | float  # hyper-parameters: floats in a config, arrays in a train state
Loss = Callable[[Params, Any, Trajectory], tuple[jax.Array, Metrics]]


class Network(Protocol):
    """A flax module, or anything with its two methods: `apply(...)` returns `policy` [N, A] and `value` [N]."""

    def init(self, rngs: Key, observation: PyTree) -> PyTree: ...
    def apply(self, variables: PyTree, observation: PyTree) -> Any: ...


class Behaviour(NamedTuple):
    """The published parameters of an agent that acts by `softmax(scale * policy / temperature)`."""

    params: Params
    scale: jax.Array  # float32 []
    temperature: jax.Array  # float32 []


class BehaviourExtras(NamedTuple):
    """Recorded with every action: the temperature that acted is the one that the sample is learnt at."""

    temperature: jax.Array  # float32 [T, B]


def act(
    network: Network, behaviour: Behaviour, state: ActorState, timestep: TimeStep, key: Key
) -> tuple[ActorState, ActorOutput]:
    """Draw one action per environment; `state` passes through."""
    preferences = network.apply({"params": behaviour.params}, timestep.observation).policy
    logits = ops.softmax_policy(preferences * behaviour.scale, behaviour.temperature, timestep.legal)
    temperature = jnp.full(logits.shape[:-1], behaviour.temperature)
    return state, ActorOutput(ops.sample(key, logits), logits, BehaviourExtras(temperature))


def unroll_network(network: Network, params: Params, trajectory: Trajectory) -> tuple[jax.Array, jax.Array]:
    """The policy head [T, B, A] and the value [T+1, B] along a trajectory."""
    time, batch = trajectory.first.shape
    flat = jax.tree.map(lambda x: x.reshape(time * batch, *x.shape[2:]), trajectory.observation)
    output = network.apply({"params": params}, flat)
    return output.policy.reshape(time, batch, -1)[:-1], output.value.reshape(time, batch)


def masked_mean(x: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean over the rows where `mask`; 0 where there is none."""
    return jnp.sum(jnp.where(mask, x, 0)) / jnp.maximum(jnp.sum(mask), 1)


def decayed_clip(ratio: jax.Array, c_clip: Scalar, trace_lambda: Scalar) -> jax.Array:
    """The bound [T, B] with which a trace has `c = trace_lambda min(ratio, c_clip)`, for lambda in [0, 1].

    The operators know no lambda: they take `c = min(ratio, bound)`, and this bound is never above the ratio.
    """
    return trace_lambda * jnp.minimum(ratio, c_clip)


def policy_metrics(logits: jax.Array, value: jax.Array, ratio: jax.Array, rho_clip: Scalar, mask: jax.Array) -> Metrics:
    """What to watch in any actor-critic: exploration, value scale and off-policyness."""
    return {
        "policy/entropy": masked_mean(ops.entropy(logits), mask),
        "policy/max_probability": masked_mean(jnp.exp(jnp.max(logits, axis=-1)), mask),
        "value/mean": masked_mean(value[:-1], mask),
        "trace/rho_mean": masked_mean(ratio, mask),
        "trace/rho_clipped": masked_mean(ratio > rho_clip, mask),
    }


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
    rows = jax.tree.map(lambda x: x[:, indices], trajectory._replace(actor_state=()))
    return rows._replace(actor_state=jax.tree.map(lambda x: x[indices], trajectory.actor_state))


def init_state(network: Network, config: OptimiserConfig, hypers: PyTree, observation: PyTree, key: Key) -> TrainState:
    """Fresh parameters and moments; `observation` [1, ...] gives the shapes."""
    param_key, state_key = jax.random.split(key)
    params = network.init(param_key, observation)["params"]
    hypers = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), hypers)
    return TrainState(
        params=params,
        opt_state=make_transform(config).init(params),
        hypers=hypers,
        extra=(),
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
        metrics = {**metrics, "optimiser/grad_norm": optax.global_norm(gradient)}
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


def make_agent(
    config: Any, network: Network, spec: EnvSpec, num_updates: int, *, loss: Loss, scale: Callable[[Any], jax.Array]
) -> Agent:
    """An agent that acts by `softmax(scale(hypers) * policy / temperature)` and learns by `loss`.

    `config` has `hypers` (with `learning_rate`, `weight_decay`, `temperature`), `optimiser`, `num_epochs` and
    `num_minibatches`.
    """

    def init(key: Key) -> TrainState:
        observation = jnp.zeros((1, *spec.observation_shape), spec.observation_dtype)
        return init_state(network, config.optimiser, config.hypers, observation, key)

    def publish(state: TrainState) -> Behaviour:
        return Behaviour(state.params, scale(state.hypers), state.hypers.temperature)

    def publish_greedy(state: TrainState) -> Behaviour:
        return publish(state)._replace(temperature=jnp.float32(GREEDY_TEMPERATURE))

    update = make_update(
        loss,
        config.optimiser,
        num_epochs=config.num_epochs,
        num_minibatches=config.num_minibatches,
        num_updates=num_updates,
    )
    return Agent(init, publish, publish_greedy, lambda num_envs: (), partial(act, network), update)
