"""Pictures in a terminal: two pixels a character, an upper half block in the colours of both."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

import numpy as np
from PIL import Image

from jaxrl.errors import ConfigError

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[2J", "\x1b[?25h\x1b[?1049l"  # another screen without a cursor, and back
STEPS = np.array([0, 95, 135, 175, 215, 255])  # of a colour in the cube of a terminal with 256 colours


class Terminal:
    """A screen of its own while the block runs; raises `ConfigError` where standard output is no terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        if not self._stream.isatty():
            raise ConfigError("watch: there is no terminal to draw in; film the game with --video FILE")
        self._many_colours = os.environ.get("COLORTERM", "") in ("truecolor", "24bit")

    def __enter__(self) -> Terminal:
        self._stream.write(ENTER)
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.write(LEAVE)
        self._stream.flush()

    def show(self, picture: np.ndarray, caption: str) -> None:
        """Draw `picture` uint8 [H, W, 3] as large as fits, and `caption` below it."""
        columns, rows = shutil.get_terminal_size()
        pixels = fitted(picture, columns, 2 * (rows - 1))
        body = half_blocks(pixels, self._many_colours)
        self._stream.write(f"\x1b[H{body}\x1b[0m{caption[: columns - 1]}\x1b[J")
        self._stream.flush()


def fitted(picture: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """`picture` scaled to fit `columns` x `rows` pixels: small boards by whole numbers, large ones smoothly."""
    height, width = picture.shape[:2]
    scale = min(columns / width, rows / height)
    if scale >= 1:
        return picture.repeat(int(scale), axis=0).repeat(int(scale), axis=1)
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def half_blocks(pixels: np.ndarray, many_colours: bool) -> str:
    """Lines of half blocks for `pixels` uint8 [H, W, 3]; a colour is only named where it changes."""
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[:1])])
    lines = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        line, before = [], None
        for above, below in zip(upper, lower, strict=True):
            colours = f"\x1b[38;{_colour(above, many_colours)};48;{_colour(below, many_colours)}m"
            line.append("▀" if colours == before else f"{colours}▀")
            before = colours
        lines.append("".join(line) + "\x1b[0m\x1b[K\r\n")
    return "".join(lines)


def _colour(pixel: np.ndarray, many_colours: bool) -> str:
    if many_colours:
        return "2;" + ";".join(map(str, pixel.tolist()))
    red, green, blue = np.abs(STEPS[:, None] - pixel).argmin(0).tolist()
    return f"5;{16 + 36 * red + 6 * green + blue}"
