"""What agents share: acting by a behaviour family, the network along a trajectory, and one update of many steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax

from jaxrl import ops
from jaxrl.agents import exploration
from jaxrl.agents.batches import check_trajectory, minibatch_indices, side_by_side, take_environments
from jaxrl.agents.exploration import Controller, Drawn, Exploration
from jaxrl.agents.optimiser import OptimiserConfig, apply_step, make_transform, schedule_factor
from jaxrl.types import (
    ActorOutput,
    Agent,
    EnvSpec,
    Key,
    Memory,
    Metrics,
    Params,
    PyTree,
    TimeStep,
    TrainState,
    Trajectory,
    map_trajectory,
)

Scalar = jax.Array | float  # hyper-parameters: floats in a config, arrays in a train state
Loss = Callable[[Params, Any, Trajectory], tuple[jax.Array, Metrics]]


class Network(Protocol):
    """A flax module, or anything with its methods: `apply` returns `policy` [N, A], `value` [N] and `memory`.

    A recurrent network also takes `first` [B, T] and the memory before the first row, for N = B T observations in the
    order of the environments. One whose initial memory is () is never given them.
    """

    def init(self, rngs: Key, observation: PyTree) -> PyTree: ...
    def apply(self, variables: PyTree, observation: PyTree, *memory: PyTree) -> Any: ...
    def initial_memory(self, num_envs: int) -> Memory: ...


class Behaviour(NamedTuple):
    """What acting needs: the family acts on the preferences `scale * policy`."""

    params: Params
    scale: jax.Array  # float32 []
    temperature: jax.Array  # float32 [], the hypers'; families that vote do without
    controller: Controller
    greedy: jax.Array  # bool []


class Acting(NamedTuple):
    """What an actor carries from one step to the next; leaves [B, ...]."""

    drawn: Drawn  # what the episode is played with
    memory: Memory = ()


def act(
    network: Network, family: Exploration, behaviour: Behaviour, acting: Acting, timestep: TimeStep, key: Key
) -> tuple[Acting, ActorOutput]:
    """Draw one action per environment, and the family's parameters where an episode starts."""
    output = apply_network(network, behaviour.params, timestep.observation, timestep.first[:, None], acting.memory)
    preferences = behaviour.scale * output.policy
    drawn = exploration.redraw(family, behaviour.controller, behaviour.temperature, acting.drawn, timestep.first, key)
    logits = exploration.behave(family, preferences, drawn, timestep.legal, behaviour.greedy)
    return Acting(drawn, output.memory), ActorOutput(ops.sample(key, logits), logits, drawn)


def unroll_network(network: Network, params: Params, trajectory: Trajectory) -> tuple[jax.Array, jax.Array]:
    """The policy head [T, B, A] and the value [T+1, B] along a trajectory, from the memory that the actor had.

    The network sees [B (T+1), ...], environment by environment: in that order a batch that is sharded over B stays
    where it is.
    """
    output = _unroll(network, params, trajectory.observation, trajectory.first, _memory_of(network, trajectory))
    time, batch = trajectory.first.shape
    policy, value = (x.reshape(batch, time, *x.shape[1:]).swapaxes(0, 1) for x in (output.policy, output.value))
    return policy[:-1], value


def warm_up(network: Network, params: Params, trajectory: Trajectory, burn_in: int) -> Trajectory:
    """The trajectory without its first `burn_in` rows, from the memory that `params` have after them (a constant).

    The memory that the actor stored is that of older parameters; a few rows later little of the difference is left
    (Kapturowski et al. 2019, R2D2).
    """
    if burn_in == 0:
        return trajectory
    rest = map_trajectory(lambda x: x[burn_in:], lambda x: x, trajectory)
    observation = jax.tree.map(lambda x: x[:burn_in], trajectory.observation)
    params = jax.lax.stop_gradient(params)  # before, not after: then no backward pass is computed
    memory = _unroll(network, params, observation, trajectory.first[:burn_in], _memory_of(network, trajectory)).memory
    return rest._replace(actor_state=rest.actor_state._replace(memory=memory))


def has_memory(network: Network) -> bool:
    """Whether the network is recurrent."""
    return bool(jax.tree.leaves(network.initial_memory(1)))


def _memory_of(network: Network, trajectory: Trajectory) -> Memory:
    return trajectory.actor_state.memory if has_memory(network) else ()


