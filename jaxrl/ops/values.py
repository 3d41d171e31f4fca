"""Value transforms: what the value head predicts in place of the value. Traces always see the value itself."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp

ValueTransform = Literal["identity", "rescale"]

EPSILON = 1e-3  # R2D2's; Pohlen et al. have 1e-2


def compress_value(value: jax.Array, transform: ValueTransform) -> jax.Array:
    """The head's units: `value`, or with `rescale`

        h(x) = sign(x) (sqrt(|x| + 1) - 1) + epsilon x

    (Pohlen et al. 2018, arXiv 1805.11593, and R2D2): returns of very different size become targets of similar size.
    """
    if transform == "identity":
        return value
    _check(transform)
    size = jnp.abs(value)
    # The root's difference written as a quotient: no digits are lost near 0.
    return jnp.sign(value) * (size / (jnp.sqrt(size + 1) + 1) + EPSILON * size)


def expand_value(head: jax.Array, transform: ValueTransform) -> jax.Array:
    """The inverse of `compress_value`.

    With `d = sqrt(|x| + 1) - 1`, `y = |h(x)|` is `epsilon d^2 + (1 + 2 epsilon) d`, and `|x| = d (d + 2)`. Solved for d

        d = 2 y / (b + sqrt(b^2 + 4 epsilon y)),    b = 1 + 2 epsilon

    which is the printed inverse in a form that keeps its digits in float32.
    """
    if transform == "identity":
        return head
    _check(transform)
    size, b = jnp.abs(head), 1 + 2 * EPSILON
    d = 2 * size / (b + jnp.sqrt(b * b + 4 * EPSILON * size))
    return jnp.sign(head) * d * (d + 2)


def _check(transform: str) -> None:
    if transform != "rescale":
        raise ValueError(f"value transform must be identity or rescale, got {transform!r}")
