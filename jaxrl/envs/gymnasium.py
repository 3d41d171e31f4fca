"""Any environment that is registered with Gymnasium, and with packages that add to it: stepped in Python."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.util import Finalize
from typing import Annotated, Any, cast

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from jaxrl.config.ranges import AtLeast
from jaxrl.envs.base import BatchedEnv, EnvError
from jaxrl.envs.checks import Turn, check_action, check_num_envs, unknown_id
from jaxrl.envs.seeding import env_seeds
from jaxrl.envs.spaces import Observer, flatten, read_action
from jaxrl.envs.tally import Tally
from jaxrl.types import EnvSpec, PyTree, Screen, TimeStep

# What must be installed beside Gymnasium, by how an id or the module of its class begins.
EXTRAS = {"MiniGrid-": "minigrid", "BabyAI-": "minigrid"} | dict.fromkeys(
    ("gymnasium.envs.box2d", "gymnasium.envs.classic_control", "gymnasium.envs.toy_text"), "gymnasium"
)


@dataclass(frozen=True)
class Gymnasium:
    """An environment of Gymnasium, one array or several, with a discrete or a continuous action.

    Args:
        id: as it is registered, such as `CartPole-v1`, or `module:id` where a module of yours registers it.
        options: what `gymnasium.make` is to be told beside the id, such as `{enable_wind: true}`.
        max_episode_steps: cap in env steps, after which an episode is truncated; null keeps the registered one.
        parts: the parts of an observation that the agent sees, such as [image, direction]; all where there are none.
        processes: step every environment in a process of its own, for those that take a millisecond and more a step.
    """

    id: str = "CartPole-v1"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    max_episode_steps: Annotated[int, AtLeast(1)] | None = None
    parts: tuple[str, ...] = ()
    processes: bool = False

    @property
    def spec(self) -> EnvSpec:
        """What an agent must know; raises like `make_pool`."""
        env = self.make_one()
        try:
            observer = Observer(flatten(env.observation_space), self.parts, self.id)
            num_actions, bounds = read_action(env.action_space, self.id)
        finally:
            env.close()
        return EnvSpec(observer.spec, num_actions, frame_skip=1, bounds=bounds)

    def make_pool(self, num_envs: int, num_threads: int, seed: int, stream: tuple[int, ...]) -> BatchedEnv:
        """A pool of `num_envs`; the number of threads has no meaning here.

        Raises:
            EnvError: the environment does not exist, a package that it needs is missing, or no agent could play it.
        """
        check_num_envs(num_envs)
        return GymnasiumEnv(self, env_seeds(seed, stream, num_envs))

    def make_screen(self, num_envs: int, seed: int, stream: tuple[int, ...]) -> Screen:
        """The environment's own picture of environment 0 of such a pool."""
        return GymnasiumScreen(self, env_seeds(seed, stream, num_envs)[0])

    def make_one(self, **changes: Any) -> Any:
        """One environment of Gymnasium's own kind, with `changes` of what it is told; raises `EnvError`."""
        _import_for(self.id)
        arguments = {"disable_env_checker": True, **self.options, **changes}
        try:
            with warnings.catch_warnings(action="ignore"):  # about versions that are older than the newest one
                return gymnasium.make(self.id, max_episode_steps=self.max_episode_steps, **arguments)
        except gymnasium.error.DependencyNotInstalled as error:
            raise _missing(self.id, _extra_of(str(gymnasium.spec(self.id).entry_point)), error) from None
        except gymnasium.error.UnregisteredEnv:
            raise unknown_id(self.id, gymnasium.registry, "Gymnasium") from None
        except Exception as error:  # of the environment's own code, such as an unknown option
            raise EnvError(f"Gymnasium cannot make {self.id}: {_first_line(error)}") from error


class GymnasiumScreen(Screen):
    """What `render` draws of an environment that plays along."""

    def __init__(self, config: Gymnasium, seed: int) -> None:
        self._config, self._seed, self._bounds = config, seed, config.spec.bounds
        self._env = config.make_one(render_mode="rgb_array")
        self.fps = float(self._env.metadata.get("render_fps", Screen.fps))

    def draw(self, timestep: TimeStep, action: np.ndarray | None = None) -> np.ndarray:
        """As in `Screen`; raises `EnvError` where the two part, or the picture needs a package that is missing."""
        if action is None:
            self._env.reset(seed=self._seed)
        elif timestep.first[0]:
            self._env.reset()
        else:
            mine = action[0] if self._bounds is None else self._bounds.stretch(action[0])
            _, reward, *_ = self._env.step(np.asarray(mine, self._env.action_space.dtype))
            if np.float32(reward) != timestep.reward[0]:
                raise EnvError(f"{self._config.id} drawn for the video no longer plays the same; leave --video out")
        try:
            return np.asarray(self._env.render(), np.uint8)
        except gymnasium.error.DependencyNotInstalled as error:
            raise _missing(self._config.id, _extra_of(str(self._env.spec.entry_point)), error) from None

    def close(self) -> None:
        self._env.close()


