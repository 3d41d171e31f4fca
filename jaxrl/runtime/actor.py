"""The actor: `unroll` is a plain call that needs no thread; `actor_loop` is the thread around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl.envs.base import BatchedEnv
from jaxrl.ops import push_frame
from jaxrl.runtime.exchange import ActorFailed, ParameterStore, Stopped, StopSignal, TrajectoryQueue
from jaxrl.types import (
    ActorOutput,
    ActorParams,
    ActorState,
    Array,
    Device,
    Frames,
    Key,
    PyTree,
    Snapshot,
    TimeStep,
    Trajectory,
    Unroll,
    align,
)

# Jitted once, shared by all actors: (params, state, timestep, key, row, pool) -> (state, output).
Act = Callable[[ActorParams, ActorState, TimeStep, Key, int, int], tuple[ActorState, ActorOutput]]


class Recent(NamedTuple):
    """The state of an actor that is sent every frame once: the older ones are on its device."""

    state: ActorState  # the agent's
    older: Array  # [B, K-1, ...], of the observation that comes next, the oldest first

    @classmethod
    def before(cls, timestep: TimeStep, state: ActorState, device: Device | None = None) -> Recent:
        """Before `timestep` is acted on, of which the whole stacks are at hand."""
        return cls(state, jax.device_put(timestep.observation[:, :-1], device))


def newest(timestep: TimeStep) -> TimeStep:
    """The time step with the newest frame of each stack, [B, ...]: a copy, so that the stack's memory is free again."""
    return timestep._replace(observation=np.array(timestep.observation[:, -1]))


def make_act(act: Callable[..., Any], sent_once: bool = False) -> Act:
    """Jit an agent's `act`; the key of every row and pool is folded in on the device, not in Python.

    Args:
        act: of an agent.
        sent_once: what is jitted takes a `Recent` state and the `newest` frames of stacks, and stacks them.
    """
    whole_act = act

    def stacking(params: ActorParams, recent: Recent, timestep: TimeStep, key: Key) -> tuple[Recent, ActorOutput]:
        # The barrier keeps the stacking out of the network, so that it computes what it computes of whole stacks.
        seen = jax.lax.optimization_barrier(push_frame(recent.older, timestep.observation, timestep.first))
        state, output = whole_act(params, recent.state, timestep._replace(observation=seen), key)
        return Recent(state, seen[:, 1:]), output

    if sent_once:
        act = stacking

    @jax.jit
    def keyed_act(params: ActorParams, state: ActorState, timestep: TimeStep, key: Key, row: int, pool: int) -> Any:
        return act(params, state, timestep, jax.random.fold_in(jax.random.fold_in(key, row), pool))

    return keyed_act


def expected_transfer() -> Any:
    """For the few calls that send host arrays as they are; everywhere else `device_put` and `device_get` say it.

    So `jax.transfer_guard("disallow")` finds what nobody meant.
    """
    return jax.transfer_guard_host_to_device("allow")


