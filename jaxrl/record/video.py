"""A film of one episode as GIF, animated WebP or MP4. It is never in memory as a whole: half an hour would be 15 GB."""

from __future__ import annotations

import subprocess
import tempfile
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxrl.errors import ConfigError, UserError
from jaxrl.record.files import replacing
from jaxrl.types import Screen, TimeStep

HEIGHT = 420  # pixels, about, of the picture; small pictures are enlarged by whole numbers
CAPTION = 32  # pixels below it
# What ffmpeg is told of each format. Games have few colours and large areas, so that lossless WebP is small.
FORMATS = {
    ".gif": ("-f", "gif"),
    ".webp": ("-codec:v", "libwebp_anim", "-lossless", "1", "-pix_fmt", "bgra", "-loop", "0", "-f", "webp"),
    ".mp4": ("-codec:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-f", "mp4"),
}


def check_video_path(path: Path) -> None:
    """Raises `ConfigError` for a file that `write_video` could not write: asked before an episode is played."""
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"--video {path} must end in one of {', '.join(FORMATS)}")
    if path.is_dir():
        raise ConfigError(f"--video {path} is a folder; name a file, such as {path / 'episode.gif'}")
    if not path.parent.is_dir():
        raise ConfigError(f"--video {path}: there is no folder {path.parent}")
    _find_ffmpeg()


class Film:
    """Watches `play_episodes` and keeps environment 0's first episode, compressed; iterating gives its frames.

    Frames are uint8 [H, W, 3], all of one size, with a caption.
    """

    def __init__(self, screen: Screen, title: str) -> None:
        self.screen = screen
        self._title = title
        self._over = False
        self._shape = (0, 0, 0)
        self._rows: list[tuple[bytes, str]] = []  # picture and caption; an Atari picture shrinks from 100 kB to about 2
        self.episode_return = 0.0
        self.lost = ""  # why there is no film

    def __call__(self, action: np.ndarray | None, timestep: TimeStep) -> None:
        """Take the picture of `timestep`; `action` is None for the first."""
        if self._over:
            return
        try:
            picture = self.screen.draw(timestep, action)
        except Exception as error:  # the episodes go on without it
            self._over, self.lost = True, f"{error}"
            return
        self.episode_return = float(timestep.episode_return[0])
        caption = f"{self._title}   return {self.episode_return:g}   step {int(timestep.episode_length[0])}"
        self._shape = picture.shape
        self._rows.append((zlib.compress(picture.tobytes(), 1), caption))
        self._over = bool(timestep.last[0])

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[np.ndarray]:
        for packed, caption in self._rows:
            picture = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(self._shape)
            yield captioned(picture, caption)


def captioned(picture: np.ndarray, text: str) -> np.ndarray:
    """`picture` [H, W, 3] enlarged, with `text` below; both sides even, as encoders want."""
    factor = max(1, round(HEIGHT / picture.shape[0]))
    picture = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    height, width = (side + side % 2 for side in (picture.shape[0], max(picture.shape[1], HEIGHT)))
    canvas = Image.new("RGB", (width, height + CAPTION), (16, 16, 20))
    canvas.paste(Image.fromarray(picture), ((width - picture.shape[1]) // 2, 0))
    ImageDraw.Draw(canvas).text((10, canvas.height - CAPTION + 7), text, (225, 225, 230), font=_font())
    return np.asarray(canvas)


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=15)


def write_video(path: Path, frames: Film | Sequence[np.ndarray], fps: float) -> None:
    """Write `frames` uint8 [H, W, 3], all of one size, in the suffix's format; the last one stays a second.

    `path` is replaced only by a whole film.

    Raises:
        ConfigError: see `check_video_path`.
        UserError: a picture of the film could not be drawn.
        RunDirError: the disk is full, or `path` may not be written to.
    """
    check_video_path(path)
    if isinstance(frames, Film) and frames.lost:
        raise UserError(f"--video {path}: there is no film, since {frames.lost}")
    suffix = path.suffix.lower()
    with replacing(path) as scratch, tempfile.TemporaryDirectory() as folder:
        colours = []
        if suffix == ".gif":  # 256 colours for the whole film, so that a frame need only hold what changed
            palette = Path(folder, "palette.png")
            _encode(frames, fps, ["-vf", "palettegen", str(palette)])
            colours = ["-i", str(palette), "-filter_complex", "paletteuse=dither=none"]
        _encode(frames, fps, [*colours, *FORMATS[suffix], str(scratch)])


def _encode(frames: Iterable[np.ndarray], fps: float, arguments: Sequence[str]) -> None:
    """Pipe `frames` through ffmpeg with `arguments` for its output; raises `OSError` where it fails."""
    height, width, _ = next(iter(frames)).shape
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "-"]
    command = [_find_ffmpeg(), "-v", "error", "-y", *raw, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin is not None
        try:
            with suppress(BrokenPipeError):  # it has ended, and its status says why
                for frame in _hold_last(frames, round(fps)):
                    ffmpeg.stdin.write(frame.tobytes())
            complaint = ffmpeg.communicate()[1].decode(errors="replace").strip()
        finally:
            ffmpeg.kill()
    if ffmpeg.returncode:  # its last line begins with its own part and an address, in brackets
        raise OSError(complaint.rpartition("] ")[2] or f"ffmpeg ended with status {ffmpeg.returncode}")


def _hold_last(frames: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """`frames`, and the last one `count` times more."""
    frame = None
    for frame in frames:
        yield frame
    if frame is not None:
        yield from [frame] * count


def _find_ffmpeg() -> str:
    import imageio_ffmpeg

    try:
        with warnings.catch_warnings(action="ignore"):  # it forks to try the program, and JAX warns of every fork
            return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        raise ConfigError("--video needs ffmpeg: install it, or name its file in IMAGEIO_FFMPEG_EXE") from None
