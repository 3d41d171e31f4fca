"""A trained policy as the player of one game at a time, in NumPy: what a bot of the contest runs."""

from __future__ import annotations

import jax
import numpy as np

from jaxrl.envs.locm.state import State, Version
from jaxrl.locm.policy.forward import blank_memory, look
from jaxrl.locm.policy.weights import Weights
from jaxrl.locm.table import view

VIEW = jax.jit(view, static_argnames="version")


class PolicyChooser:
    """`jaxrl.locm.bot.Chooser` of a policy; `restart` before every game but the first."""

    def __init__(self, weights: Weights, version: Version, sampled: bool = False, seed: int = 0):
        """The policy, whether it draws its actions, and the seed of what it draws."""
        self.weights, self.version, self.sampled = weights, version, sampled
        self.restart(seed)

    def restart(self, seed: int) -> None:
        """Begin a new game: nothing is remembered."""
        self.rng = np.random.default_rng(seed)
        self.memory = blank_memory(self.weights)

    def __call__(self, state: State, legal: np.ndarray) -> int:
        """The most probable legal action, or one drawn with its probability."""
        seen = jax.device_get(VIEW(state, version=self.version))
        looked = look(self.weights, seen, self.memory)
        self.memory = looked.memory
        logits = np.where(legal, self.weights.scale * looked.logits, -np.inf)
        if not self.sampled:
            return int(np.argmax(logits))
        shares = np.exp(logits - logits.max())
        return int(self.rng.choice(len(shares), p=shares / shares.sum()))
