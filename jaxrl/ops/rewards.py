"""Reward transforms, applied in the learner; logs and bandits always see raw rewards."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp

RewardTransform = Literal["identity", "clip", "log"]


def transform_reward(reward: jax.Array, transform: RewardTransform, scale: jax.Array | float = 1.0) -> jax.Array:
    """`scale * f(reward)`.

    `clip` is to [-1, 1] (Mnih et al. 2015); `log` is `log(|r| + 1) * (2 * 1{r >= 0} - 1{r < 0})`, the CASA authors'
    (arXiv 2206.03192, hyper-parameter table): gains weigh twice as much as losses.
    """
    if transform == "clip":
        reward = jnp.clip(reward, -1.0, 1.0)
    elif transform == "log":
        reward = jnp.log1p(jnp.abs(reward)) * jnp.where(reward >= 0, 2.0, -1.0)
    elif transform != "identity":
        raise ValueError(f"reward transform must be identity, clip or log, got {transform!r}")
    return scale * reward
