"""What a person sees of an environment: colour pictures beside the observations of one of its episodes.

An Atari agent sees small grey frames. A second emulator with the same seed and actions plays the same game, and
shows the console's own picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrl.envs.base import EnvError
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.types import EnvSpec, Screen, TimeStep

ATARI_FPS = 15.0  # the console's 60 frames/s at 4 frames per env step
BARS_SIDE = 140  # pixels of a picture of bars
BACKGROUND, TRACK, ZERO = (16, 16, 20), (40, 40, 48), (150, 150, 160)
POSITIVE, NEGATIVE = (86, 180, 233), (230, 159, 0)  # told apart with every common form of colour blindness


def make_screen(env: Any, spec: EnvSpec, num_envs: int, seed: int, stream: tuple[int, ...]) -> Screen:
    """The screen of the environments that `make_env` makes of the same arguments.

    Raises:
        EnvError: such observations have no picture: several arrays, or one of no dimension or of more than three.
    """
    own = env.make_screen(num_envs, seed, stream) if hasattr(env, "make_screen") else None
    if own is not None:
        return own
    rank = len(getattr(spec.observation, "shape", ()))
    if rank not in (1, 2, 3):
        raise EnvError(f"there is no picture of an observation that is {spec.describe()}")
    return BarScreen() if rank == 1 else ObservationScreen()


class AtariScreen(Screen):
    """The console's picture, from an emulator that plays along."""

    fps = ATARI_FPS

    def __init__(self, config: EnvPool, seed: int) -> None:
        from jaxrl.envs.envpool.options import make_screen_pool, make_starts

        self._pool = make_screen_pool(config, seed)
        self._starts = make_starts(config, [seed], config.spec.num_actions)

    def draw(self, timestep: TimeStep, action: np.ndarray | None = None) -> np.ndarray:
        """As in `Screen`; raises `EnvError` where the two games part."""
        if action is None:
            observation, _ = self._pool.reset()
        else:
            played = self._starts.choose(np.asarray(action[:1], np.int32))
            observation, _, terminated, truncated, info = self._pool.step(played)
            if info["reward"][0] != timestep.reward[0] or (terminated | truncated)[0] != timestep.last[0]:
                raise EnvError("the emulator that draws the video no longer plays the same game; leave --video out")
        self._starts.begin(timestep.first[:1])
        return np.ascontiguousarray(observation[0].transpose(1, 2, 0))

    def close(self) -> None:
        self._pool.close()


class ObservationScreen(Screen):
    """The observation itself: a board [H, W], or the newest of stacked frames [C, H, W]; the largest value is white."""

    def draw(self, timestep: TimeStep, action: np.ndarray | None = None) -> np.ndarray:
        observation = np.asarray(timestep.observation[0])
        board = observation if observation.ndim == 2 else observation[-1]
        if board.dtype != np.uint8:
            board = (255 * np.clip(board / max(float(board.max()), 1e-9), 0, 1)).astype(np.uint8)
        return np.repeat(board[:, :, None], 3, axis=2)


class BarScreen(Screen):
    """A vector [N] as N bars, from the top: to the right of the middle where positive, to the left where negative.

    Each is drawn relative to the largest magnitude that its component had so far, because components differ in unit.
    """

    def draw(self, timestep: TimeStep, action: np.ndarray | None = None) -> np.ndarray:
        observation = np.asarray(timestep.observation[0], np.float64)
        so_far = 0.0 if action is None else self._largest
        self._largest = np.maximum(so_far, np.abs(observation))
        ends = (observation / np.maximum(self._largest, 1e-9))[:, None]  # [N, 1], from -1 to 1
        columns = np.linspace(-1, 1, BARS_SIDE + 1)[:-1]  # the middle one is 0
        bars = np.full((*ends.shape[:1], BARS_SIDE, 3), TRACK, np.uint8)
        bars[(columns > 0) & (columns <= ends)] = POSITIVE
        bars[(columns < 0) & (columns >= ends)] = NEGATIVE
        height = max(2, BARS_SIDE // len(bars))  # of a bar and the gap below it
        picture = bars.repeat(height, axis=0)
        picture[np.arange(len(picture)) % height >= height - max(1, height // 6)] = BACKGROUND
        picture[:, BARS_SIDE // 2] = ZERO
        return picture
