"""Names and refusals."""

import subprocess
import sys

import pytest

from jaxrl.config import registry
from jaxrl.config.ranges import check_ranges
from jaxrl.envs.base import EnvError
from jaxrl.envs.build import make_env
from jaxrl.envs.catch import Catch
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.envs.gymnasium import Gymnasium
from jaxrl.errors import ConfigError


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (EnvPool(id="NoSuchGame-v5"), "no environment 'NoSuchGame-v5'; the nearest names are NameThisGame-v5"),
        (EnvPool(id="pong-v5"), "the nearest names are Pong-v5"),
        (EnvPool(id="BinPack-v2"), "BinPack-v2 has the action space"),
        (EnvPool(id="TicTacToe-v1"), "TicTacToe-v1 has 2 players"),
        (EnvPool(id="CheetahRun-v1", parts=("speed",)), "no part 'speed'; env.parts may name position, velocity"),
        (EnvPool(id="CartPole-v1", parts=("speed",)), "no part 'speed'; env.parts must be left out"),
        (Gymnasium(id="CartPol-v1"), "Gymnasium has no environment 'CartPol-v1'; the nearest names are CartPole-v1"),
        (Gymnasium(id="CartPole-v77"), "the nearest names are CartPole-v"),
        (Gymnasium(id="CartPole-v1", options={"sides": 3}), "Gymnasium cannot make CartPole-v1: .*sides"),
        (Gymnasium(id="no_such_module:Game-v0"), "Gymnasium cannot make no_such_module:Game-v0: "),
        (Gymnasium(id="Blackjack-v1", parts=("3",)), "no part '3'; env.parts may name 0, 1, 2"),
    ],
)
def test_environments_nobody_can_play(config, message):
    with pytest.raises(EnvError, match=message) as caught:
        _ = config.spec
    assert caught.value.status == ConfigError.status, "it is a setting that cannot work"
    with pytest.raises(EnvError, match=message):
        make_env(config, 2, seed=0, stream=())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (EnvPool(noop_max=0), "env.noop_max must be at least 1"),
        (EnvPool(id="CartPole-v1", noop_max=3), "env.noop_max is an Atari setting"),
    ],
)
def test_settings_that_cannot_work(config, message):
    with pytest.raises(ConfigError, match=message):
        make_env(config, 2, seed=0, stream=())


@pytest.mark.parametrize("config", [EnvPool(), Catch()])
def test_sizes_and_seeds(config):
    with pytest.raises(EnvError, match="at least 1 environment"):
        make_env(config, 0, seed=0, stream=())
    with pytest.raises(ConfigError, match="seed must be at least 0"):
        make_env(config, 1, seed=-1, stream=())


def test_threads():
    with pytest.raises(EnvError, match="at least 1 thread"):
        make_env(EnvPool(), 1, num_threads=0, seed=0, stream=())


def test_a_cap_is_at_least_one_step():
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        check_ranges(Catch(max_episode_steps=0), "env.")


@pytest.mark.parametrize("name", registry.ENVS)
def test_registry(name):
    settings = registry.load("env", name).Config()
    assert registry.make("env", settings).spec.num_actions > 1


def test_importing_starts_no_backend():
    code = """
import sys
import jaxrl.envs.build, jaxrl.envs.batched, jaxrl.envs.catch, jaxrl.envs.cartpole, jaxrl.envs.envpool.pool
from jax._src import xla_bridge
assert not xla_bridge.backends_are_initialized()
assert "envpool" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
