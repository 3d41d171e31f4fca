"""Random starts: the first actions of every episode are drawn by the environment.

No-ops alone give a policy without chance a game of at most `noop_max` different ones. Drawn actions give it as many as
there are episodes, and from then on the rules are those under which it was trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PURPOSE = 1  # tells these draws from others of the same seed


class RandomStarts:
    """What is played in place of the agent's first actions.

    Args:
        seeds: one per environment; what it draws depends on its own seed and episodes only.
        num_actions: of which one is drawn, all alike.
        length: env steps at the start of an episode.
    """

    def __init__(self, seeds: Sequence[int], num_actions: int, length: int) -> None:
        self._draws = [np.random.default_rng([seed, PURPOSE]) for seed in seeds if length]
        self._num_actions, self._length = num_actions, length
        self._left = np.zeros(len(seeds), np.int64)

    def begin(self, first: np.ndarray) -> None:
        """Episodes begin where `first`, bool [B]."""
        self._left[first] = self._length

    def choose(self, action: np.ndarray) -> np.ndarray:
        """Int [B]: what is played where an agent chose `action`."""
        drawn = np.flatnonzero(self._left)
        if not drawn.size:
            return action
        played = action.copy()
        played[drawn] = [self._draws[row].integers(self._num_actions) for row in drawn]
        self._left[drawn] -= 1
        return played
