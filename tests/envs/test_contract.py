"""One contract for every kind of environment."""

import numpy as np
import pytest

from jaxrl.envs.build import make_env
from jaxrl.envs.cartpole import CartPole
from jaxrl.envs.catch import Catch
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.envs.fork import Fork
from jaxrl.envs.gymnasium import Gymnasium
from jaxrl.envs.recall import Recall
from tests.envs.contract import check_env, play, stack

CASES = {
    "pong": (EnvPool(id="Pong-v5", protocol="cpu", max_episode_steps=60), 150),
    "cartpole-envpool": (EnvPool(id="CartPole-v1"), 300),
    "catch-envpool": (EnvPool(id="Catch-v0"), 60),
    "frozen-lake-envpool": (EnvPool(id="FrozenLake-v1"), 250),
    "catch-envpool-capped": (EnvPool(id="Catch-v0", max_episode_steps=4), 60),
    "frozen-lake-envpool-capped": (EnvPool(id="FrozenLake-v1", max_episode_steps=9), 250),
    "cliff-envpool-capped": (EnvPool(id="CliffWalking-v1", max_episode_steps=5), 60),
    "pendulum-envpool": (EnvPool(id="Pendulum-v1"), 420),
    "cheetah-of-several-parts-envpool": (EnvPool(id="CheetahRun-v1", max_episode_steps=9), 40),
    "minigrid-envpool": (EnvPool(id="MiniGrid-Empty-5x5-v0", parts=("image", "direction")), 250),
    "cartpole-gymnasium": (Gymnasium(), 300),
    "cartpole-gymnasium-processes": (Gymnasium(max_episode_steps=9, processes=True), 40),
    "pendulum-gymnasium": (Gymnasium(id="Pendulum-v1"), 420),
    "blackjack-gymnasium": (Gymnasium(id="Blackjack-v1", options={"sab": True}), 30),
    "catch-jax": (Catch(), 60),
    "fork-jax": (Fork(), 30),
    "cartpole-jax": (CartPole(), 300),
    "recall-jax": (Recall(), 60),
    "cartpole-jax-capped": (CartPole(max_episode_steps=7), 60),
}


@pytest.mark.parametrize("name", CASES)
def test_contract(name):
    config, steps = CASES[name]
    check_env(lambda: make_env(config, 4, seed=3, stream=(0, 0)), steps)


@pytest.mark.parametrize("env_id", ["CliffWalking-v1", "Catch-v0", "CartPole-v1", "FrozenLake-v1"])
def test_a_cap_ends_episodes_and_changes_nothing_before(env_id):
    """Also where EnvPool itself has no cap, or does not heed it; lengths differ, so that rows are capped alone too."""
    free, capped = (
        stack(play(make_env(EnvPool(id=env_id, max_episode_steps=cap), 3, seed=1, stream=(0,)), 40))
        for cap in (None, 6)
    )
    assert capped.episode_length.max() == 6
    at_the_cap = capped.episode_length == 6
    assert capped.last[at_the_cap].all()
    assert at_the_cap.sum() > 3 and (capped.first[1:] == capped.last[:-1]).all()
    if env_id == "FrozenLake-v1":  # where lakes end some before
        assert (capped.first.any(1) & ~capped.first.all(1)).any()
    np.testing.assert_array_equal(free.observation[:7], capped.observation[:7])
    if env_id in ("CliffWalking-v1", "Catch-v0"):
        assert (capped.discount[at_the_cap] == 1).all()  # truncated, which bootstraps


@pytest.mark.parametrize("name", CASES)
def test_spec_is_the_environments(name):
    config, _ = CASES[name]
    env = make_env(config, 1, seed=0, stream=())
    assert config.spec == env.spec
    env.close()
