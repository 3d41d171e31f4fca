"""The pictures for people: of the same game, in colour, and an error where there is none."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from jaxrl.envs.base import EnvError
from jaxrl.envs.build import make_env
from jaxrl.envs.cartpole import CartPole
from jaxrl.envs.catch import Catch
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.envs.screen import BARS_SIDE, NEGATIVE, POSITIVE, ZERO, BarScreen, make_screen
from jaxrl.types import ArraySpec, EnvSpec

SEED, STREAM = 5, (1,)


def parts(config, num_envs):
    env = make_env(config, num_envs, seed=SEED, stream=STREAM)
    return env, make_screen(config, config.spec, num_envs, SEED, STREAM)


def test_a_second_emulator_plays_the_same_game():
    """Through sticky actions, starts of both kinds and a reset: what the agent saw, in colour and larger."""
    config = EnvPool("Pong-v5", protocol="machado", noop_max=30, random_starts=10, max_episode_steps=70)
    env, screen = parts(config, 3)
    rng = np.random.default_rng(0)
    timestep = env.reset()
    pictures, seen = [screen.draw(timestep)], [timestep.observation[0, -1]]
    for _ in range(90):
        action = rng.integers(0, env.spec.num_actions, 3)
        timestep = env.step(action)
        pictures.append(screen.draw(timestep, action))
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
    config = EnvPool("Breakout-v5", protocol="cpu")
    env, screen = parts(config, 1)
    screen.draw(env.reset())
    with pytest.raises(EnvError, match="no longer plays the same game"):
        for _ in range(600):
            timestep = env.step(np.ones(1, np.int32))  # fire, and wait for the ball to be lost
            screen.draw(timestep, np.zeros(1, np.int32))
    env.close()
    screen.close()


def test_boards_are_pictures():
    env, screen = parts(Catch(), 2)
    timestep = env.reset()
    picture = screen.draw(timestep)
    assert picture.shape == (*env.spec.observation.shape, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[..., 0] == 255, np.asarray(timestep.observation[0]) == 1)


def bars(picture, count):
    """Pixels right of the middle less pixels left of it, of each of `count` bars."""
    rows = picture[:: len(picture) // count][:count]
    positive, negative = ((rows == colour).all(-1).sum(1) for colour in (POSITIVE, NEGATIVE))
    assert not (positive * negative).any(), "a bar has one side"
    assert (picture[:, BARS_SIDE // 2] == ZERO).all(), "the line at zero"
    return positive - negative


def test_vectors_are_bars():
    """Of their sign, as long as they are large beside the largest that the same component was so far."""
    env, screen = parts(CartPole(), 2)
    full = BARS_SIDE // 2

    def shown(*vector):
        return SimpleNamespace(observation=np.asarray([vector, (9, 9, 9, 9)], np.float32))

    first = screen.draw(shown(2, -0.01, 0, 5))
    assert first.dtype == np.uint8 and first.shape == (BARS_SIDE, BARS_SIDE, 3)
    np.testing.assert_allclose(bars(first, 4), [full, -full, 0, full], atol=1)
    second = screen.draw(shown(-1, 0.005, 3, 10), np.zeros(2, int))
    np.testing.assert_allclose(bars(second, 4), [-full / 2, full / 2, full, full], atol=1)
    again = screen.draw(shown(1, 1, 0, 0))
    np.testing.assert_allclose(bars(again, 4), [full, full, 0, 0], atol=1)
    assert screen.draw(env.reset()).shape == first.shape


@pytest.mark.parametrize("length", [1, 2, 70, 71, 500])
def test_every_component_has_a_bar(length):
    screen = BarScreen()
    vector = np.where(np.arange(length) % 2, -1.0, 1.0)
    picture = screen.draw(SimpleNamespace(observation=vector[None]))
    np.testing.assert_array_equal(np.sign(bars(picture, length)), vector)


@pytest.mark.parametrize("shape", [(), (2, 3, 4, 5)])
def test_other_observations_have_no_picture(shape):
    spec = EnvSpec(ArraySpec(shape, "float32"), num_actions=2, frame_skip=1)
    with pytest.raises(EnvError, match="no picture of an observation that is float32"):
        make_screen(Catch(), spec, 2, SEED, STREAM)
