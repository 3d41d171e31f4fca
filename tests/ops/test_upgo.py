"""UPGO equals its definition (Vinyals et al. 2019, supplement), and never looks back from above."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxrl.ops import upgo_advantage
from tests.reference import traces
from tests.reference.sequences import LENGTHS, draw, poison, two_episodes

jitted = jax.jit(upgo_advantage)


@pytest.mark.parametrize("length", LENGTHS)
def test_equals_the_slow_return(length, double):
    arrays = draw(np.random.default_rng(length), length).without_q
    result = jitted(*arrays, rho_clip=1.2)
    for column in range(arrays[0].shape[1]):
        expected = traces.upgo(*(x[:, column] for x in arrays), rho_clip=1.2)
        np.testing.assert_allclose(result[:, column], expected, rtol=1e-9, atol=1e-9)


def test_by_hand(double):
    """Row 1 goes better than its value promised, row 2 worse: the return follows the first and bootstraps before the
    second."""
    value, reward = np.array([1.0, 2.0, 3.0, 0.0]), np.array([1.0, 0.5, -4.0])
    result = jitted(value, reward, np.ones(3), np.ones(3), np.ones(3))
    np.testing.assert_array_equal(result, [1 + (0.5 + 3) - 1, 0.5 + 3 - 2, -4 - 3])


@pytest.mark.parametrize("terminated", [True, False])
def test_nothing_crosses_a_boundary(terminated, double):
    boundary = two_episodes(np.random.default_rng(3), terminated)
    clean = jitted(*boundary.sequences.without_q)
    dirty = jitted(*poison(boundary, np.nan, terminated=terminated).without_q)
    np.testing.assert_array_equal(clean[: boundary.reset], dirty[: boundary.reset])
    np.testing.assert_array_equal(dirty[boundary.reset], 0)
