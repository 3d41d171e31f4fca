"""An LSTM one environment and one row at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def unroll(
    params: Mapping[str, np.ndarray], features: np.ndarray, first: np.ndarray, hidden: np.ndarray, cell: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs [B, T, H] and the last hidden and cell [B, H], of features [B, T, F] and first [B, T]."""
    kernel, recurrent, bias = (np.asarray(params[k], np.float64) for k in ("kernel", "recurrent_kernel", "bias"))
    size = len(recurrent)
    outputs, hidden, cell = np.empty((*first.shape, size)), hidden.copy(), cell.copy()
    for b, t in np.ndindex(first.shape):
        h, c = (np.zeros(size), np.zeros(size)) if first[b, t] else (hidden[b], cell[b])
        gates = features[b, t] @ kernel + h @ recurrent + bias
        write, keep, candidate, show = (gates[i * size : (i + 1) * size] for i in range(4))
        cell[b] = sigmoid(keep) * c + sigmoid(write) * np.tanh(candidate)
        hidden[b] = outputs[b, t] = sigmoid(show) * np.tanh(cell[b])
    return outputs, hidden, cell
