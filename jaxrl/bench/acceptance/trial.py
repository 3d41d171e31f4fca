"""What the checks compute with: configs of this machine's size, and unrolls of noise that need no environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxrl.config.parsing import read_config
from jaxrl.run.experiment import Experiment, build
from jaxrl.runtime.actor import Actor, make_act
from jaxrl.types import EnvSpec, TimeStep, Trajectory

PRESET = "casa_h100"
TINY = {
    "runtime.num_actors": "1",
    "runtime.pools_per_actor": "2",
    "runtime.envs_per_pool": "4",
    "runtime.unroll_length": "4",
    "agent.num_minibatches": "2",
    "agent.num_epochs": "1",
    "network.torso": "small",
    "network.hidden_sizes": "[32]",
}
ON_CPU = {"runtime.envs_per_pool": "16"}


def settings(smoke: bool, platform: str, more: Mapping[str, str] | None = None) -> list[str]:
    """Settings on top of the preset: tiny ones for a smoke test, fewer environments for a CPU, and `more`."""
    chosen = {**(TINY if smoke else ON_CPU if platform == "cpu" else {}), **(more or {})}
    return [f"--{name}={value}" for name, value in chosen.items()]


def make_trial(smoke: bool, more: Mapping[str, str] | None = None) -> Experiment:
    """The preset, with `settings`."""
    return build(read_config(PRESET, settings(smoke, jax.default_backend(), more)))


class Noise:
    """Environments that show noise: frames, rewards and ends drawn from a seed, whatever is done."""

    def __init__(self, spec: EnvSpec, num_envs: int, seed: int) -> None:
        self.spec, self.num_envs = spec, num_envs
        self._rng = np.random.default_rng(seed)
        self._last = np.ones(num_envs, bool)
        self._length = np.zeros(num_envs, np.int32)

    def reset(self) -> TimeStep:
        """As `recv`, at the start of every episode."""
        return self.recv()

    def send(self, action: np.ndarray) -> None:
        """Nothing depends on it."""

    def recv(self) -> TimeStep:
        """The next time step; an episode lasts ten of them on average."""
        first, rng, n = self._last, self._rng, self.num_envs
        self._last = (rng.random(n) < 0.1) & ~first
        self._length = np.where(first, 0, self._length + 1).astype(np.int32)
        reward = np.where(first, 0, rng.integers(-1, 2, n)).astype(np.float32)
        discount = np.where(self._last & (rng.random(n) < 0.5), 0, 1).astype(np.float32)
        frames = jax.tree.map(lambda x: self._draw((n, *x.shape), x.dtype), self.spec.observation)
        return TimeStep(frames, reward, discount, first, self._last, None, reward, self._length)

    def _draw(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        if dtype == np.uint8:
            return self._rng.integers(0, 256, shape, np.uint8)
        return self._rng.normal(size=shape).astype(dtype)


def make_unroll(experiment: Experiment, params: Any, num_envs: int, length: int, seed: int = 0) -> Trajectory:
    """An unroll of noise, acted in with `params`, on their device."""
    pools: list[Any] = [Noise(experiment.spec, num_envs, seed)]
    agent, stack = experiment.agent, experiment.spec.frame_stack
    actor = Actor(pools, make_act(agent.act), agent.initial_actor_state, length, stack)
    with jax.default_device(next(iter(jax.tree.leaves(params)[0].devices()))):
        return actor.unroll(params, jax.random.key(seed))[0]
