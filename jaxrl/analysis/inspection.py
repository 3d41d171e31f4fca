"""What one episode of a trained agent looked like from inside, row by row; `jaxrl.run.inspect` makes it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Inspection(NamedTuple):
    """T rows of one episode. `picture[t]` is what a person saw when `action[t]` was chosen; `reward[t]` followed."""

    name: str
    picture: np.ndarray  # uint8 [T, H, W, 3]
    preferences: np.ndarray  # float32 [T, A]: A of CASA, logits of IMPALA and A2C; only differences mean something
    policy: np.ndarray  # float32 [T, A], probabilities that the action was drawn with
    action: np.ndarray  # int32 [T]
    value: np.ndarray  # float32 [T], in the learner's reward scale
    temperature: np.ndarray  # float32 [T], at which such a sample would be learnt; 1 of an agent without temperatures
    reward: np.ndarray  # float32 [T], raw
    episode_return: float  # so far: the episode may have been longer than `max_steps`


def entropy_at(preferences: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """Entropy [K, T] in nats of `softmax(preferences / temperature)` for preferences [T, A] and K temperatures."""
    logits = preferences[None] / np.asarray(temperatures)[:, None, None]
    logits = logits - logits.max(-1, keepdims=True)
    policy = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return -np.sum(policy * np.log(np.maximum(policy, 1e-30)), -1)


def moments(inspection: Inspection, count: int = 4) -> list[int]:
    """Rows worth a look, in order: where the value changes most, well apart from each other."""
    change = np.abs(np.diff(inspection.value, append=inspection.value[-1:]))
    apart, chosen = max(1, len(change) // (4 * count)), []
    for row in np.argsort(-change, kind="stable"):
        if all(abs(row - other) >= apart for other in chosen):
            chosen.append(int(row))
        if len(chosen) == count:
            break
    return sorted(chosen)
