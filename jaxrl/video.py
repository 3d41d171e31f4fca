"""A film of one episode as GIF, animated WebP or MP4."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxrl.config import ConfigError
from jaxrl.envs.screen import Screen
from jaxrl.types import TimeStep

HEIGHT = 420  # pixels, about, of the picture; small pictures are enlarged by whole numbers
CAPTION = 32  # pixels below it
SUFFIXES = (".gif", ".webp", ".mp4")


def check_video_path(path: Path) -> None:
    """Raises `ConfigError` for a file that `write_video` could not write: asked before an episode is played."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"--video {path} must end in one of {', '.join(SUFFIXES)}")
    if path.suffix == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise ConfigError(f"--video {path} needs an encoder: pip install imageio-ffmpeg, or name a .gif or .webp file")
    if not path.parent.is_dir():
        raise ConfigError(f"--video {path}: there is no folder {path.parent}")


class Film:
    """Watches `play_episodes` and keeps the pictures of environment 0's first episode."""

    def __init__(self, screen: Screen, title: str) -> None:
        self.screen = screen
        self._title = title
        self._over = False
        self.frames: list[np.ndarray] = []  # uint8 [H, W, 3]
        self.episode_return = 0.0

    def __call__(self, action: np.ndarray | None, timestep: TimeStep) -> None:
        """Take the picture of `timestep`; `action` is None for the first."""
        if self._over:
            return
        screen = self.screen
        picture = screen.reset(timestep) if action is None else screen.step(action, timestep)
        self.episode_return = float(timestep.episode_return[0])
        step = int(timestep.episode_length[0])
        self.frames.append(captioned(picture, f"{self._title}   return {self.episode_return:g}   step {step}"))
        self._over = bool(timestep.last[0])


def captioned(picture: np.ndarray, text: str) -> np.ndarray:
    """`picture` [H, W, 3] enlarged, with `text` below; both sides even, as encoders want."""
    factor = max(1, round(HEIGHT / picture.shape[0]))
    picture = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    height, width = (side + side % 2 for side in (picture.shape[0], max(picture.shape[1], HEIGHT)))
    canvas = Image.new("RGB", (width, height + CAPTION), (16, 16, 20))
    canvas.paste(Image.fromarray(picture), ((width - picture.shape[1]) // 2, 0))
    font = ImageFont.load_default(size=15)
    ImageDraw.Draw(canvas).text((10, canvas.height - CAPTION + 7), text, (225, 225, 230), font=font)
    return np.asarray(canvas)


def write_video(path: Path, frames: Sequence[np.ndarray], fps: float) -> None:
    """Write `frames` uint8 [H, W, 3], all of one size, in the suffix's format; the last one stays a second.

    Raises:
        ConfigError: see `check_video_path`.
    """
    check_video_path(path)
    frames = [*frames, *[frames[-1]] * round(fps)]
    if path.suffix == ".mp4":
        _write_mp4(path, frames, fps)
        return
    # A palette of 64 colours is more than a console of 1977 shows at once, and keeps a long episode small.
    images = [Image.fromarray(frame).quantize(64, dither=Image.Dither.NONE) for frame in frames]
    if path.suffix == ".webp":
        images = [image.convert("RGB") for image in images]
    images[0].save(path, save_all=True, append_images=images[1:], duration=round(1000 / fps), loop=0)


def _write_mp4(path: Path, frames: Sequence[np.ndarray], fps: float) -> None:
    import imageio_ffmpeg  # pyright: ignore[reportMissingImports]

    height, width, _ = frames[0].shape
    writer = imageio_ffmpeg.write_frames(str(path), (width, height), fps=fps, quality=7)
    writer.send(None)
    try:
        for frame in frames:
            writer.send(np.ascontiguousarray(frame))
    finally:
        writer.close()
