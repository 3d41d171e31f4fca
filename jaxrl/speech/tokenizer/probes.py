"""What each codebook holds: phones, voice, rate and pitch told from codes alone, and how many codes are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def usage(codes: Sequence[Any], size: int) -> tuple[float, float]:
    """Share of the codes that occur in utterances, each a sequence of codes, and the perplexity of their use."""
    counts = np.bincount(np.concatenate([np.asarray(one, int) for one in codes]), minlength=size)
    shares = counts[counts > 0] / counts.sum()
    return float(np.mean(counts > 0)), float(np.exp(-np.sum(shares * np.log(shares))))


def map_accuracy(codes: np.ndarray, labels: np.ndarray, new_codes: np.ndarray, new_labels: np.ndarray) -> float:
    """How often the label that a code mostly had in the first data is right in the new ones."""
    table = np.zeros((max(codes.max(), new_codes.max()) + 1, max(labels.max(), new_labels.max()) + 1), int)
    np.add.at(table, (codes, labels), 1)
    return float(np.mean(table.argmax(axis=1)[new_codes] == new_labels))


def mean_error(codes: np.ndarray, values: np.ndarray, new_codes: np.ndarray, new_values: np.ndarray) -> float:
    """Median distance of new values from the mean that their code had in the first data."""
    size = max(codes.max(), new_codes.max()) + 1
    total, count = np.bincount(codes, values, size), np.bincount(codes, minlength=size)
    means = np.where(count > 0, total / np.maximum(count, 1), values.mean())
    return float(np.median(np.abs(means[new_codes] - new_values)))


def histogram_accuracy(
    codes: Sequence[Any], labels: Sequence[int], size: int, train: np.ndarray, penalty: float = 1e-2
) -> float:
    """Accuracy of a linear classifier on histograms of codes; it is fitted by least squares where `train` holds."""
    rows = np.stack([np.sqrt(np.bincount(np.asarray(one, int), minlength=size) / len(one)) for one in codes])
    rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    wanted = np.eye(max(labels) + 1)[np.asarray(labels)]
    kernel = rows[train].T @ rows[train] + penalty * np.eye(size + 1)
    weights = np.linalg.solve(kernel, rows[train].T @ wanted[train])
    return float(np.mean((rows[~train] @ weights).argmax(axis=1) == np.asarray(labels)[~train]))
