"""Score a policy: whole episodes in environments of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrl import ops
from jaxrl.envs.base import BatchedEnv
from jaxrl.runtime.actor import Act
from jaxrl.types import ActorOutput, ActorParams, ActorState, Key, TimeStep


def play_episodes(
    act: Act,
    params: ActorParams,
    state: ActorState,
    env: BatchedEnv,
    num_episodes: int,
    key: Key,
    progress: Callable[[int], None] = lambda finished: None,
    watch: Callable[[np.ndarray | None, TimeStep], None] = lambda action, timestep: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Raw returns float32 [N] and lengths int32 [N], in env steps, of `num_episodes` whole episodes.

    Each environment plays an equal share, fixed beforehand: taking the first N episodes to finish would favour short
    ones. `act` is an agent's after `make_act`, and `params` and the initial `state` belong to it. `progress` is called
    with the number of episodes finished so far, `watch` with every action and the time step that it led to, and first
    with None and the first.
    """
    quota = np.full(env.num_envs, num_episodes // env.num_envs)
    quota[: num_episodes % env.num_envs] += 1
    returns: list[float] = []
    lengths: list[int] = []
    timestep, row = env.reset(), 0
    watch(None, timestep)
    while quota.any():
        state, output = act(params, state, timestep, key, row, 0)
        action = np.asarray(output.action)
        timestep = env.step(action)
        watch(action, timestep)
        row += 1
        for i in np.flatnonzero(timestep.last & (quota > 0)):
            returns.append(float(timestep.episode_return[i]))
            lengths.append(int(timestep.episode_length[i]))
            quota[i] -= 1
            progress(len(returns))
    return np.asarray(returns, np.float32), np.asarray(lengths, np.int32)


def summary(returns: np.ndarray, lengths: np.ndarray) -> dict[str, Any]:
    """Mean, standard error and range of the returns; mean length."""
    count = len(returns)
    return {
        "episodes": count,
        "mean_return": float(returns.mean()),
        "standard_error": float(returns.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0,
        "min_return": float(returns.min()),
        "median_return": float(np.median(returns)),
        "max_return": float(returns.max()),
        "mean_length": float(lengths.mean()),
    }


def act_randomly(
    params: ActorParams, state: ActorState, timestep: TimeStep, key: Key, *, num_actions: int
) -> tuple[ActorState, ActorOutput]:
    """An `act` that draws uniformly from the legal actions: the floor that a score is compared with."""
    logits = ops.softmax_policy(jnp.zeros((*timestep.first.shape, num_actions)), 1.0, timestep.legal)
    return state, ActorOutput(ops.sample(key, logits), logits, ())
