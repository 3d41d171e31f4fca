"""One contract for every kind of environment."""

import pytest

from jaxrl.envs.build import make_env
from jaxrl.envs.cartpole import CartPole
from jaxrl.envs.catch import Catch
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.envs.fork import Fork
from jaxrl.envs.recall import Recall
from tests.envs.contract import check_env

CASES = {
    "pong": (EnvPool(id="Pong-v5", protocol="cpu", max_episode_steps=60), 150),
    "cartpole-envpool": (EnvPool(id="CartPole-v1"), 300),
    "catch-envpool": (EnvPool(id="Catch-v0"), 60),
    "frozen-lake-envpool": (EnvPool(id="FrozenLake-v1"), 250),
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


@pytest.mark.parametrize("name", CASES)
def test_spec_is_the_environments(name):
    config, _ = CASES[name]
    env = make_env(config, 1, seed=0, stream=())
    assert config.spec == env.spec
    env.close()
