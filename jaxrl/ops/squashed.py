"""Policies of a continuous action in [-1, 1] as squashed Gaussians: `action = tanh(u)` with `u` Gaussian.

Parameters [..., 2 D] are those of `u`, as in `jaxrl.ops.gaussian`, and so is a temperature. By the change of variables

    log pi(action) = log N(u) - sum_i log(1 - tanh(u_i)^2)

(Haarnoja et al. 2018, arXiv 1801.01290, appendix C). Nothing is cut, so that the density is that of what the
environment is given, and there is none beyond the bounds. Entropy and deviation have no closed form: they are sums
over evenly spaced points of `u`, component by component, which for a Gaussian weight converge exponentially.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxrl.ops import gaussian

LARGEST = 1 - 1e-6  # |action|; float32 rounds the tanh of 9 to 1, where the density is infinite
POINTS, SPACING = 37, 0.3  # of `u` in standard deviations around its mean, up to 5.4 of them


def log_prob(parameters: jax.Array, action: jax.Array) -> jax.Array:
    """Logarithm of the density [...] of `action` [..., D] within [-1, 1]."""
    before = jnp.arctanh(jnp.clip(action, -LARGEST, LARGEST))
    return gaussian.log_prob(parameters, before) - jnp.sum(_log_slope(before), axis=-1)


def entropy(parameters: jax.Array) -> jax.Array:
    """Differential entropy [...] in nats: at most log 2 a component, that of the uniform policy."""
    return gaussian.entropy(parameters) + jnp.sum(_mean(_log_slope(_at_points(parameters))), axis=-1)


def sample(key: jax.Array, parameters: jax.Array) -> jax.Array:
    """One action float32 [..., D]."""
    return jnp.clip(jnp.tanh(gaussian.sample(key, parameters)), -LARGEST, LARGEST)


def mean_deviation(parameters: jax.Array) -> jax.Array:
    """Standard deviation of the action [...], the mean over components."""
    action = jnp.tanh(_at_points(parameters))
    variance = _mean(jnp.square(action - _mean(action)[..., None]))
    return jnp.mean(jnp.sqrt(variance), axis=-1)


def _log_slope(before: jax.Array) -> jax.Array:
    """`log(1 - tanh(u)^2)` without cancellation."""
    return 2 * (jnp.log(2.0) - before - jax.nn.softplus(-2 * before))


def _at_points(parameters: jax.Array) -> jax.Array:
    """`u` at the points, [..., D, K]."""
    mean, log_std = gaussian.split(parameters)
    return mean[..., None] + jnp.exp(log_std)[..., None] * _points(parameters.dtype)


def _mean(values: jax.Array) -> jax.Array:
    """Expectation [..., D] of values at the points [..., D, K]."""
    return jnp.sum(values * jax.nn.softmax(-0.5 * jnp.square(_points(values.dtype))), axis=-1)


def _points(dtype: jnp.dtype) -> jax.Array:
    return SPACING * (jnp.arange(POINTS, dtype=dtype) - POINTS // 2)
