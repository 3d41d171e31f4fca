"""The sections of a config are made from Python too."""

from jaxrl.config import EnvConfig
from jaxrl.envs.build import make_env


def test_an_environment_is_made_without_a_file():
    """What a notebook or a script of the user's does."""
    env = make_env(EnvConfig(id="catch", backend="jax"), 3, num_threads=1, seed=0, stream=(1,))
    assert env.reset().first.tolist() == [True] * 3
    env.close()