def _unroll(network: Network, params: Params, observation: PyTree, first: jax.Array, memory: Memory) -> Any:
    """The network's output for rows [T, B, ...], environment by environment."""
    time, batch = first.shape
    flat = jax.tree.map(lambda x: x.swapaxes(0, 1).reshape(batch * time, *x.shape[2:]), observation)
    return apply_network(network, params, flat, first.T, memory)


def apply_network(network: Network, params: Params, observation: PyTree, first: jax.Array, memory: Memory) -> Any:
    arguments = (first, memory) if jax.tree.leaves(memory) else ()
    return network.apply({"params": params}, observation, *arguments)


def masked_mean(x: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean over the rows where `mask`; 0 where there is none."""
    return jnp.sum(jnp.where(mask, x, 0)) / jnp.maximum(jnp.sum(mask), 1)


def decayed_clip(ratio: jax.Array, hypers: Any) -> jax.Array:
    """The bound [T, B] with which a trace has `c = trace_lambda min(ratio, c_clip, rho_clip)`, for lambda in [0, 1].

    The operators know no lambda: they take `c = min(ratio, bound)`, and this bound is never above the ratio. The
    papers ask for `c_clip <= rho_clip`, which holds here whatever the two are.
    """
    return hypers.trace_lambda * jnp.minimum(ratio, jnp.minimum(hypers.c_clip, hypers.rho_clip))


def policy_metrics(logits: jax.Array, value: jax.Array, ratio: jax.Array, rho_clip: Scalar, mask: jax.Array) -> Metrics:
    """What to watch in any actor-critic: exploration, value scale and off-policyness."""
    return {
        "policy/entropy": masked_mean(ops.entropy(logits), mask),
        "policy/max_probability": masked_mean(jnp.exp(jnp.max(logits, axis=-1)), mask),
        "value/mean": masked_mean(value[:-1], mask),
        "trace/rho_mean": masked_mean(ratio, mask),
        "trace/rho_clipped": masked_mean(ratio > rho_clip, mask),
    }


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


def make_agent(
    config: Any,
    network: Network,
    spec: EnvSpec,
    num_updates: int,
    *,
    loss: Loss,
    scale: Callable[[Any], jax.Array],
    burn_in: int = 0,
) -> Agent:
    """An agent whose family acts on the preferences `scale(hypers) * policy`, and that learns by `loss`.

    `config` has `hypers` (with `learning_rate`, `weight_decay`, `temperature`), `exploration`, `optimiser`,
    `num_epochs` and `num_minibatches`. `TrainState.agent_state` is the family's controller. The loss sees the rows
    after the first `burn_in`; the controller and the metrics of behaviour those of the fresh trajectory, all of them.
    """
    family = exploration.make_exploration(config.exploration)

    def init(key: Key) -> TrainState:
        observation = jnp.zeros((1, *spec.observation_shape), spec.observation_dtype)
        state = init_state(network, config.optimiser, config.hypers, observation, key)
        return state.replace(agent_state=family.init(jax.random.fold_in(key, exploration.DRAW_STREAM)))

    def publish(state: TrainState) -> Behaviour:
        hypers = state.hypers
        return Behaviour(state.params, scale(hypers), hypers.temperature, state.agent_state, jnp.asarray(False))

    def publish_greedy(state: TrainState) -> Behaviour:
        return publish(state)._replace(greedy=jnp.asarray(True))

    def initial_actor_state(num_envs: int) -> Acting:
        return Acting(exploration.initial_drawn(family, num_envs), network.initial_memory(num_envs))

    def loss_after_burn_in(params: Params, hypers: Any, trajectory: Trajectory) -> tuple[jax.Array, Metrics]:
        return loss(params, hypers, warm_up(network, params, trajectory, burn_in))

    improve = make_update(
        loss_after_burn_in,
        config.optimiser,
        num_epochs=config.num_epochs,
        num_minibatches=config.num_minibatches,
        num_updates=num_updates,
    )

    def update(
        state: TrainState, trajectory: Trajectory, past: Sequence[Trajectory] = ()
    ) -> tuple[TrainState, Metrics]:
        state, metrics = improve(state, side_by_side((trajectory, *past)) if past else trajectory)
        controller = family.update(state.agent_state, trajectory.extras, trajectory.episode_return, trajectory.last)
        return state.replace(agent_state=controller), {**metrics, **exploration.exploration_metrics(trajectory)}

    # One program: operation by operation it would take twice as long to compile.
    return Agent(jax.jit(init), publish, publish_greedy, initial_actor_state, partial(act, network, family), update)
