"""The records that flow once round the loop, and the one alignment they obey.

    environment --TimeStep--> actor --Trajectory--> learner --ActorParams--> actor

Shape letters: `T` unroll length, `B` environments, `A` actions, `D` components of a continuous action.

An action is the number of one of A, int32 [B], or where `EnvSpec.bounds` is given float32 [B, D]. What its policy is
made of (`behaviour_logits`) is then not A log-probabilities, but D means and D logarithms of standard deviations.

**Alignment.** Row `t` of a trajectory saw `observation[t]`, did `action[t]`, then received `reward[t]` and
`discount[t]`, and saw `observation[t + 1]`. The shift happens once, in `align`, and nowhere else.

**Episode boundaries** need three signals only:

- terminated after action `t`: `discount[t] = 0`;
- truncated after action `t`: `discount[t] = 1`, and the value of `observation[t + 1]`, the true last observation,
  bootstraps;
- auto-reset row (the action was thrown away and the next observation starts an episode): `mask[t] = 0`. The row has no
  loss, is not counted as an env step, and *cuts* the trace: `acc = mask * (delta + gamma * discount * c * acc)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

Array = Any  # a NumPy or a JAX array: records are filled by environments and read by learners
PyTree = Any
ArraySpec = jax.ShapeDtypeStruct  # shape and dtype of one array
Device = Any  # a jax.Device, which type checkers do not take for a type
Key = jax.Array  # a typed key made by `jax.random.key`
Params = PyTree
ActorParams = PyTree  # what acting needs: parameters and the state of the behaviour controller
ActorState = PyTree  # per environment, leaves [B, ...]
Memory = PyTree  # of a recurrent core, leaves [B, ...]; () for feed-forward networks
Metrics = Mapping[str, Array]  # scalars, named as in docs/metrics.md
GRADIENT_STEPS = "gradient_steps"  # the scope of the loop in an update between whose steps a device may do other things


class Bounds(NamedTuple):
    """Of a continuous action in the environment's units; an infinite one is none."""

    low: tuple[float, ...]  # [D]
    high: tuple[float, ...]

    def stretch(self, action: Array) -> Array:
        """Actions [..., D] in the environment's units: [-1, 1] becomes the whole range, and what is beyond its ends.

        A component that is not bounded on both sides is in the environment's units already.
        """
        low, high = (np.asarray(ends, np.float32) for ends in self)
        finite = np.isfinite(low) & np.isfinite(high)
        ends = np.where(finite, low, -1), np.where(finite, high, 1)
        middle, half = (ends[1] + ends[0]) / 2, (ends[1] - ends[0]) / 2
        return (middle + half * action).clip(low, high).astype(np.float32)


class EnvSpec(NamedTuple):
    """What an agent must know of an environment before it is built."""

    observation: PyTree  # of `ArraySpec`: what one environment shows, without B
    num_actions: int  # A; of a continuous action its components, D
    frame_skip: int  # frames per env step; 1 outside Atari
    masks_actions: bool = False  # `TimeStep.legal` is given
    bounds: Bounds | None = None  # of a continuous action; None where one of `num_actions` is chosen
    # K above 1: the first axis of the observation, one array, has the newest K frames, the oldest first, and where an
    # episode starts K times its first one. A trajectory then holds every frame once (`Frames`).
    frame_stack: int = 1

    def blank(self, num_envs: int) -> PyTree:
        """Observations of zeros, leaves [num_envs, ...]."""
        return jax.tree.map(lambda x: jnp.zeros((num_envs, *x.shape), x.dtype), self.observation)

    def describe(self) -> str:
        """The observation in words: `uint8 [4, 84, 84]`, or such a text for each leaf with its path before it."""
        leaves = jax.tree.leaves_with_path(self.observation)
        return ", ".join(f"{jax.tree_util.keystr(path)} {x.dtype} {list(x.shape)}".strip() for path, x in leaves)


class TimeStep(NamedTuple):
    """What a `BatchedEnv` hands out; leaves [B, ...]."""

    observation: PyTree  # Atari: uint8 [B, 4, H, W]
    reward: Array  # float32 [B], raw, for the previous action
    discount: Array  # float32 [B], 0 where the episode terminated on this step, else 1 (1 on truncation)
    first: Array  # bool [B], first observation of an episode; the action before it was thrown away
    last: Array  # bool [B], terminated or truncated here: the true final observation
    legal: Array | None  # bool [B, A], or None where every action is legal
    episode_return: Array  # float32 [B], raw and undiscounted, so far; final where `last`
    episode_length: Array  # int32 [B], env steps so far


class ActorOutput(NamedTuple):
    """What an agent's `act` returns beside its new state."""

    action: Array  # int32 [B]; continuous float32 [B, D]
    # float32 [B, A], log mu(.|s): normalised, exactly what the action was drawn from; continuous [B, 2 D]
    behaviour_logits: Array
    extras: PyTree  # the agent's own, leaves [B, ...]


class Frames(NamedTuple):
    """What a trajectory has for stacked observations: every frame once; `jaxrl.agents.unrolling.whole` stacks them."""

    frames: Array  # [K-1 + T+1, B, ...]: the older ones of row 0, then the newest of every row


