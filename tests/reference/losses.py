"""CASA's and IMPALA's losses row by row, with their gradients in the network's outputs derived by hand.

With `e_a` the unit vector of the action taken, over legal actions and for logits `A / temperature`:

    grad_A Q(a) = e_a - pi                            (the stop-gradients on pi and V make it so simple)
    grad_A log pi(a) = (e_a - pi) / temperature
    grad_A H = -pi (log pi + H) / temperature
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tests.reference import traces

TRANSFORMS = {
    "identity": lambda r: r,
    "clip": lambda r: np.clip(r, -1, 1),
    "log": lambda r: np.log(np.abs(r) + 1) * (2 * (r >= 0) - 1 * (r < 0)),
}
# The value head's units from values, and back.
COMPRESS = {
    "identity": lambda x: x,
    "rescale": lambda x: np.sign(x) * (np.sqrt(np.abs(x) + 1) - 1) + 1e-3 * x,
}
EXPAND = {
    "identity": lambda y: y,
    "rescale": lambda y: np.sign(y) * (((np.sqrt(1 + 4e-3 * (np.abs(y) + 1.001)) - 1) / 2e-3) ** 2 - 1),
}


def clips(hypers: Any) -> dict[str, float]:
    return {"rho_clip": hypers.rho_clip, "c_clip": hypers.c_clip, "trace_lambda": hypers.trace_lambda}


class Loss(NamedTuple):
    terms: dict[str, float]
    head: np.ndarray  # gradient of the total in the policy head [T, B, A]
    value: np.ndarray  # and in the value head [T+1, B]


class Row(NamedTuple):
    policy: np.ndarray  # [A]
    log_policy: np.ndarray  # [A], 0 where illegal
    direction: np.ndarray  # e_a - pi


def read_row(preferences: np.ndarray, temperature: float, action: int, legal: np.ndarray | None) -> Row:
    legal = np.ones(len(preferences), bool) if legal is None else legal
    weight = np.where(legal, np.exp((preferences - preferences[legal].max()) / temperature), 0)
    policy = weight / weight.sum()
    return Row(policy, np.log(np.where(legal, policy, 1)), np.eye(len(policy))[action] - policy)


def read_rows(preferences: np.ndarray, trajectory: Any) -> tuple[list[list[Row]], np.ndarray]:
    """Every row's policy, and the importance ratios [T, B]."""
    length, width, _ = preferences.shape
    rows, ratio = [], np.empty((length, width))
    for t in range(length):
        rows.append([])
        for b in range(width):
            legal = None if trajectory.legal is None else trajectory.legal[t, b]
            action = trajectory.action[t, b]
            row = read_row(preferences[t, b], trajectory.extras.temperature[t, b], action, legal)
            ratio[t, b] = row.policy[action] / np.exp(trajectory.behaviour_logits[t, b, action])
            rows[t].append(row)
    return rows, ratio


def entropy_of(row: Row) -> float:
    return -row.policy @ row.log_policy


def entropy_direction(row: Row) -> np.ndarray:
    """`temperature grad_A H` [A]."""
    return -row.policy * (row.log_policy + entropy_of(row))


def settled_q(row: Row, centred: np.ndarray, mu: np.ndarray, temperature: float, config: Any) -> np.ndarray:
    """`Q^pi - V` [A] at which the expected gradient of a state's A vanishes, as one linear system in it and in c.

    Every action has `mu (alpha (adv - Abar) + beta rho adv / temperature) - e pi Abar / temperature^2 = c pi`.
    """
    hypers, pi = config.hypers, row.policy
    legal = pi > 0
    pi, mu, centred = pi[legal], mu[legal], centred[legal]
    policy_cost = hypers.policy_cost * (1.0 if config.temperature_factor else 1 / temperature)
    system = np.zeros((len(pi) + 1, len(pi) + 1))
    system[:-1, :-1] = np.diag(mu * hypers.q_cost + policy_cost * np.minimum(pi, hypers.rho_clip * mu))
    system[:-1, -1], system[-1, :-1] = -pi, pi
    known = mu * hypers.q_cost * centred + hypers.entropy_cost * pi * centred / temperature**2
    advantage = np.zeros(len(legal))
    advantage[legal] = np.linalg.solve(system, np.append(known, 0.0))[:-1]
    return advantage