class GymnasiumEnv(BatchedEnv):
    """A batch of one of Gymnasium's environments; cannot be saved.

    Args:
        config: which.
        seeds: one for each environment, from which all its episodes follow.
    """

    def __init__(self, config: Gymnasium, seeds: Sequence[int]) -> None:
        self.spec, self.num_envs = config.spec, len(seeds)
        mode = AutoresetMode.NEXT_STEP
        if config.processes:
            makers = [partial(_in_own_process, config.make_one, os.getpid())] * len(seeds)
            # a fork would take JAX's threads along
            self._envs: Any = AsyncVectorEnv(makers, autoreset_mode=mode, context="forkserver")
            Finalize(self, _kill, (self._envs,), exitpriority=0)  # or Python, which asks nicely, would wait for them
        else:
            self._envs = SyncVectorEnv([config.make_one] * len(seeds), autoreset_mode=mode)
        self._observer = Observer(flatten(self._envs.single_observation_space), config.parts, config.id)
        self._seeds: list[int] | None = [int(seed) for seed in seeds]
        self._tally = Tally(self.num_envs)
        self._turn = Turn()
        self._stepped: Any = None

    def reset(self) -> TimeStep:
        if self._turn.sent:
            self.recv()
        self._turn.reset()
        self._tally.reset()
        observation, _ = self._envs.reset(seed=self._seeds)
        self._seeds = None  # a later reset goes on with the random numbers where the last one stopped
        no = np.zeros(self.num_envs, bool)
        return self._tally.add(self._observe(observation), np.zeros(self.num_envs, np.float32), no, no)

    def send(self, action: np.ndarray) -> None:
        action = check_action(action, self.num_envs, self.spec)
        self._turn.send()
        if self.spec.bounds is not None:
            action = self.spec.bounds.stretch(action)
        action = action.astype(self._envs.single_action_space.dtype, copy=False)
        if isinstance(self._envs, AsyncVectorEnv):
            self._envs.step_async(action)
        else:
            self._stepped = self._envs.step(action)

    def recv(self) -> TimeStep:
        self._turn.recv()
        stepped = self._envs.step_wait() if isinstance(self._envs, AsyncVectorEnv) else self._stepped
        observation, reward, terminated, truncated, _ = stepped
        return self._tally.add(self._observe(observation), reward, terminated | truncated, terminated)

    def save_state(self) -> None:
        self._turn.rest()

    def load_state(self, state: PyTree) -> TimeStep:
        raise EnvError("Gymnasium's environments cannot be saved, so there is no state to load.")

    def close(self) -> None:
        if self._envs is not None:
            processes = getattr(self._envs, "processes", [])
            if processes and (self._turn.sent or not all(process.is_alive() for process in processes)):
                _kill(self._envs)
            else:
                self._envs.close()
        self._turn.close()
        self._envs = None

    def _observe(self, observation: Any) -> PyTree:
        return self._observer(flatten(observation))


def _in_own_process(make: Callable[[], Any], run: int) -> Any:
    """The environment of a process that lives as long as that of the run, however that ends, and even if a step hangs.
    Signals that ask a run to save reach its whole group; they are for the run to answer. Gymnasium also makes one in
    the process `run` itself, to look at it."""
    if os.getpid() != run:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, lambda *_: None)  # programs that an environment starts would keep SIG_IGN
        threading.Thread(target=_end_with_run, daemon=True).start()
    return make()


def _end_with_run() -> None:
    run = multiprocessing.parent_process()
    assert run is not None
    run.join()
    os._exit(1)


def _kill(envs: AsyncVectorEnv) -> None:
    """End processes of which one is dead or has not answered: `close` would wait for it."""
    if envs.closed:
        return
    for process, pipe in zip(envs.processes, envs.parent_pipes, strict=True):
        with suppress(ProcessLookupError):  # `Process.kill` does nothing where a signal ended the fork server
            os.kill(cast(int, process.pid), signal.SIGKILL)
        process.join()
        pipe.close()
    envs.closed = True


def _import_for(env_id: str) -> None:
    """Packages of `EXTRAS` register their environments when they are imported; raises `EnvError`."""
    module = _extra_of(env_id)
    try:
        if module:
            importlib.import_module(module)
    except ImportError as error:
        raise _missing(env_id, module, error) from None


def _extra_of(name: str) -> str:
    return next((extra for start, extra in EXTRAS.items() if name.startswith(start)), "")


def _missing(env_id: str, extra: str, error: Exception) -> EnvError:
    advice = f"pip install 'jaxrl[{extra}]'" if extra else f"Gymnasium says: {_first_line(error)}"
    return EnvError(f"{env_id} needs a package that is not installed; {advice}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
