"""Names and refusals."""

import subprocess
import sys

import pytest

from jaxrl.config.sections import EnvConfig
from jaxrl.envs.base import EnvError
from jaxrl.envs.build import JAX_ENVS, env_spec, make_env, make_jax_env
from jaxrl.errors import ConfigError


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (EnvConfig(id="NoSuchGame-v5"), "no environment 'NoSuchGame-v5'; the nearest names are NameThisGame-v5"),
        (EnvConfig(id="pong-v5"), "the nearest names are Pong-v5"),
        (EnvConfig(id="Pendulum-v1"), "Pendulum-v1 has the action space Box"),
        (EnvConfig(id="TicTacToe-v1"), "TicTacToe-v1 has 2 players"),
        (EnvConfig(id="MiniGrid-Empty-5x5-v0"), "several parts"),
        (EnvConfig(id="cach", backend="jax"), "the nearest names are catch"),
    ],
)
def test_environments_nobody_can_play(config, message):
    with pytest.raises(EnvError, match=message):
        env_spec(config)
    with pytest.raises(EnvError, match=message):
        make_env(config, 2, seed=0, stream=())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (EnvConfig(noop_max=0), "env.noop_max must be at least 1"),
        (EnvConfig(id="CartPole-v1", noop_max=3), "env.noop_max is an Atari setting"),
        (EnvConfig(id="Catch-v0", max_episode_steps=3), "env.max_episode_steps is an Atari setting"),
        (EnvConfig(id="catch", backend="jax", frame_size=3), "env.frame_size is an Atari setting"),
        (EnvConfig(id="catch", backend="jax", max_episode_steps=0), "env.max_episode_steps must be at least 1"),
    ],
)
def test_settings_that_cannot_work(config, message):
    with pytest.raises(ConfigError, match=message):
        make_env(config, 2, seed=0, stream=())


@pytest.mark.parametrize("config", [EnvConfig(), EnvConfig(id="catch", backend="jax")])
def test_sizes_and_seeds(config):
    with pytest.raises(EnvError, match="at least 1 environment"):
        make_env(config, 0, seed=0, stream=())
    with pytest.raises(ConfigError, match="seed must be at least 0"):
        make_env(config, 1, seed=-1, stream=())


def test_threads():
    with pytest.raises(EnvError, match="at least 1 thread"):
        make_env(EnvConfig(), 1, num_threads=0, seed=0, stream=())


@pytest.mark.parametrize("name", JAX_ENVS)
def test_registry(name):
    assert make_jax_env(EnvConfig(id=name, backend="jax")).spec.num_actions > 1


def test_importing_starts_no_backend():
    code = """
import sys
import jaxrl.envs.build, jaxrl.envs.batched, jaxrl.envs.catch, jaxrl.envs.cartpole, jaxrl.envs.envpool.pool
from jax._src import xla_bridge
assert not xla_bridge.backends_are_initialized()
assert "envpool" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
