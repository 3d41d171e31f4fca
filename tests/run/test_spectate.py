"""Somebody looks on: pictures and captions in order, at the game's pace, and a film of the same game."""

import time

import numpy as np
import pytest
from PIL import Image

from jaxrl.cli.commands import main
from jaxrl.envs.base import EnvError
from jaxrl.envs.screen import ObservationScreen
from jaxrl.errors import ConfigError
from jaxrl.run.spectate import spectate


def test_every_step_is_shown_at_the_pace_asked_for():
    shown: list[tuple[np.ndarray, str]] = []
    begin = time.monotonic()
    returns = spectate(
        "zoo:catch", show=lambda picture, caption: shown.append((picture, caption)), episodes=2, speed=20
    )
    assert time.monotonic() - begin >= 19 / (10 * 20), "Catch is shown at 10 steps/s, 20 times as fast here"
    assert len(shown) == 20 and all(picture.shape == (10, 5, 3) for picture, _ in shown)
    assert [caption for _, caption in shown][9] == f"catch sampled   return {returns[0]:g}   step 9"


def test_a_film(tmp_path, capsys):
    film = tmp_path / "catch.gif"
    assert main(["watch", "zoo:catch", "--video", str(film), "--seed", "3"]) == 0
    assert "one episode, return 1" in capsys.readouterr().out
    with Image.open(film) as image:
        assert image.n_frames >= 10
    with pytest.raises(ConfigError, match="must end in one of"):
        spectate("zoo:catch", video=tmp_path / "x.avi")


def test_a_picture_that_cannot_be_drawn_ends_the_film_with_one_sentence(tmp_path, monkeypatch, capsys):
    drawn = iter(range(3))

    def draw(self, timestep, action=None):
        if next(drawn, None) is None:
            raise EnvError("a package is missing")
        return np.zeros((10, 5, 3), np.uint8)

    monkeypatch.setattr(ObservationScreen, "draw", draw)
    assert main(["watch", "zoo:catch", "--video", str(tmp_path / "catch.gif")]) == 1
    assert "there is no film, since a package is missing" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_without_a_terminal_nothing_is_played(capsys, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    assert main(["watch", "zoo:catch"]) == 2
    assert "there is no terminal to draw in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["zoo:catch", "--port", "8000"], "--port says nothing about a game"),
        (["zoo:catch", "--video", "x.gif", "--speed", "2"], "--speed says nothing about a film"),
        (["runs/x", "--episodes", "2"], "--episodes says nothing about the page of a run; --play lets the agent play"),
        (["runs/x", "--no-greedy"], "--greedy says nothing about the page of a run"),
        (["runs/x", "--seed", "2"], "--seed says nothing about the page of a run"),
    ],
)
def test_an_option_that_nothing_would_read(words, wrong, capsys):
    assert main(["watch", *words]) == 2
    assert wrong in capsys.readouterr().err
