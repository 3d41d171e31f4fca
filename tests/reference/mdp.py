"""Random tabular MDPs, and their trajectories written out one by one with their exact probabilities."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np


class MDP(NamedTuple):
    transition: np.ndarray  # P(s'|s, a) [S, A, S]
    reward: np.ndarray  # r(s, a, s') [S, A, S]
    discount: np.ndarray  # of the state that follows [S]: 0 in state 0, which ends episodes
    target: np.ndarray  # pi [S, A]
    behaviour: np.ndarray  # mu [S, A]


def draw_mdp(rng: np.random.Generator, states: int = 3, actions: int = 3) -> MDP:
    def softmax(x: np.ndarray) -> np.ndarray:
        return np.exp(x) / np.exp(x).sum(-1, keepdims=True)

    discount = np.full(states, rng.uniform(0.6, 0.9))
    discount[0] = 0.0
    return MDP(
        rng.dirichlet(np.ones(states), (states, actions)),
        rng.normal(size=(states, actions, states)),
        discount,
        softmax(1.5 * rng.normal(size=(states, actions))),
        softmax(rng.normal(size=(states, actions))),
    )


def solve(mdp: MDP, policy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(Q^policy, V^policy)` by a linear system."""
    follow = np.einsum("sa,sat,t->st", policy, mdp.transition, mdp.discount)
    reward = np.einsum("sat,sat->sa", mdp.transition, mdp.reward)
    value = np.linalg.solve(np.eye(len(mdp.discount)) - follow, (policy * reward).sum(1))
    return reward + mdp.transition @ (mdp.discount * value), value


def vtrace_policy(mdp: MDP, rho_clip: float) -> np.ndarray:
    """Whose value V-trace finds: proportional to min(rho_clip mu, pi)."""
    weight = np.minimum(rho_clip * mdp.behaviour, mdp.target)
    return weight / weight.sum(1, keepdims=True)


class Paths(NamedTuple):
    """All trajectories of `T` rows: B = S (A S)^T columns."""

    state: np.ndarray  # int [T+1, B]
    action: np.ndarray  # int [T, B]
    reward: np.ndarray  # [T, B]
    discount: np.ndarray  # [T, B]
    ratio: np.ndarray  # [T, B]
    given_state: np.ndarray  # probability given its first state [B]
    given_action: np.ndarray  # probability given its first state and action [B]


def enumerate_paths(mdp: MDP, length: int) -> Paths:
    states, actions, _ = mdp.transition.shape
    path = np.array(list(product(range(states), *[range(actions), range(states)] * length))).T
    s, a = path[0::2], path[1::2]
    chance = mdp.behaviour[s[:-1], a] * mdp.transition[s[:-1], a, s[1:]]
    first = mdp.behaviour[s[0], a[0]]
    return Paths(
        s,
        a,
        mdp.reward[s[:-1], a, s[1:]],
        mdp.discount[s[1:]],
        mdp.target[s[:-1], a] / mdp.behaviour[s[:-1], a],
        chance.prod(0),
        chance.prod(0) / first,
    )
