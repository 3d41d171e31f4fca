"""The bookkeeping of environments that are stepped outside JAX: from what they return to a `TimeStep`."""

from __future__ import annotations

import numpy as np

from jaxrl.types import PyTree, TimeStep


class Tally:
    """First and last steps, returns and lengths of `num_envs` episodes; the step after a last one is a reset."""

    def __init__(self, num_envs: int) -> None:
        self.capped = np.zeros(num_envs, bool)  # where only the cap of `add` ended the episode
        self._return = np.zeros(num_envs, np.float32)
        self._length = np.zeros(num_envs, np.int32)
        self.reset()

    def reset(self) -> None:
        """Every environment is about to start anew."""
        self._last = np.ones(len(self.capped), bool)
        self.capped = np.zeros(len(self.capped), bool)

    def add(
        self, observation: PyTree, reward: np.ndarray, ended: np.ndarray, terminated: np.ndarray, cap: int | None = None
    ) -> TimeStep:
        """One step, all [B]; what it says of an environment that has just started anew is left out of account.

        Args:
            reward: raw.
            ended: by the environment.
            terminated: where it ended, not by a limit of time.
            cap: env steps after which an episode is truncated.
        """
        first = self._last
        played = ~first
        reward = reward.astype(np.float32, copy=False) * played
        last = ended & played
        terminated = last & terminated
        self._return = self._return * played + reward
        self._length = (self._length + 1) * played
        if cap is not None:
            self.capped = ~last & (self._length >= cap)
            last = last | self.capped
        self._last = last
        return TimeStep(
            observation=observation,
            reward=reward,
            discount=(~terminated).astype(np.float32),
            first=first,
            last=last,
            legal=None,
            episode_return=self._return,
            episode_length=self._length,
        )
