"""Categorical policies as normalised log-probabilities [..., A]."""

from __future__ import annotations

import jax
import jax.numpy as jnp

ILLEGAL = -1e9  # finite: `-inf` turns `0 * log 0` of illegal actions into NaN in entropies and gradients


def softmax_policy(
    preferences: jax.Array, temperature: jax.Array | float = 1.0, legal: jax.Array | None = None
) -> jax.Array:
    """`log softmax(preferences / temperature)` over the legal actions.

    Args:
        preferences: [..., A].
        temperature: scalar or [...].
        legal: bool [..., A], or None.
    """
    logits = preferences / jnp.asarray(temperature, preferences.dtype)[..., None]
    if legal is not None:
        # Relative to the best legal action: cold temperatures take negative preferences to billions, below ILLEGAL.
        best = jax.lax.stop_gradient(jnp.max(jnp.where(legal, logits, -jnp.inf), axis=-1, keepdims=True))
        logits = jnp.where(legal, logits - best, ILLEGAL)
    return jax.nn.log_softmax(logits)


def normalise_logits(logits: jax.Array, legal: jax.Array | None = None) -> jax.Array:
    """`(logits - mean) / max(1, RMS of logits - mean)` [..., A], mean and RMS over the legal actions.

    The same policy at temperature 1 while the logits are small; larger ones keep their direction and lose their scale.
    """
    where = jnp.ones(logits.shape, bool) if legal is None else legal
    centred = logits - jnp.mean(logits, axis=-1, keepdims=True, where=where)
    square = jnp.mean(jnp.square(centred), axis=-1, keepdims=True, where=where)
    return centred / jnp.sqrt(jnp.maximum(square, 1))


def log_prob(logits: jax.Array, action: jax.Array) -> jax.Array:
    """`log pi(action)` [...] of normalised `logits` [..., A]."""
    return jnp.take_along_axis(logits, action[..., None], axis=-1)[..., 0]


def entropy(logits: jax.Array) -> jax.Array:
    """`-sum_a pi(a) log pi(a)` [...], in nats."""
    return -jnp.sum(jnp.exp(logits) * logits, axis=-1)


def max_probability(logits: jax.Array) -> jax.Array:
    """Probability of the most probable action [...]."""
    return jnp.exp(jnp.max(logits, axis=-1))


def sample(key: jax.Array, logits: jax.Array) -> jax.Array:
    """One action int32 [...] from `logits` [..., A]: that of `jax.random.categorical`.

    Its argmax is two reductions here: one of pairs does not vectorise on CPUs, nor do the noise's logarithms in it.
    """
    noisy = logits + jax.random.gumbel(key, logits.shape, logits.dtype)
    last = logits.shape[-1] - 1
    best = noisy == jnp.max(noisy, axis=-1, keepdims=True)
    return jnp.min(jnp.where(best, jnp.arange(last + 1, dtype=jnp.int32), last), axis=-1)
