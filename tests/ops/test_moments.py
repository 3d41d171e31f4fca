"""Running moments are those of all rows together."""

from __future__ import annotations

import jax
import numpy as np

from jaxrl.ops import moments


def test_batches_add_up_to_the_whole(double):
    rng = np.random.default_rng(0)
    rows, mask = 1e3 + rng.normal(size=(60, 4, 3)) * [0.1, 1, 50], rng.random((60, 4)) < 0.7
    mask[10:20] = False  # a batch of which nothing counts
    rows[~mask] = np.nan
    running, add = moments.no_moments((3,)), jax.jit(moments.add_rows)
    for start in range(0, 60, 10):
        running = add(running, rows[start : start + 10], mask[start : start + 10])
    assert float(running.count) == mask.sum()
    np.testing.assert_allclose(running.mean, rows[mask].mean(0), rtol=1e-5)
    np.testing.assert_allclose(running.deviation, rows[mask].std(0), rtol=1e-3)


def test_before_the_first_row_nothing_changes():
    x = np.array([-3.0, 0.5], np.float32)
    for function in (moments.standardise, moments.scale_down):
        np.testing.assert_allclose(function(moments.no_moments((2,)), x), x, rtol=1e-6)


def test_what_is_far_out_is_cut():
    some = moments.add_rows(moments.no_moments(()), np.array([4.0, 8.0]), np.array([True, True]))
    np.testing.assert_allclose(moments.standardise(some, np.array([4.0, 6.0, 1e6])), [-1, 0, 10], rtol=1e-5)
    np.testing.assert_allclose(moments.scale_down(some, np.array([-2.0, 0.0, 1e6])), [-1, 0, 10], rtol=1e-5)
