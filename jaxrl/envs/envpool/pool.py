"""EnvPool's compiled environments as a `BatchedEnv`.

What EnvPool leaves to its caller is done here: actions are checked before it sees them, episode returns are raw,
lengths leave out the ignored reset rows, termination is told from truncation, and a cap holds outside Atari too,
where many games of EnvPool know none or pay no heed to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrl.envs.base import BatchedEnv, EnvError
from jaxrl.envs.checks import Turn, check_action, check_num_envs
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.envs.envpool.options import envpool_spec, is_atari, make_observer, make_pool, make_starts, shown_keys
from jaxrl.envs.tally import Tally
from jaxrl.types import PyTree, TimeStep


class EnvPoolEnv(BatchedEnv):
    """One synchronous pool; cannot be saved.

    `send` returns at once while the pool's threads step, so several pools overlap. Rows are in the order of
    environments, and the bits depend on the seeds and actions only, not on the number of threads. Arrays handed out
    are the caller's: EnvPool allocates new ones for every step.

    Outside Atari an episode that terminates exactly at a cap of EnvPool's own is reported as truncated: it does not
    tell.

    Args:
        config: the id, and for Atari the protocol.
        num_envs: B.
        num_threads: that step this pool.
        seeds: one int32 per environment, from `jaxrl.envs.seeding.env_seeds`.
    """

    def __init__(self, config: EnvPool, num_envs: int, num_threads: int, seeds: Sequence[int]) -> None:
        check_num_envs(num_envs)
        if num_threads < 1:
            raise EnvError(f"A pool needs at least 1 thread, got {num_threads}.")
        if len(seeds) != num_envs:
            raise EnvError(f"A pool needs one seed per environment: {num_envs}, got {len(seeds)}.")
        self.spec = envpool_spec(config)
        self.num_envs = num_envs
        self._pool: Any = make_pool(config, num_envs, num_threads, seeds)
        keys = list(self._pool._state_keys)
        self._observer = make_observer(config, self._pool.spec)
        self._shown = {name: keys.index(key) for key, name in shown_keys(keys).items()}
        self._done, self._truncated = keys.index("done"), keys.index("trunc")
        # Atari's plain reward may be clipped and its `trunc` hides a game over at the cap; `info` tells the truth.
        self._reward = keys.index("info:reward" if "info:reward" in keys else "reward")
        self._terminated = keys.index("info:terminated") if "info:terminated" in keys else None
        self._action_dtype = self._pool.spec.action_array_spec["action"].dtype
        self._ids = np.arange(num_envs, dtype=np.int32)
        self._starts = make_starts(config, seeds, self.spec.num_actions)
        self._turn = Turn()
        self._cap = None if is_atari(config.id) else config.max_episode_steps
        self._tally = Tally(num_envs)  # where its cap ended an episode, EnvPool is to be told
        self._renewed: list[Any] = []

    def reset(self) -> TimeStep:
        if self._turn.sent:
            self.recv()
        self._turn.reset()
        self._pool._reset(self._ids)
        self._tally.reset()
        return self._receive()

    def send(self, action: np.ndarray) -> None:
        action = self._starts.choose(check_action(action, self.num_envs, self.spec))
        if self.spec.bounds is not None:
            action = self.spec.bounds.stretch(action).astype(self._action_dtype, copy=False)
        if not action.flags.writeable:  # such as a view of a JAX array, which EnvPool refuses
            action = action.copy()
        self._turn.send()
        # The underscored calls are what the public ones come down to; they skip 0.1 ms of rearranging per step.
        if not self._tally.capped.any():
            self._pool._send([self._ids, self._ids, action])
            return
        self._pool._reset(self._ids[self._tally.capped])
        self._renewed = self._pool._recv()
        on = self._ids[~self._tally.capped]
        if on.size:
            self._pool._send([on, on, action[on]])

    def recv(self) -> TimeStep:
        self._turn.recv()
        return self._receive()

    def save_state(self) -> None:
        """None: an emulator's state stays in EnvPool."""
        return None

    def load_state(self, state: PyTree) -> TimeStep:
        """Always an `EnvError`."""
        raise EnvError("EnvPool cannot go back to a saved state; make a new pool with another restart in its stream.")

    def close(self) -> None:
        if self._pool is not None:
            if self._turn.sent and not self._tally.capped.all():
                self._pool._recv()  # a pool must not be freed while it steps
            self._pool.close()
        self._turn.close()
        self._pool = None

    def _receive(self) -> TimeStep:
        values = self._values()
        done, truncated = values[self._done], values[self._truncated]
        game_over = ~truncated if self._terminated is None else values[self._terminated] != 0
        observation = self._observer({name: values[place] for name, place in self._shown.items()})
        timestep = self._tally.add(observation, values[self._reward], done | truncated, game_over, self._cap)
        self._starts.begin(timestep.first)
        return timestep

    def _values(self) -> list[Any]:
        """EnvPool's arrays of all environments, those that `send` had to begin anew among them."""
        if not self._tally.capped.any():
            return self._pool._recv()
        if self._tally.capped.all():
            return self._renewed
        merged = []
        for new, stepped in zip(self._renewed, self._pool._recv(), strict=True):
            whole = np.empty((self.num_envs, *new.shape[1:]), new.dtype)
            whole[self._tally.capped], whole[~self._tally.capped] = new, stepped
            merged.append(whole)
        return merged
