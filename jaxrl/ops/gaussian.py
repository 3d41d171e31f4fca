"""Policies of a continuous action as diagonal Gaussians, [..., 2 D]: D means, then D logarithms of standard deviations.

The functions are those of `jaxrl.ops.categorical` under the same names. What leaves [-1, 1] is cut to it by the
environment (`jaxrl.types.Bounds.stretch`) and not here, so that the density of an action is that of what was drawn.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

LOG_ROOT_TWO_PI = 0.9189385332046727  # log(2 pi) / 2


def split(parameters: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Means [..., D] and logarithms of standard deviations [..., D]."""
    mean, log_std = jnp.split(parameters, 2, axis=-1)
    return mean, log_std


def gaussian_policy(
    preferences: jax.Array, temperature: jax.Array | float = 1.0, legal: jax.Array | None = None
) -> jax.Array:
    """The Gaussian whose density is that of `preferences` [..., 2 D] to the power 1/temperature, up to a factor.

    So a temperature means what it does in `softmax_policy`: `N(m, s^2)^(1/temperature)` is `N(m, temperature s^2)`.

    Raises:
        ValueError: `legal` is given; of a continuous action nothing is illegal.
    """
    if legal is not None:
        raise ValueError("legal must be None where the action is continuous")
    mean, log_std = split(preferences)
    wider = 0.5 * jnp.log(jnp.asarray(temperature, preferences.dtype))[..., None]
    return jnp.concatenate([mean, log_std + wider], axis=-1)


def log_prob(parameters: jax.Array, action: jax.Array) -> jax.Array:
    """Logarithm of the density [...] of `action` [..., D]."""
    mean, log_std = split(parameters)
    distance = (action - mean) * jnp.exp(-log_std)
    return -jnp.sum(0.5 * jnp.square(distance) + log_std + LOG_ROOT_TWO_PI, axis=-1)


def entropy(parameters: jax.Array) -> jax.Array:
    """Differential entropy [...] in nats; below 0 where the density is high."""
    return jnp.sum(split(parameters)[1] + 0.5 + LOG_ROOT_TWO_PI, axis=-1)


def sample(key: jax.Array, parameters: jax.Array) -> jax.Array:
    """One action float32 [..., D]."""
    mean, log_std = split(parameters)
    return mean + jnp.exp(log_std) * jax.random.normal(key, mean.shape, mean.dtype)


def mean_deviation(parameters: jax.Array) -> jax.Array:
    """Standard deviation [...], the mean over components."""
    return jnp.mean(jnp.exp(split(parameters)[1]), axis=-1)
