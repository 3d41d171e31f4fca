"""Films: one whole episode, readable files, little memory, refusals before an episode is played."""

from __future__ import annotations

import subprocess
import tracemalloc
from types import SimpleNamespace

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from jaxrl.errors import ConfigError
from jaxrl.record.rundir import RunDirError
from jaxrl.record.video import FORMATS, Film, captioned, check_video_path, write_video
from tests.support.full_disk import files_of_at_most


def timestep(length: int, last: bool) -> SimpleNamespace:
    return SimpleNamespace(episode_return=[length / 2, 99], episode_length=[length, 0], last=[last, True])


class Numbers:
    """A screen that shows the step's number as a shade."""

    fps = 10.0

    def draw(self, timestep, action=None):
        return np.full((10, 5, 3), 20 * timestep.episode_length[0] % 256, np.uint8)


def filmed(steps: int) -> Film:
    film = Film(Numbers(), "a game")
    film(None, timestep(0, False))
    for length in range(1, steps):
        film(np.zeros(2, int), timestep(length, length == steps - 1))
    return film


def shades(count: int) -> list[np.ndarray]:
    """Equal pictures may be merged into one that stays longer, so these all differ."""
    return [captioned(np.full((20, 20, 3), 25 * i, np.uint8), f"{i}") for i in range(count)]


def test_a_film_is_the_first_episode_of_the_first_environment():
    film = filmed(4)
    for length in (0, 1):
        film(np.zeros(2, int), timestep(length, False))
    frames = list(film)
    assert len(film) == len(frames) == 4 and film.episode_return == 1.5
    assert [int(frame[10, frame.shape[1] // 2, 0]) for frame in frames] == [0, 20, 40, 60]


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


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.GIF"])
def test_files_can_be_read_back(tmp_path, name):
    frames = shades(10)
    write_video(tmp_path / name, frames, fps=5)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with Image.open(tmp_path / name) as film:
        assert len(frames) <= film.n_frames <= len(frames) + 5
        durations = []
        for index in range(film.n_frames):
            film.seek(index)
            film.load()
            durations.append(film.info["duration"])
            if index in (0, 4):
                assert abs(int(np.asarray(film.convert("RGB"))[10, 210, 0]) - 25 * index) < 6
    assert sum(durations) == pytest.approx(3000, abs=50), "ten frames of 0.2 s, and the last one a second more"


def test_an_mp4_can_be_read_back(tmp_path):
    frames = shades(10)
    write_video(tmp_path / "a.mp4", frames, fps=5)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(tmp_path / "a.mp4")]
    data = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], stdout=subprocess.PIPE, check=True)
    read = np.frombuffer(data.stdout, np.uint8).reshape(-1, *frames[0].shape)
    assert len(read) == 15
    assert all(abs(int(read[index][10, 210, 0]) - 25 * index) < 12 for index in (0, 4, 9))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_film_is_never_in_memory_as_a_whole(tmp_path, suffix):
    tracemalloc.start()
    film = filmed(80)
    write_video(tmp_path / f"a{suffix}", film, fps=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * next(iter(film)).nbytes


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_full_disk_leaves_the_film_that_was_there(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("a good film")
    noise = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    with files_of_at_most(2048), pytest.raises(RunDirError, match=f"cannot write .*a{suffix}: .*free space"):
        write_video(path, list(noise), fps=5)
    assert path.read_text() == "a good film" and list(tmp_path.iterdir()) == [path]


def test_refusals(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"must end in one of \.gif, \.webp, \.mp4"):
        check_video_path(tmp_path / "a.avi")
    with pytest.raises(ConfigError, match="there is no folder"):
        check_video_path(tmp_path / "no" / "a.gif")
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.gif is a folder; name a file"):
        check_video_path(tmp_path / "folder.gif")
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: (_ for _ in ()).throw(RuntimeError("none")))
    with pytest.raises(ConfigError, match="needs ffmpeg: install it"):
        check_video_path(tmp_path / "a.mp4")
