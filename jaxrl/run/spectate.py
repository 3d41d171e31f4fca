"""A trained agent plays while somebody looks: picture by picture, in a terminal or as a film."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import jax
import numpy as np

from jaxrl.config.registry import env_title
from jaxrl.record.rundir import RunDir
from jaxrl.record.video import Film, check_video_path, write_video
from jaxrl.run.experiment import EVALUATION_KEY, make_evaluation_env, make_evaluation_screen
from jaxrl.run.trained import member_states, restore
from jaxrl.runtime.actor import make_act
from jaxrl.runtime.episodes import play_episodes
from jaxrl.types import Screen, TimeStep

Show = Callable[[np.ndarray, str], None]  # a picture uint8 [H, W, 3] and what to write below it


def spectate(
    run: RunDir | str,
    *,
    show: Show | None = None,
    video: Path | None = None,
    episodes: int = 1,
    speed: float = 1.0,
    greedy: bool | None = None,
    member: int | None = None,
    overrides: Sequence[str] = (),
) -> list[float]:
    """Play in one environment, on seeds that training never saw; returns the returns of the episodes.

    Args:
        show: called with every picture at the game's own pace.
        video: a file for the film of the first episode; .gif, .webp or .mp4.
        greedy: the most probable action instead of sampling; None for what the config says.
        member: of a population; the first unless given.
        overrides: settings, such as `--seed 3` for another game.

    Raises:
        UserError: there is no such agent, its observations have no picture, or the film cannot be written.
    """
    if video is not None:
        check_video_path(video)
    _, experiment, state, *_ = restore(run, overrides)
    config, agent = experiment.config, experiment.member
    greedy = config.evaluation.greedy if greedy is None else greedy
    state = member_states(experiment, state, member)[0]
    params = (agent.publish_greedy if greedy else agent.publish)(state)
    title = f"{env_title(config.env)} {'greedy' if greedy else 'sampled'}"
    with closing(make_evaluation_screen(experiment, 1)) as screen, closing(make_evaluation_env(experiment, 1)) as env:
        watch = Film(screen, title) if show is None else Spectator(screen, title, show, speed)
        played = play_episodes(
            make_act(agent.act),
            jax.device_put(params),
            agent.initial_actor_state(1),
            env,
            episodes,
            experiment.key(EVALUATION_KEY),
            watch=watch,
            steps_per_episode=config.evaluation.steps_per_episode,
        )
    if video is not None and isinstance(watch, Film):
        write_video(video, watch, screen.fps)
    return played.returns.tolist()


class Spectator:
    """Watches `play_episodes` and shows environment 0, no faster than `speed` times the game's own pace."""

    def __init__(self, screen: Screen, title: str, show: Show, speed: float) -> None:
        self._screen, self._title, self._show = screen, title, show
        self._pause = 1 / (screen.fps * speed)
        self._due = time.monotonic()

    def __call__(self, action: np.ndarray | None, timestep: TimeStep) -> None:
        picture = self._screen.draw(timestep, action)
        time.sleep(max(0.0, self._due - time.monotonic()))
        self._due = max(self._due, time.monotonic() - self._pause) + self._pause
        steps = int(timestep.episode_length[0])
        self._show(picture, f"{self._title}   return {float(timestep.episode_return[0]):g}   step {steps}")