class Actor:
    """Steps several pools of environments with one policy.

    While the actions of one pool are computed, the other pools step. All pools together are the `B` of a trajectory.

    Args:
        length: T.
        act: of `make_act`, with the same `sent_once`.
        frame_stack: above 1, the observations are stacks of so many frames, and a trajectory has every frame once.
        sent_once: of these stacks `act` is sent every frame once, too.
    """

    def __init__(
        self,
        pools: Sequence[BatchedEnv],
        act: Act,
        initial_state: Callable[[int], ActorState],
        length: int,
        frame_stack: int = 1,
        sent_once: bool = False,
    ) -> None:
        self._stacked, self._sent_once = frame_stack > 1, sent_once
        self._pools = pools
        self._act = act
        self._length = length
        self._states = [initial_state(pool.num_envs) for pool in pools]
        self._timesteps: list[TimeStep] = []
        self._device: Device | None = None

    def reset(self) -> None:
        """Start every environment."""
        self._timesteps = [pool.reset() for pool in self._pools]

    def load(self, snapshot: Snapshot) -> None:
        """Go on from `snapshot`; environments that cannot be restored start anew (their policy's memory with them)."""
        if snapshot.env_state is None:
            return self.reset()
        self._timesteps = [pool.load_state(s) for pool, s in zip(self._pools, snapshot.env_state, strict=True)]
        self._states = list(snapshot.actor_state)

    def place(self, device: Device) -> None:
        """Act on `device`: a state that is not held there would have `act` compiled for it, and again for the next."""
        self._device, self._states = device, jax.device_put(self._states, device)

    def snapshot(self) -> Snapshot:
        """Where this actor stands, between two unrolls."""
        if not self._timesteps:
            self.reset()
        env_states = [pool.save_state() for pool in self._pools]
        restorable = all(state is not None for state in env_states)
        return Snapshot(env_states if restorable else None, jax.device_get(self._states))

    def unroll(self, params: ActorParams, key: Key) -> tuple[Trajectory, dict[str, float]]:
        """Act for `T` rows; returns the trajectory on the host and the seconds spent on environments and inference."""
        if not self._timesteps:
            self.reset()
        num_pools, initial_state, states = len(self._pools), self._states, list(self._states)
        if self._sent_once:
            states = [Recent.before(*pair, self._device) for pair in zip(self._timesteps, states, strict=True)]
        timesteps: list[list[TimeStep]] = [[] for _ in range(num_pools)]
        outputs: list[list[ActorOutput]] = [[] for _ in range(num_pools)]
        frames: list[list[np.ndarray]] = [older_frames(t.observation) if self._stacked else [] for t in self._timesteps]
        env_s = inference_s = 0.0
        for row in range(self._length):
            for p, pool in enumerate(self._pools):
                start = time.perf_counter()
                timestep = self._timesteps[p] if row == 0 else pool.recv()
                received = time.perf_counter()
                kept = self._keep(timestep, frames[p])
                if self._sent_once:
                    timestep = timestep._replace(observation=frames[p][-1])
                with expected_transfer():
                    states[p], output = self._act(params, states[p], timestep, key, row, p)
                action = jax.device_get(output.action)
                inferred = time.perf_counter()
                pool.send(action)
                timesteps[p].append(kept)
                outputs[p].append(output)
                env_s += received - start
                inference_s += inferred - received
        start = time.perf_counter()
        self._timesteps = [pool.recv() for pool in self._pools]
        for line, seen, timestep in zip(timesteps, frames, self._timesteps, strict=True):
            line.append(self._keep(timestep, seen))
        env_s += time.perf_counter() - start
        self._states = [state.state for state in states] if self._sent_once else states
        trajectory = stack(timesteps, jax.device_get(outputs), jax.device_get(initial_state))
        if self._stacked:
            trajectory = trajectory._replace(observation=Frames(join(frames)))
        return trajectory, {"env": env_s, "inference": inference_s}

    def _keep(self, timestep: TimeStep, frames: list[np.ndarray]) -> TimeStep:
        """What of a time step is kept until the end of the unroll; of a stack the newest frame goes to `frames`."""
        if not self._stacked:
            return timestep
        frames.append(newest(timestep).observation)
        return timestep._replace(observation=())

    def close(self) -> None:
        """Close the pools."""
        for pool in self._pools:
            pool.close()


def older_frames(observation: np.ndarray) -> list[np.ndarray]:
    """All frames of stacks [B, K, ...] but the newest, the oldest first."""
    return [np.array(observation[:, age]) for age in range(observation.shape[1] - 1)]


def stack(
    timesteps: Sequence[Sequence[TimeStep]], outputs: Sequence[Sequence[ActorOutput]], initial_state: Sequence[PyTree]
) -> Trajectory:
    """One trajectory of the host from the records of every pool and row.

    Args:
        timesteps: `[pool][T+1]`; row t is what action t saw.
        outputs: `[pool][T]`; row t was computed from time step t.
        initial_state: [pool]; the actor state before row 0.
    """
    return align(join(timesteps), join(outputs), jax.tree.map(lambda *pools: np.concatenate(pools), *initial_state))


def join(lines: Sequence[Sequence[Any]]) -> Any:
    """Records `[pool][row]` with leaves [b, ...] become one record with leaves [row, all pools' b, ...]."""
    num_rows = len(lines[0])

    def join_leaf(*leaves: np.ndarray) -> np.ndarray:
        pools = [leaves[p * num_rows : (p + 1) * num_rows] for p in range(len(lines))]
        widths = np.cumsum([0, *(len(pool[0]) for pool in pools)])
        out = np.empty((num_rows, widths[-1], *leaves[0].shape[1:]), leaves[0].dtype)
        for pool, start, stop in zip(pools, widths[:-1], widths[1:], strict=True):
            for row, leaf in enumerate(pool):
                out[row, start:stop] = leaf
        return out

    return jax.tree.map(join_leaf, *(record for line in lines for record in line))


def actor_loop(
    actor: Actor,
    actor_id: int,
    first_index: int,
    device: Device,
    store: ParameterStore,
    queue: TrajectoryQueue,
    key: Key,
    signal: StopSignal,
) -> None:
    """Body of an actor thread: unroll k with version `max(0, k - lag)`, until the run stops."""
    index = first_index
    try:
        actor.place(device)
        for index in count(first_index):
            start = time.perf_counter()
            version, params = store.get(index)
            waited = time.perf_counter() - start
            with expected_transfer():
                unroll_key = jax.random.fold_in(key, index)
            trajectory, timings = actor.unroll(params[device], unroll_key)
            timings["parameter_wait"] = waited
            queue.put(Unroll(trajectory, actor_id, index, version, actor.snapshot(), timings))
    except Stopped:
        pass
    except ActorFailed as error:  # a wait took too long: the sentence says for what
        signal.fail(str(error))
    except BaseException as error:  # whatever it is, it must reach the learner's thread and end the run
        first_line = (str(error).splitlines() or [""])[0]
        signal.fail(f"actor {actor_id} failed in unroll {index}: {type(error).__name__}: {first_line}", error)
    finally:
        actor.close()
