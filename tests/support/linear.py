"""A linear network and random trajectories: small enough that NumPy can redo everything an agent does with them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.agents.exploration import Drawn
from jaxrl.networks.heads import NetworkOutput
from jaxrl.ops.categorical import ILLEGAL
from jaxrl.types import ArraySpec, EnvSpec, Trajectory

FEATURES, ACTIONS = 5, 4
SPEC = EnvSpec(ArraySpec((FEATURES,), "float32"), ACTIONS, frame_skip=1)


class LinearNetwork:
    """policy = x W + b, value = x w."""

    def init(self, rngs: Any, observation: jax.Array) -> dict[str, Any]:
        policy_key, value_key = jax.random.split(rngs)
        return {
            "params": {
                "policy": jax.random.normal(policy_key, (FEATURES, ACTIONS)),
                "bias": jnp.linspace(-0.5, 0.5, ACTIONS),
                "value": jax.random.normal(value_key, (FEATURES, 1)),
            }
        }

    def initial_memory(self, num_envs: int) -> tuple[()]:
        return ()

    def apply(self, variables: dict[str, Any], observation: jax.Array) -> NetworkOutput:
        p = variables["params"]
        return NetworkOutput(observation @ p["policy"] + p["bias"], (observation @ p["value"])[:, 0])


def outputs(params: dict[str, np.ndarray], trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """The policy head [T, B, A] and the value [T+1, B]."""
    x = trajectory.observation
    return x[:-1] @ params["policy"] + params["bias"], (x @ params["value"])[..., 0]


def chain(trajectory: Trajectory, head: np.ndarray, value: np.ndarray) -> dict[str, np.ndarray]:
    """Gradients in the outputs -> gradients in the parameters."""
    x = trajectory.observation
    return {
        "policy": np.einsum("tbf,tba->fa", x[:-1], head),
        "bias": head.sum((0, 1)),
        "value": np.einsum("tbf,tb->f", x, value)[:, None],
    }


def draw_params(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "policy": rng.normal(size=(FEATURES, ACTIONS)),
        "bias": rng.normal(size=ACTIONS),
        "value": rng.normal(size=(FEATURES, 1)),
    }


def draw_trajectory(seed: int, length: int = 7, width: int = 4, *, legality: bool = False) -> Trajectory:
    """Off policy, with terminations, truncations and the ignored rows behind them, and a temperature per sample."""
    rng = np.random.default_rng(seed)
    shape = (length, width)
    first, discount, last = np.zeros((length + 1, width), bool), np.ones(shape), np.zeros(shape, bool)
    first[0] = rng.random(width) < 0.5
    for t in range(length):  # an episode ends with row t; row t + 1 is ignored and leads to a first observation
        last[t] = (rng.random(width) < 0.25) & ~first[t + 1]
        last[t, t % width] |= t in (1, 2) and not first[t + 1, t % width]
        discount[t] = np.where(last[t], np.arange(width) % 2, 1)  # terminations and truncations side by side
        if t + 2 <= length:
            first[t + 2] = last[t]
    legal, action = None, rng.integers(0, ACTIONS, shape).astype(np.int32)
    logits = rng.normal(size=(*shape, ACTIONS))
    if legality:
        legal = rng.random((length + 1, width, ACTIONS)) < 0.6
        np.put_along_axis(legal[:-1], action[..., None], True, axis=-1)
        legal[-1, :, 0] = True
        logits = np.where(legal[:-1], logits, ILLEGAL)
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    return Trajectory(
        observation=rng.normal(size=(length + 1, width, FEATURES)),
        first=first,
        legal=legal,
        action=action,
        behaviour_logits=logits,
        reward=np.where(first[1:], 0, rng.normal(size=shape) * 3),
        discount=discount,
        last=last,
        episode_return=np.zeros(shape),
        episode_length=np.zeros(shape, np.int32),
        actor_state=(),
        extras=Drawn(rng.uniform(0.3, 2.0, shape)),
    )
