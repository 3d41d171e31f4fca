"""Generalised advantages equal their definition (Schulman et al. 2016, equation 16)."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxrl.ops import generalised_advantage
from tests.reference import traces
from tests.reference.sequences import draw, poison, two_episodes

jitted = jax.jit(generalised_advantage)


def arguments(sequences):
    return sequences.value, sequences.reward, sequences.discount, sequences.mask


@pytest.mark.parametrize("length", [1, 2, 16, 64, 150])
@pytest.mark.parametrize("trace_lambda", [0.0, 0.95, 1.0])
def test_equals_the_slow_sum(length, trace_lambda, double):
    arrays = arguments(draw(np.random.default_rng(length), length))
    expected = traces.columns(traces.generalised_advantage, *arrays, trace_lambda=trace_lambda).other
    result = jitted(*arrays, trace_lambda=trace_lambda)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)


def test_by_hand(double):
    """Two rows, then a truncation, which bootstraps, and the row behind it, which counts for nothing."""
    value, reward = np.array([1.0, 2.0, 3.0, 9.0]), np.array([1.0, 2.0, 7.0])
    result = jitted(value, reward, np.full(3, 0.5), np.array([1, 1, 0]), trace_lambda=0.8)
    second = 2 + 0.5 * 3 - 2
    np.testing.assert_allclose(result, [1 + 0.5 * 2 - 1 + 0.5 * 0.8 * second, second, 0])


@pytest.mark.parametrize("poisoned", [np.nan, np.inf, 9999.9])
@pytest.mark.parametrize("terminated", [True, False])
def test_nothing_crosses_a_boundary(poisoned, terminated, double):
    boundary = two_episodes(np.random.default_rng(3), terminated)
    dirty = poison(boundary, poisoned, terminated=terminated)
    clean, result = (jitted(*arguments(s), trace_lambda=0.9) for s in (boundary.sequences, dirty))
    np.testing.assert_array_equal(result[: boundary.reset], clean[: boundary.reset])
    np.testing.assert_array_equal(result[boundary.reset], 0)


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="reward must be"):
        generalised_advantage(np.zeros(3), np.zeros(3), np.zeros(2), np.zeros(2), trace_lambda=0.9)
