"""The gradient step that every agent shares: optax transforms, learning rate and weight decay taken from `Hypers`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import optax

from jaxrl.config.conditions import ReadIf
from jaxrl.config.ranges import HUGE, TINY, AtLeast, Between
from jaxrl.types import Params, PyTree


@dataclass(frozen=True)
class OptimiserConfig:
    """How gradients become steps. The learning rate itself is a hyper-parameter of the agent.

    Args:
        name: `adam` (AdamW where the agent's weight decay is not 0) or `rmsprop`.
        beta1: decay of the first moment (Adam).
        beta2: decay of the second moment.
        epsilon: added to the root of the second moment.
        max_grad_norm: gradients are scaled down to this global norm.
        warmup_updates: updates over which the learning rate rises linearly from 0.
        schedule: `constant`, or `linear` in the env steps done, down to 0 where the run has made all of env_steps;
            weight decay follows likewise.
    """

    name: Literal["adam", "rmsprop"] = "adam"
    beta1: Annotated[float, ReadIf("agent.optimiser.name", "adam")] = 0.9
    beta2: float = 0.999
    epsilon: Annotated[float, Between(0, HUGE)] = 1e-6
    max_grad_norm: Annotated[float, AtLeast(TINY)] = 40.0
    warmup_updates: Annotated[int, AtLeast(0)] = 0
    schedule: Literal["constant", "linear"] = "constant"


def make_transform(config: OptimiserConfig) -> optax.GradientTransformation:
    """Gradient to direction: clipping and preconditioning, without learning rate."""
    if config.name == "adam":
        scale = optax.scale_by_adam(config.beta1, config.beta2, config.epsilon)
    else:
        scale = optax.scale_by_rms(config.beta2, config.epsilon, eps_in_sqrt=False)
    return optax.chain(optax.clip_by_global_norm(config.max_grad_norm), scale)


def schedule_factor(config: OptimiserConfig, updates: jax.Array, num_updates: int, progress: PyTree = ()) -> jax.Array:
    """Multiplier in [0, 1] of the learning rate after `updates`, of which `num_updates` would do the run's env steps.

    `progress` is how many such updates the env steps made so far are; () where every row is one.
    """
    done = updates.astype(jnp.float32)
    warmup = jnp.minimum(1.0, (done + 1) / max(config.warmup_updates, 1))
    if config.schedule == "constant":
        return warmup
    done = done if isinstance(progress, tuple) else progress
    remaining = (num_updates - done) / max(num_updates - config.warmup_updates, 1)
    return jnp.minimum(warmup, jnp.clip(remaining, 0.0, 1.0))


def apply_step(
    transform: optax.GradientTransformation,
    gradient: Params,
    opt_state: PyTree,
    params: Params,
    learning_rate: jax.Array,
    weight_decay: jax.Array | float = 0.0,
) -> tuple[Params, PyTree]:
    """`params - learning_rate (direction + weight_decay params)` (AdamW: Loshchilov & Hutter, arXiv 1711.05101).

    Weight decay touches matrices and kernels only, not biases.
    """
    direction, opt_state = transform.update(gradient, opt_state, params)

    def step(p: jax.Array, d: jax.Array) -> jax.Array:
        return p - learning_rate * (d + weight_decay * p if p.ndim > 1 else d)

    return jax.tree.map(step, params, direction), opt_state