class Trajectory(NamedTuple):
    """One unroll of `T` rows in `B` environments, time-major."""

    observation: PyTree  # [T+1, B, ...], or `Frames`
    first: Array  # bool [T+1, B]
    legal: Array | None  # bool [T+1, B, A]
    action: Array  # int32 [T, B], taken at observation[t]; continuous float32 [T, B, D]
    behaviour_logits: Array  # float32 [T, B, A]; continuous [T, B, 2 D]
    reward: Array  # float32 [T, B], raw; it followed action[t]
    discount: Array  # float32 [T, B], of the state that followed, without the agent's discount factor
    last: Array  # bool [T, B], the observation that followed ended its episode
    episode_return: Array  # float32 [T, B], of the state that followed; final where last
    episode_length: Array  # int32 [T, B], likewise
    actor_state: PyTree  # [B, ...], before row 0
    extras: PyTree  # [T, B, ...]

    @property
    def mask(self) -> Array:
        """bool [T, B]: False where action[t] was thrown away by an auto-reset."""
        return ~self.first[1:]


def align(seen: TimeStep, output: ActorOutput, initial_state: PyTree) -> Trajectory:
    """The one place where time is aligned (see the top of this file).

    Args:
        seen: leaves [T+1, B, ...]; row t is what action t saw.
        output: leaves [T, B, ...]; row t was computed from time step t.
        initial_state: the actor state before row 0, leaves [B, ...].
    """
    return Trajectory(
        observation=seen.observation,
        first=seen.first,
        legal=seen.legal,
        action=output.action,
        behaviour_logits=output.behaviour_logits,
        reward=seen.reward[1:],  # what followed action t stands in time step t + 1
        discount=seen.discount[1:],
        last=seen.last[1:],
        episode_return=seen.episode_return[1:],
        episode_length=seen.episode_length[1:],
        actor_state=initial_state,
        extras=output.extras,
    )


def map_trajectory(
    rows: Callable[..., Any], state: Callable[..., Any], trajectory: Trajectory, *others: Trajectory
) -> Trajectory:
    """Trajectories rearranged leaf by leaf: `rows` of the leaves [T, B, ...], and `state` of those of the actor state
    [B, ...], of every trajectory one."""
    parts = [t._replace(actor_state=()) for t in (trajectory, *others)]
    states = [t.actor_state for t in (trajectory, *others)]
    return jax.tree.map(rows, *parts)._replace(actor_state=jax.tree.map(state, *states))


class TrainState(struct.PyTreeNode):
    """All that a learner owns; replaced at every update, and saved."""

    params: Params
    opt_state: PyTree
    hypers: PyTree  # the agent's floats: leaves, so that they can be swept, perturbed and vmapped
    agent_state: PyTree  # the agent's own: target parameters, behaviour controller, moments
    key: Key
    updates: jax.Array  # int32 []; also the version of the published parameters
    progress: PyTree = ()  # float32 []: env steps learnt from, in updates without auto-reset rows; () without schedule
    replay: PyTree = ()  # past unrolls: a `Trajectory` with one more leading axis, split over learner devices like one
    moments: PyTree = ()  # of what is normalised, observations and returns; () where nothing is


Learnt = tuple[TrainState, Metrics]  # what an update returns


class Snapshot(NamedTuple):
    """Where an actor stood at the end of an unroll: enough to go on from there."""

    env_state: PyTree | None  # None where the environment cannot be saved (EnvPool)
    actor_state: PyTree


class Unroll(NamedTuple):
    """What crosses the thread boundary from an actor to the learner."""

    trajectory: Trajectory
    actor_id: int
    index: int  # k: this actor's k-th unroll
    version: int  # of the parameters that acted
    snapshot: Snapshot
    timings: Mapping[str, float]  # seconds spent per part


class Standing(NamedTuple):
    """Where a run stands beside its `TrainState`; a checkpoint holds both."""

    snapshots: list[Snapshot]  # one an actor
    history: list[ActorParams]  # the newest policy_lag + 1 published versions, the oldest repeated early in a run


class Episode(NamedTuple):
    """One that ended, in environment `env` of an actor."""

    actor: int
    env: int
    episode_return: float  # raw and undiscounted
    episode_length: int  # env steps


class Update(NamedTuple):
    """What one learner step hands to its consumer; `metrics` stay on the device."""

    metrics: Metrics
    env_steps: int  # that were learnt from; auto-reset rows are none
    episodes: Sequence[Episode]  # that ended in them
    lag: float  # learner steps between the parameters that acted and those that learnt, a mean
    seconds: Mapping[str, float]  # spent by part, as far as the runtime can tell: env, inference, ..., a mean per actor


class Screen(Protocol):
    """Shows a person environment 0 of a batch; `jaxrl.envs.screen` has those that there are."""

    fps: float = 10.0  # env steps/s at which the game looks natural

    def draw(self, timestep: TimeStep, action: np.ndarray | None = None) -> np.ndarray:
        """The picture uint8 [H, W, 3] of `timestep`, to which `action` int32 [B] led, or with which the batch began."""
        ...

    def close(self) -> None:
        """Free what the screen holds."""


class UpdateFn(Protocol):
    """One learner update; `past` holds earlier trajectories to be learnt again, beside the fresh one."""

    def __call__(self, state: TrainState, trajectory: Trajectory, past: Sequence[Trajectory] = ()) -> Learnt: ...


class Agent(NamedTuple):
    """An algorithm: pure functions over the records above, made by `make` of its file."""

    init: Callable[[Key], TrainState]
    publish: Callable[[TrainState], ActorParams]  # for acting while training
    publish_greedy: Callable[[TrainState], ActorParams]  # the same act(), evaluation behaviour
    initial_actor_state: Callable[[int], ActorState]
    act: Callable[[ActorParams, ActorState, TimeStep, Key], tuple[ActorState, ActorOutput]]
    update: UpdateFn
    # For people who look inside: what `act` prefers, [B, A], of which only differences mean something (of a continuous
    # action what its policy is made of), and the value of the state, [B], in the learner's units of reward.
    look: Callable[[ActorParams, ActorState, TimeStep], tuple[Array, Array]]
    takes_frames: bool = False  # `update` understands a trajectory with `Frames`
