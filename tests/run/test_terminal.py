"""Pictures in a terminal: sizes, colours, and a screen that is left as it was found."""

import io
import re

import numpy as np
import pytest

from jaxrl.errors import ConfigError
from jaxrl.run.zoo.terminal import ENTER, LEAVE, Terminal, fitted, half_blocks


class Tty(io.StringIO):
    def isatty(self):
        return True


def test_boards_grow_by_whole_numbers_and_frames_shrink_to_fit():
    board = np.arange(10 * 5 * 3, dtype=np.uint8).reshape(10, 5, 3)
    large = fitted(board, 80, 46)
    assert large.shape == (40, 20, 3) and (large[::4, ::4] == board).all()
    frame = np.full((210, 160, 3), 77, np.uint8)
    small = fitted(frame, 80, 46)
    assert small.shape[0] <= 46 and small.shape[1] <= 80 and (small == 77).all()
    assert abs(small.shape[0] / small.shape[1] - 210 / 160) < 0.1


def test_a_character_is_two_pixels_and_colours_are_named_where_they_change():
    pixels = np.zeros((3, 4, 3), np.uint8)
    pixels[0, 2:] = (255, 0, 0)
    text = half_blocks(pixels, many_colours=True)
    assert text.count("▀") == 8 and text.count("\r\n") == 2
    assert text.count("38;2;255;0;0;48;2;0;0;0m") == 1
    assert "38;5;196;48;5;16m" in half_blocks(pixels, many_colours=False)


def test_the_screen_is_left_as_it_was_also_after_an_error(monkeypatch):
    stream = Tty()
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", "10")
    with pytest.raises(KeyboardInterrupt), Terminal(stream) as terminal:
        terminal.show(np.zeros((210, 160, 3), np.uint8), "a caption that is longer than the terminal is wide")
        raise KeyboardInterrupt
    shown = stream.getvalue()
    assert shown.startswith(ENTER) and shown.endswith(LEAVE)
    lines = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", shown).split("\r\n")
    assert len(lines) <= 10 and max(map(len, lines)) <= 30


def test_without_a_terminal_it_says_what_to_do():
    with pytest.raises(ConfigError, match="no terminal to draw in; film the game with --video FILE"):
        Terminal(io.StringIO())
