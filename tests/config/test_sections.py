"""The sections of a config are made from Python too."""

from jaxrl.config import registry
from jaxrl.config.sections import ExperimentConfig
from jaxrl.envs.build import make_env


def test_an_environment_is_made_without_a_file():
    """What a notebook or a script of the user's does."""
    config = ExperimentConfig(agent=None, env=registry.load("env", "catch").Config(max_episode_steps=5))
    env = make_env(registry.make("env", config.env), 3, num_threads=1, seed=0, stream=(1,))
    assert env.reset().first.tolist() == [True] * 3
    env.close()
