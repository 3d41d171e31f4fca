"""Films: one whole episode, readable files, refusals before an episode is played."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from jaxrl.config import ConfigError
from jaxrl.video import Film, captioned, check_video_path, write_video


def timestep(length: int, last: bool) -> SimpleNamespace:
    return SimpleNamespace(episode_return=[length / 2, 99], episode_length=[length, 0], last=[last, True])


class Numbers:
    """A screen that shows the step's number as a shade."""

    fps = 10.0

    def reset(self, timestep):
        return np.full((10, 5, 3), 0, np.uint8)

    def step(self, action, timestep):
        return np.full((10, 5, 3), 20 * timestep.episode_length[0], np.uint8)


def test_a_film_is_the_first_episode_of_the_first_environment():
    film = Film(Numbers(), "a game")
    film(None, timestep(0, False))
    for length, last in [(1, False), (2, False), (3, True), (0, False), (1, False)]:
        film(np.zeros(2, int), timestep(length, last))
    assert len(film.frames) == 4 and film.episode_return == 1.5
    shades = [int(frame[10, frame.shape[1] // 2, 0]) for frame in film.frames]
    assert shades == [0, 20, 40, 60]


@pytest.mark.parametrize("shape", [(10, 5, 3), (210, 160, 3), (84, 84, 3), (421, 421, 3)])
def test_pictures_are_enlarged_by_whole_numbers_and_even(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    framed = captioned(picture, "return 3")
    assert framed.shape[0] % 2 == framed.shape[1] % 2 == 0 and framed.shape[0] >= 350
    factor = max(1, round(420 / shape[0]))
    left = (framed.shape[1] - shape[1] * factor) // 2
    columns = left + factor * np.arange(2)
    np.testing.assert_array_equal(framed[0, columns], picture[0, [0, 1]])
    assert (framed[-32:] > 200).any(), "a caption"


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_files_can_be_read_back(tmp_path, suffix):
    """Equal pictures may be merged into one that stays longer, so these all differ."""
    frames = [captioned(np.full((20, 20, 3), shade, np.uint8), f"{shade}") for shade in range(0, 250, 25)]
    write_video(tmp_path / f"a{suffix}", frames, fps=5)
    with Image.open(tmp_path / f"a{suffix}") as film:
        assert len(frames) <= film.n_frames <= len(frames) + 5
        for index in (0, 4):
            film.seek(index)
            assert abs(int(np.asarray(film.convert("RGB"))[10, 210, 0]) - 25 * index) < 6


def test_refusals(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"must end in one of \.gif, \.webp, \.mp4"):
        check_video_path(tmp_path / "a.avi")
    with pytest.raises(ConfigError, match="there is no folder"):
        check_video_path(tmp_path / "no" / "a.gif")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install imageio-ffmpeg"):
        check_video_path(tmp_path / "a.mp4")
