"""Off-policy targets of one sequence [T], summed term by term from their definitions: slow, and obvious.

Both papers write `v_t = V_t + sum_k (prod_{i<k} gamma_i c_i) rho_k delta_k`. The sum ends where the sequence or the
episode does: a masked row (`mask` 0) contributes nothing, and neither does anything behind it. An agent's lambda makes
`c = lambda min(w, c_clip)`; the operators have none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Targets(NamedTuple):
    value_target: np.ndarray  # [T]
    other: np.ndarray  # [T]: q_target of DR-Trace, pg_advantage of V-trace


def dr_trace(value, q_taken, reward, discount, ratio, mask, rho_clip=1.05, c_clip=1.05, trace_lambda=1.0) -> Targets:
    """DR-Trace: `delta_k = r_k + gamma_k V_{k+1} - Q_k`, `q_t = r_t + gamma_t v_{t+1}`."""
    length = len(reward)
    v = np.array(value, np.float64)  # v_T = V_T
    for t in range(length):
        product = 1.0
        for k in range(t, length):
            if not mask[k]:
                break
            delta = reward[k] + discount[k] * value[k + 1] - q_taken[k]
            v[t] += product * min(ratio[k], rho_clip) * delta
            product *= discount[k] * trace_lambda * min(ratio[k], c_clip)
            if product == 0:
                break
    q = np.array([reward[t] + discount[t] * v[t + 1] for t in range(length)])
    return Targets(v[:-1], q)


def vtrace(value, reward, discount, ratio, mask, rho_clip=1.0, c_clip=1.0, trace_lambda=1.0) -> Targets:
    """V-trace: `delta_k = r_k + gamma_k V_{k+1} - V_k`, `adv_t = rho_t (r_t + gamma_t v_{t+1} - V_t)`."""
    length = len(reward)
    v = np.array(value, np.float64)
    for t in range(length):
        product = 1.0
        for k in range(t, length):
            if not mask[k]:
                break
            delta = reward[k] + discount[k] * value[k + 1] - value[k]
            v[t] += product * min(ratio[k], rho_clip) * delta
            product *= discount[k] * trace_lambda * min(ratio[k], c_clip)
            if product == 0:
                break
    advantage = np.zeros(length)
    for t in range(length):
        if mask[t]:
            advantage[t] = min(ratio[t], rho_clip) * (reward[t] + discount[t] * v[t + 1] - value[t])
    return Targets(v[:-1], advantage)


def generalised_advantage(value, reward, discount, mask, trace_lambda) -> Targets:
    """`A_t = sum_k (prod_{i<k} gamma_i lambda) delta_k`, beside the lambda-return `V_t + A_t`."""
    length = len(reward)
    advantage = np.zeros(length)
    for t in range(length):
        product = 1.0
        for k in range(t, length):
            if not mask[k]:
                break
            advantage[t] += product * (reward[k] + (discount[k] * value[k + 1] if discount[k] else 0.0) - value[k])
            product *= discount[k] * trace_lambda
            if product == 0:
                break
    return Targets(value[:-1] + advantage, advantage)


def upgo(value, reward, discount, ratio, mask, rho_clip=1.0) -> np.ndarray:
    """UPGO: from row t along the sequence as long as the next row does no worse than its value, then its value."""
    length = len(reward)
    advantage = np.zeros(length)
    for t in range(length):
        if not mask[t]:
            continue
        total, product, k = 0.0, 1.0, t
        while True:
            total += product * reward[k]
            product *= discount[k]
            k += 1
            follows = k < length and mask[k] and reward[k] + discount[k] * value[k + 1] >= value[k]
            if product == 0 or not follows:
                break
        if product != 0:
            total += product * value[k]
        advantage[t] = min(ratio[t], rho_clip) * (total - value[t])
    return advantage


def columns(function, *arrays, **settings) -> Targets:
    """`function` on every column of arrays [T, B]; a setting may be one number or [B]."""
    width = arrays[0].shape[1]
    settings = {name: np.broadcast_to(x, width) for name, x in settings.items()}
    parts = [function(*(a[:, b] for a in arrays), **{n: x[b] for n, x in settings.items()}) for b in range(width)]
    return Targets(*(np.stack(part, axis=1) for part in zip(*parts, strict=True)))
