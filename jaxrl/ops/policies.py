"""What a policy head's output means: one of the discrete actions, or a continuous one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax

from jaxrl.ops import categorical, gaussian, squashed


class Distribution(NamedTuple):
    """Functions of a policy's parameters [..., P]."""

    policy: Callable[..., jax.Array]  # (preferences [..., P], temperature, legal) -> parameters
    log_prob: Callable[[jax.Array, jax.Array], jax.Array]  # (parameters, action) -> [...]
    entropy: Callable[[jax.Array], jax.Array]  # [...], in nats
    sample: Callable[[jax.Array, jax.Array], jax.Array]  # (key, parameters) -> action
    spread_name: str  # a metric beside the entropy, and what it is of parameters, [...]
    spread: Callable[[jax.Array], jax.Array]


CATEGORICAL = Distribution(
    categorical.softmax_policy,
    categorical.log_prob,
    categorical.entropy,
    categorical.sample,
    "policy/max_probability",
    categorical.max_probability,
)
GAUSSIAN = Distribution(
    gaussian.gaussian_policy,
    gaussian.log_prob,
    gaussian.entropy,
    gaussian.sample,
    "policy/deviation",
    gaussian.mean_deviation,
)


SQUASHED = Distribution(
    gaussian.gaussian_policy,
    squashed.log_prob,
    squashed.entropy,
    squashed.sample,
    "policy/deviation",
    squashed.mean_deviation,
)

ContinuousPolicy = Literal["gaussian", "squashed"]


def distribution_of(continuous: bool, policy: ContinuousPolicy = "gaussian") -> Distribution:
    """`policy` for continuous actions, else `CATEGORICAL`."""
    if not continuous:
        return CATEGORICAL
    return SQUASHED if policy == "squashed" else GAUSSIAN
