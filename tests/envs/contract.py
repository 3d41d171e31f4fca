"""What every `BatchedEnv` promises, checked by playing it at random."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
import pytest

from jaxrl.envs.base import BatchedEnv, EnvError
from jaxrl.types import TimeStep


def play(env: BatchedEnv, steps: int, seed: int = 0) -> list[TimeStep]:
    """`steps` random steps after a reset: `steps + 1` records of the arrays as they were handed out."""
    random = np.random.default_rng(seed)
    timesteps = [env.reset()]
    for _ in range(steps):
        timesteps.append(env.step(draw_action(env, random)))
    return timesteps


def draw_action(env: BatchedEnv, random: np.random.Generator) -> np.ndarray:
    """One random action for each environment; a continuous one also beyond the bounds."""
    if env.spec.bounds is not None:
        return random.uniform(-1.5, 1.5, (env.num_envs, env.spec.num_actions)).astype(np.float32)
    return random.integers(0, env.spec.num_actions, env.num_envs, dtype=np.int32)


def no_action(env: BatchedEnv) -> np.ndarray:
    """Zeros in the shape of an action."""
    continuous = env.spec.bounds is not None
    return (
        np.zeros((env.num_envs, env.spec.num_actions), np.float32) if continuous else np.zeros(env.num_envs, np.int32)
    )


def stack(timesteps: list[TimeStep]) -> TimeStep:
    """One `TimeStep` with leaves [T, B, ...]."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *timesteps)


def assert_same(left: TimeStep, right: TimeStep) -> None:
    """Bit for bit."""
    jax.tree.map(np.testing.assert_array_equal, left, right)


def check_env(make: Callable[[], BatchedEnv], steps: int, *, ends: bool = True) -> None:
    """Play `steps` steps and check all promises; `ends` says that episodes are known to end within them."""
    env = make()
    check_order_of_calls(env)
    check_bad_actions(env)
    timesteps = play(env, steps)
    copies = [jax.tree.map(np.copy, timestep) for timestep in timesteps[-20:]]
    check_types(env, timesteps[0])
    check_types(env, timesteps[-1])
    check_episodes(stack(timesteps), ends)
    check_saving(env)
    for held, copy in zip(timesteps[-20:], copies, strict=True):
        assert_same(held, copy)  # what was handed out is not written over by later steps
    env.close()
    env.close()
    with pytest.raises(EnvError, match="closed"):
        env.reset()


def check_order_of_calls(env: BatchedEnv) -> None:
    """Calls out of order are errors, never waits."""
    action = no_action(env)
    with pytest.raises(EnvError, match="before reset"):
        env.send(action)
    env.reset()
    with pytest.raises(EnvError, match="without send"):
        env.recv()
    env.send(action)
    with pytest.raises(EnvError, match="twice"):
        env.send(action)
    env.recv()


def check_bad_actions(env: BatchedEnv) -> None:
    """Wrong actions are refused before they reach the environment."""
    good = no_action(env)
    bad = [(good[:-1], "shape"), (np.concatenate([good, good[:1]]), "shape"), (good[None], "shape")]
    if env.spec.bounds is None:
        beyond = ((good - 1, "Actions must be"), (good + env.spec.num_actions, "Actions must be"))
        bad += [(good.astype(np.float32), "integers"), *beyond]
    else:
        bad += [(good.astype(np.int32), "finite floats"), (good + np.float32(np.nan), "finite floats")]
    for action, reason in bad:
        with pytest.raises(EnvError, match=reason):
            env.step(action)
    env.step(good.astype(np.int64 if env.spec.bounds is None else np.float64))


def check_types(env: BatchedEnv, timestep: TimeStep) -> None:
    """Shapes and dtypes are those of the spec and of `TimeStep`."""
    batch = (env.num_envs,)
    seen = jax.tree.map(lambda x: (x.shape, x.dtype), timestep.observation)
    assert seen == jax.tree.map(lambda x: (batch + x.shape, x.dtype), env.spec.observation)
    for name, dtype in (
        ("reward", np.float32),
        ("discount", np.float32),
        ("first", bool),
        ("last", bool),
        ("episode_return", np.float32),
        ("episode_length", np.int32),
    ):
        leaf = getattr(timestep, name)
        assert isinstance(leaf, np.ndarray) and leaf.shape == batch and leaf.dtype == dtype, name
    if timestep.legal is not None:
        assert timestep.legal.shape == (*batch, env.spec.num_actions) and timestep.legal.dtype == bool


def check_episodes(seen: TimeStep, ends: bool) -> None:
    """Boundaries, discounts, returns and lengths of `seen`, leaves [T+1, B, ...]."""
    assert seen.first[0].all() and not seen.last[0].any()
    np.testing.assert_array_equal(seen.first[1:], seen.last[:-1])  # a reset follows every end, and nothing else
    assert set(np.unique(seen.discount)) <= {0.0, 1.0}
    assert seen.last[seen.discount == 0].all()
    assert (seen.reward[seen.first] == 0).all()
    expected_return = np.zeros_like(seen.episode_return[0])
    expected_length = np.zeros_like(seen.episode_length[0])
    for t in range(len(seen.reward)):
        expected_return = np.where(seen.first[t], 0, expected_return + seen.reward[t])
        expected_length = np.where(seen.first[t], 0, expected_length + 1)
        np.testing.assert_allclose(seen.episode_return[t], expected_return, rtol=1e-6)
        np.testing.assert_array_equal(seen.episode_length[t], expected_length)
    if ends:
        assert seen.last.any(axis=0).all(), "every environment should have finished an episode"


def check_saving(env: BatchedEnv) -> None:
    """A saved state is played on bit for bit, or there is none and loading is an error."""
    current = env.step(no_action(env))
    saved = env.save_state()
    if saved is None:
        with pytest.raises(EnvError):
            env.load_state(None)
        return
    random = np.random.default_rng(1)
    actions = [draw_action(env, random) for _ in range(40)]
    ahead = [env.step(action) for action in actions]
    assert_same(env.load_state(saved), current)
    for action, expected in zip(actions, ahead, strict=True):
        assert_same(env.step(action), expected)
    env.send(actions[0])
    with pytest.raises(EnvError, match="between recv and send"):
        env.save_state()
    env.recv()
