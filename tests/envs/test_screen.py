"""The pictures for people: of the same game, in colour, and an error where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from jaxrl.config import EnvConfig
from jaxrl.envs.base import EnvError
from jaxrl.envs.build import env_spec, make_env
from jaxrl.envs.screen import make_screen

SEED, STREAM = 5, (1,)


def parts(config, num_envs):
    env = make_env(config, num_envs, seed=SEED, stream=STREAM)
    return env, make_screen(config, env_spec(config), num_envs, SEED, STREAM)


def test_a_second_emulator_plays_the_same_game():
    """Through sticky actions, no-op starts and a reset: the picture is what the agent saw, in colour and larger."""
    config = EnvConfig("Pong-v5", protocol="machado", noop_max=30, max_episode_steps=70)
    env, screen = parts(config, 3)
    rng = np.random.default_rng(0)
    timestep = env.reset()
    pictures, seen = [screen.reset(timestep)], [timestep.observation[0, -1]]
    for _ in range(90):
        action = rng.integers(0, env.spec.num_actions, 3)
        timestep = env.step(action)
        pictures.append(screen.step(action, timestep))
        seen.append(timestep.observation[0, -1])
    env.close()
    screen.close()
    pictures, seen = np.stack(pictures), np.stack(seen)
    assert pictures.shape == (91, 210, 160, 3) and pictures.dtype == np.uint8
    assert (pictures[..., 0] != pictures[..., 2]).any(), "colour"
    # Shrunk to 84 x 84 by nearest neighbour, its brightness is the agent's frame but for the edges of what moves.
    rows, columns = np.arange(84) * 210 // 84, np.arange(84) * 160 // 84
    grey = (pictures @ [0.299, 0.587, 0.114])[:, rows][:, :, columns]
    changes = [np.abs(np.diff(x.astype(float), axis=0)).sum((1, 2)) for x in (grey, seen)]
    assert np.corrcoef(*changes)[0, 1] > 0.8
    shifted = np.corrcoef(changes[0][3:], changes[1][:-3])[0, 1]
    assert shifted < 0.8, "three steps too late it is another film"


def test_other_actions_are_noticed():
    """Pong's first point falls at another moment when the paddle serves otherwise."""
    config = EnvConfig("Breakout-v5", protocol="cpu")
    env, screen = parts(config, 1)
    screen.reset(env.reset())
    with pytest.raises(EnvError, match="no longer plays the same game"):
        for _ in range(600):
            timestep = env.step(np.ones(1, np.int32))  # fire, and wait for the ball to be lost
            screen.step(np.zeros(1, np.int32), timestep)
    env.close()
    screen.close()


def test_boards_are_pictures_and_vectors_are_none():
    env, screen = parts(EnvConfig("catch", "jax"), 2)
    timestep = env.reset()
    picture = screen.reset(timestep)
    assert picture.shape == (*env.spec.observation_shape, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[..., 0] == 255, np.asarray(timestep.observation[0]) == 1)
    with pytest.raises(EnvError, match=r"cartpole has no picture: its observation is an array of shape \(4,\)"):
        parts(EnvConfig("cartpole", "jax"), 2)