def casa(head: np.ndarray, value_head: np.ndarray, trajectory: Any, config: Any) -> Loss:
    hypers, mask = config.hypers, ~trajectory.first[1:]
    value, compress = EXPAND[config.value_transform](value_head), COMPRESS[config.value_transform]
    advantages = hypers.advantage_scale * head
    rows, ratio = read_rows(advantages, trajectory)
    q_taken, settled = np.empty(mask.shape), np.empty(mask.shape)
    for t, b in np.ndindex(mask.shape):
        centred, action = advantages[t, b] - rows[t][b].policy @ advantages[t, b], trajectory.action[t, b]
        q_taken[t, b] = centred[action] + value[t, b]
        mu, temperature = np.exp(trajectory.behaviour_logits[t, b]), trajectory.extras.temperature[t, b]
        settled[t, b] = settled_q(rows[t][b], centred, mu, temperature, config)[action] + value[t, b]
    reward = hypers.reward_scale * TRANSFORMS[config.reward_transform](trajectory.reward)
    discount = hypers.discount_factor * trajectory.discount
    traced = settled if config.trace_q == "settled" else q_taken
    v, q = traces.columns(traces.dr_trace, value, traced, reward, discount, ratio, mask, **clips(hypers))
    terms = dict.fromkeys(("loss/value", "loss/q", "loss/policy", "loss/entropy"), 0.0)
    head_gradient, value_gradient = np.zeros_like(head), np.zeros_like(value)
    for t, b in zip(*np.nonzero(mask), strict=True):
        row, temperature = rows[t][b], trajectory.extras.temperature[t, b]
        improvement = min(ratio[t, b], hypers.rho_clip) * (q[t, b] - value[t, b])
        improvement *= temperature if config.temperature_factor else 1.0
        terms["loss/value"] += (compress(v[t, b]) - value_head[t, b]) ** 2 / 2 / mask.sum()
        terms["loss/q"] += (q[t, b] - q_taken[t, b]) ** 2 / 2 / mask.sum()
        terms["loss/policy"] -= improvement * row.log_policy[trajectory.action[t, b]] / mask.sum()
        terms["loss/entropy"] -= entropy_of(row) / mask.sum()
        pull = hypers.q_cost * (q[t, b] - q_taken[t, b]) + hypers.policy_cost * improvement / temperature
        bonus = hypers.entropy_cost * entropy_direction(row) / temperature
        head_gradient[t, b] = -(pull * row.direction + bonus) * hypers.advantage_scale / mask.sum()
        value_gradient[t, b] = -hypers.value_cost * (compress(v[t, b]) - value_head[t, b]) / mask.sum()
    terms["loss/total"] = (
        hypers.value_cost * terms["loss/value"]
        + hypers.q_cost * terms["loss/q"]
        + hypers.policy_cost * terms["loss/policy"]
        + hypers.entropy_cost * terms["loss/entropy"]
    )
    return Loss(terms, head_gradient, value_gradient)


def impala(head: np.ndarray, value_head: np.ndarray, trajectory: Any, config: Any) -> Loss:
    hypers, mask = config.hypers, ~trajectory.first[1:]
    value, compress = EXPAND[config.value_transform](value_head), COMPRESS[config.value_transform]
    rows, ratio = read_rows(head, trajectory)
    reward = hypers.reward_scale * TRANSFORMS[config.reward_transform](trajectory.reward)
    discount = hypers.discount_factor * trajectory.discount
    v, advantage = traces.columns(traces.vtrace, value, reward, discount, ratio, mask, **clips(hypers))
    terms = dict.fromkeys(("loss/value", "loss/policy", "loss/entropy"), 0.0)
    head_gradient, value_gradient = np.zeros_like(head), np.zeros_like(value)
    for t, b in zip(*np.nonzero(mask), strict=True):
        row, temperature = rows[t][b], trajectory.extras.temperature[t, b]
        improvement = advantage[t, b] * (temperature if config.temperature_factor else 1.0)
        terms["loss/value"] += (compress(v[t, b]) - value_head[t, b]) ** 2 / 2 / mask.sum()
        terms["loss/policy"] -= improvement * row.log_policy[trajectory.action[t, b]] / mask.sum()
        terms["loss/entropy"] -= entropy_of(row) / mask.sum()
        pull = improvement * row.direction + hypers.entropy_cost * entropy_direction(row)
        head_gradient[t, b] = -pull / temperature / mask.sum()
        value_gradient[t, b] = -hypers.value_cost * (compress(v[t, b]) - value_head[t, b]) / mask.sum()
    terms["loss/total"] = (
        hypers.value_cost * terms["loss/value"] + terms["loss/policy"] + hypers.entropy_cost * terms["loss/entropy"]
    )
    return Loss(terms, head_gradient, value_gradient)
