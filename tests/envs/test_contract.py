"""One contract for every kind of environment."""

import pytest

from jaxrl.config.sections import EnvConfig
from jaxrl.envs.build import env_spec, make_env
from tests.envs.contract import check_env

CASES = {
    "pong": (EnvConfig(id="Pong-v5", protocol="cpu", max_episode_steps=60), 150),
    "cartpole-envpool": (EnvConfig(id="CartPole-v1"), 300),
    "catch-envpool": (EnvConfig(id="Catch-v0"), 60),
    "frozen-lake-envpool": (EnvConfig(id="FrozenLake-v1"), 250),
    "catch-jax": (EnvConfig(id="catch", backend="jax"), 60),
    "fork-jax": (EnvConfig(id="fork", backend="jax"), 30),
    "cartpole-jax": (EnvConfig(id="cartpole", backend="jax"), 300),
    "recall-jax": (EnvConfig(id="recall", backend="jax"), 60),
    "cartpole-jax-capped": (EnvConfig(id="cartpole", backend="jax", max_episode_steps=7), 60),
}


@pytest.mark.parametrize("name", CASES)
def test_contract(name):
    config, steps = CASES[name]
    check_env(lambda: make_env(config, 4, seed=3, stream=(0, 0)), steps)


@pytest.mark.parametrize("name", CASES)
def test_spec_is_the_environments(name):
    config, _ = CASES[name]
    env = make_env(config, 1, seed=0, stream=())
    assert env_spec(config) == env.spec
    env.close()
