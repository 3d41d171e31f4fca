"""Score a policy: whole episodes in environments of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl import ops
from jaxrl.envs.base import BatchedEnv
from jaxrl.runtime.actor import Act
from jaxrl.types import ActorOutput, ActorParams, ActorState, EnvSpec, Key, TimeStep


class Played(NamedTuple):
    """The episodes of an evaluation; those that a bound cut stand among the others with what they had until then."""

    returns: np.ndarray  # float32 [N], raw
    lengths: np.ndarray  # int32 [N], in env steps
    games: np.ndarray  # bytes [N]: equal where everything that was seen, done and paid is
    cut: int = 0  # of the N
    missing: int = 0  # asked for beside the N, and never begun

    @classmethod
    def together(cls, parts: Sequence[Played]) -> Played:
        """Several policies' episodes as one."""
        arrays = [np.concatenate(x) for x in zip(*(part[:3] for part in parts), strict=True)]
        return cls(*arrays, cut=sum(part.cut for part in parts), missing=sum(part.missing for part in parts))


def play_episodes(
    act: Act,
    params: ActorParams,
    state: ActorState,
    env: BatchedEnv,
    num_episodes: int,
    key: Key,
    progress: Callable[[int], None] = lambda finished: None,
    watch: Callable[[np.ndarray | None, TimeStep], None] = lambda action, timestep: None,
    steps_per_episode: int | None = None,
    is_late: Callable[[], bool] = lambda: False,
) -> Played:
    """`num_episodes` whole episodes, or what the bounds leave of them.

    Each environment plays an equal share, fixed beforehand: taking the first N episodes to finish would favour short
    ones. For the same reason an episode that a bound cuts counts with what it had. An environment is cut when its share
    has taken `steps_per_episode` on average, and all are once `is_late()`.

    `act` is an agent's after `make_act`, and `params` and the initial `state` belong to it. `progress` is called
    with the number of episodes finished so far, `watch` with every action and the time step that it led to, and first
    with None and the first.
    """
    quota = np.full(env.num_envs, num_episodes // env.num_envs)
    quota[: num_episodes % env.num_envs] += 1
    budget = quota * (np.iinfo(np.int64).max // (num_episodes + 1) if steps_per_episode is None else steps_per_episode)
    found: list[tuple[float, int, bytes]] = []
    cut = missing = row = 0
    timestep, trails = env.reset(), Trails(env.num_envs)
    trails.add(None, timestep)
    watch(None, timestep)

    def count(i: int) -> None:
        found.append((float(timestep.episode_return[i]), int(timestep.episode_length[i]), trails.digest(i)))
        quota[i] -= 1

    while quota.any():
        state, output = act(params, state, timestep, key, row, 0)
        action = np.asarray(output.action)
        timestep = env.step(action)
        trails.add(action, timestep)
        watch(action, timestep)
        row += 1
        budget -= ~timestep.first
        for i in np.flatnonzero(timestep.last & (quota > 0)):
            count(int(i))
            progress(len(found))
        for i in np.flatnonzero((quota > 0) & ((budget <= 0) | is_late())):
            if not timestep.last[i] and timestep.episode_length[i]:
                count(int(i))
                cut += 1
            missing += int(quota[i])
            quota[i] = 0
    returns, lengths, games = zip(*found, strict=True) if found else ((), (), ())
    return Played(
        np.asarray(returns, np.float32), np.asarray(lengths, np.int32), np.asarray(games, "S32"), cut, missing
    )


class Trails:
    """A running hash of every environment's episode: all that was seen, done and paid.

    A deterministic policy in a deterministic game plays one game again and again; nothing else tells them apart.
    """

    def __init__(self, num_envs: int) -> None:
        self._hashes = [hashlib.blake2b(digest_size=16) for _ in range(num_envs)]

    def add(self, action: np.ndarray | None, timestep: TimeStep) -> None:
        """One row: `action`, None before the first, and what it led to."""
        parts = [np.asarray(leaf) for leaf in (*jax.tree.leaves(timestep.observation), timestep.reward)]
        for i, first in enumerate(timestep.first):
            if first or action is None:  # of a reset the action was thrown away
                self._hashes[i] = hashlib.blake2b(digest_size=16)
            else:
                self._hashes[i].update(action[i].tobytes())
            for part in parts:
                self._hashes[i].update(part[i].tobytes())

    def digest(self, i: int) -> bytes:
        """Of environment i's episode until now, in 32 letters."""
        return self._hashes[i].hexdigest().encode()


def summary(played: Played) -> dict[str, Any]:
    """Mean, standard error and range of the returns, mean length, and of how many different games.

    A game that was played k times is one draw with k times the weight: it moves the mean as k episodes, which keeps it
    unbiased, and the standard error, sqrt(G / (G - 1) sum_g (sum_{i in g} (x_i - mean))^2) / N, is that of G games.
    """
    returns, lengths = played.returns, played.lengths
    different, game = np.unique(played.games, return_inverse=True)
    count, games = len(returns), len(different)
    off = np.bincount(game, returns - returns.mean(dtype=np.float64))
    return {
        "episodes": count,
        "games": games,
        "cut_episodes": played.cut,
        "missing_episodes": played.missing,
        "mean_return": float(returns.mean()),
        "standard_error": float(np.sqrt(games / (games - 1) * np.sum(off**2)) / count) if games > 1 else 0.0,
        "min_return": float(returns.min()),
        "median_return": float(np.median(returns)),
        "max_return": float(returns.max()),
        "mean_length": float(lengths.mean()),
    }


def act_randomly(
    params: ActorParams, state: ActorState, timestep: TimeStep, key: Key, *, spec: EnvSpec
) -> tuple[ActorState, ActorOutput]:
    """An `act` that draws uniformly from what is legal, or within bounds: the floor that a score is compared with."""
    shape = (*timestep.first.shape, spec.num_actions)
    if spec.bounds is not None:
        action = jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
        return state, ActorOutput(action, jnp.zeros((*shape[:-1], 2 * shape[-1])), ())
    logits = ops.softmax_policy(jnp.zeros(shape), 1.0, timestep.legal)
    return state, ActorOutput(ops.sample(key, logits), logits, ())
