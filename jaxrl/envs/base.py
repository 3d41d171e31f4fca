"""The two environment seams: batched (NumPy in, NumPy out) for actors, pure (JAX) for everything jitted."""

from __future__ import annotations

from typing import Protocol

import jax
import numpy as np

from jaxrl.errors import UserError
from jaxrl.types import EnvSpec, Key, PyTree, TimeStep


class EnvError(UserError, RuntimeError):
    """An environment cannot be made or stepped; the message says why and what to change."""

    status = 2  # it was named by a setting


class BatchedEnv(Protocol):
    """`num_envs` environments stepped together, auto-reset on the step after the last one; a class may inherit `step`.

    The step that ends an episode returns its true last observation (`last`). The action of the following step is
    thrown away, and that step returns the first observation of the next episode (`first`, reward 0).
    `send` starts a step without waiting and `recv` waits for it, so that one thread can keep several pools busy.
    """

    spec: EnvSpec
    num_envs: int

    def reset(self) -> TimeStep:
        """Start every environment; `first` is True everywhere."""
        ...

    def send(self, action: np.ndarray) -> None:
        """Begin one step with `action` int32 [B], or float32 [B, D] to be stretched to `spec.bounds`.

        Raises:
            EnvError: it does not fit.
        """
        ...

    def recv(self) -> TimeStep:
        """Finish the step begun by `send`; raises `EnvError` if none was begun."""
        ...

    def step(self, action: np.ndarray) -> TimeStep:
        """`send`, then `recv`."""
        self.send(action)
        return self.recv()

    def save_state(self) -> PyTree | None:
        """Everything needed to go on from here bit for bit, or None where the environment cannot tell."""
        ...

    def load_state(self, state: PyTree) -> TimeStep:
        """Go back to a saved state and return the `TimeStep` that was current there."""
        ...

    def close(self) -> None:
        """Free threads and memory; further calls are errors."""
        ...


class PoolEnv(Protocol):
    """An environment that is stepped outside JAX, and makes its pools itself.

    Where it has a picture for people, or is played by different rules, it may also have `make_screen`, `rules` and
    `scored`, as `jaxrl.envs.envpool.emulators` has them.
    """

    @property
    def spec(self) -> EnvSpec:
        """What an agent must know, found without starting a pool."""
        ...

    def make_pool(self, num_envs: int, num_threads: int, seed: int, stream: tuple[int, ...]) -> BatchedEnv:
        """A pool of `num_envs`, stepped by `num_threads`; `jaxrl.envs.seeding` makes seeds of `seed` and `stream`."""
        ...


class JaxEnv(Protocol):
    """One environment as pure functions; `jaxrl.envs.batched` vmaps it and adds the auto-reset.

    Where it has a field `max_episode_steps` (as `jaxrl.envs.episode.Capped`), longer episodes are truncated there.
    """

    @property
    def spec(self) -> EnvSpec:
        """What an agent must know; a class attribute does as well."""
        ...

    def init(self, key: Key) -> PyTree:
        """State at the start of an episode."""
        ...

    def step(self, state: PyTree, action: jax.Array, key: Key) -> PyTree:
        """State after `action`, of a continuous one within its bounds; never called on a finished episode."""
        ...

    def timestep(self, state: PyTree) -> TimeStep:
        """What the agent sees of `state`: leaves without B; `first` and the episode's counters included."""
        ...
