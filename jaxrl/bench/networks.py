"""How fast networks learn on this machine, next to the plain formulation. `jaxrl bench` reports it.

An update is value-and-gradient of an actor-critic loss and a step of Adam. The plain form of the Nature CNN is the one
that everybody writes first: `flax.linen.Conv` over one whole batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax.extend import core

from jaxrl.networks import atari
from jaxrl.networks.heads import NetworkOutput
from jaxrl.types import ArraySpec, EnvSpec

NATURE = atari.Config(torso="nature", hidden_sizes=(512,))
ATARI = EnvSpec(ArraySpec((4, 84, 84), "uint8"), num_actions=18, frame_skip=4)


class UpdateSpeed(NamedTuple):
    """How fast updates on one batch are."""

    plain_samples_per_s: float  # the network in its plain form
    ours_samples_per_s: float  # the same network, jaxrl's
    ratio: float  # ours / plain


class PlainNatureNetwork(nn.Module):
    """The Nature CNN as most people write it: uint8 [N, 4, 84, 84] -> NetworkOutput."""

    num_actions: int
    hidden: int = 512

    @nn.compact
    def __call__(self, frames: jax.Array) -> NetworkOutput:
        x = frames.transpose(0, 2, 3, 1).astype(jnp.float32) / 255
        for features, kernel, stride in ((32, 8, 4), (64, 4, 2), (64, 3, 1)):
            x = nn.relu(nn.Conv(features, (kernel, kernel), (stride, stride), "VALID")(x))
        x = nn.relu(nn.Dense(self.hidden)(x.reshape(len(x), -1)))
        return NetworkOutput(nn.Dense(self.num_actions)(x), nn.Dense(1)(x)[:, 0])


def measure(batch: int = 640, repetitions: int = 7) -> UpdateSpeed:
    """Updates of the Nature CNN, jaxrl's form and the plain one by turns, so that both meet the same load."""
    ours, plain = atari.make(NATURE, ATARI), PlainNatureNetwork(ATARI.num_actions)
    seconds = time_by_turns([prepare_update(network, ATARI, batch) for network in (plain, ours)], repetitions)
    plain_per_s, ours_per_s = (batch / median(times) for times in seconds)
    return UpdateSpeed(plain_per_s, ours_per_s, ours_per_s / plain_per_s)


def time_by_turns(runs: list[Callable[[], Any]], repetitions: int) -> list[list[float]]:
    """Seconds of every repetition of every run; each run was compiled by one call before."""
    seconds: list[list[float]] = [[] for _ in runs]
    for run in runs:
        jax.block_until_ready(run())
    for _ in range(repetitions):
        for run, times in zip(runs, seconds, strict=True):
            start = time.perf_counter()
            jax.block_until_ready(run())
            times.append(time.perf_counter() - start)
    return seconds


def prepare_update(network: Any, spec: EnvSpec, batch: int) -> Callable[[], Any]:
    """A call that does one update on a fixed batch and returns the new parameters."""
    rng = np.random.default_rng(0)

    def draw(array: ArraySpec) -> jax.Array:
        shape = (batch, *array.shape)
        numbers = rng.integers(0, 256, shape) if array.dtype == "uint8" else rng.normal(size=shape)
        return jnp.asarray(numbers, array.dtype)

    observation = jax.tree.map(draw, spec.observation)
    action = jnp.asarray(rng.integers(0, spec.num_actions, batch))
    target = jnp.asarray(rng.normal(size=batch), jnp.float32)
    params = jax.jit(network.init)(jax.random.key(0), spec.blank(1))["params"]
    optimiser = optax.adam(1e-4)

    def loss(params: Any, observation: Any) -> jax.Array:
        output = network.apply({"params": params}, observation)
        assert isinstance(output, NetworkOutput)
        log_policy = jax.nn.log_softmax(output.policy)
        chosen = jnp.take_along_axis(log_policy, action[:, None], axis=-1)[:, 0]
        entropy = -(jnp.exp(log_policy) * log_policy).sum(-1)
        error = target - output.value
        return (-jax.lax.stop_gradient(error) * chosen + 0.5 * error**2 - 0.01 * entropy).mean()

    @jax.jit
    def update(params: Any, state: Any, observation: Any) -> Any:
        changes, state = optimiser.update(jax.grad(loss)(params, observation), state, params)
        return optax.apply_updates(params, changes), state

    state = optimiser.init(params)
    return lambda: update(params, state, observation)


def update_flops(network: Any, spec: EnvSpec) -> float:
    """FLOPs of one sample's update: each product once forward and twice backward, the first one without its input's."""
    products = forward_flops(network, spec)
    return float(3 * sum(products) - products[0])


def forward_flops(network: Any, spec: EnvSpec) -> list[int]:
    """FLOPs of each matrix product and convolution of a forward pass over one observation, in their order."""
    observation = jax.eval_shape(lambda: spec.blank(1))
    variables = jax.eval_shape(network.init, jax.random.key(0), observation)
    return list(_products(jax.make_jaxpr(network.apply)(variables, observation).jaxpr))


def _products(jaxpr: Any) -> Iterator[int]:
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        if name == "conv_general_dilated":
            # A kernel [kh, kw, C, F] does kh * kw * C multiplications and additions for each number of the output.
            kernel = equation.invars[1].aval.shape
            yield 2 * equation.outvars[0].aval.size * int(np.prod(kernel[:-1]))
        elif name == "dot_general":
            ((contracted, _), _) = params["dimension_numbers"]
            length = int(np.prod([equation.invars[0].aval.shape[axis] for axis in contracted]))
            yield 2 * equation.outvars[0].aval.size * length
        elif name == "cond":  # forms for platforms: the last is the plain one, which does what counts and no more
            yield from _products(params["branches"][-1].jaxpr)
        else:
            for value in params.values():
                if isinstance(value, core.ClosedJaxpr | core.Jaxpr):
                    yield from _products(getattr(value, "jaxpr", value))
