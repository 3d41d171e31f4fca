"""V-trace equals its definition (Espeholt et al. 2018, equation 1)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.ops import vtrace
from tests.reference import traces
from tests.reference.sequences import LENGTHS, draw, draw_clips, poison, two_episodes

jitted = jax.jit(vtrace)


def assert_same(result, expected, tolerance=1e-9):
    for a, b in zip(result, expected, strict=True):
        assert a.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("length", LENGTHS)
def test_equals_the_slow_sum(length, double):
    rng = np.random.default_rng(1000 + length)
    arrays, clips = draw(rng, length).without_q, draw_clips(rng)
    assert_same(jitted(*arrays, **clips._asdict()), traces.columns(traces.vtrace, *arrays, **clips._asdict()))


def test_default_clips_are_impalas(double):
    arrays = draw(np.random.default_rng(0), 20).without_q
    assert_same(vtrace(*arrays), traces.columns(traces.vtrace, *arrays, rho_clip=1.0, c_clip=1.0))


def test_two_rows(double):
    """By hand, with both clips active: delta = 1, 1.5; rho = 4, 3; c = 2, 2."""
    row = [np.array(x) for x in ([1.0, 2.0, 3.0], [1.0, 2.0], [0.5, 0.5], [8.0, 3.0], [1, 1])]
    result = vtrace(*row, rho_clip=4.0, c_clip=2.0)
    v = [1 + 4 * 1 + 0.5 * 2 * 3 * 1.5, 2 + 3 * 1.5]
    np.testing.assert_array_equal(result.value_target, v)
    np.testing.assert_array_equal(result.pg_advantage, [4 * (1 + 0.5 * v[1] - 1), 3 * (2 + 0.5 * 3 - 2)])


def test_on_policy_gives_n_step_returns(double):
    """Remark 1 of the paper; with discounts of 0 the return ends where the episode does."""
    s = draw(np.random.default_rng(3), 30, 5)
    value, reward, discount = s.value, s.reward, s.discount
    returns, follow = np.empty_like(reward), value[-1]
    for t in reversed(range(30)):
        follow = returns[t] = reward[t] + discount[t] * follow
    ones = np.ones_like(reward)
    result = vtrace(value, reward, discount, ones, ones)
    np.testing.assert_allclose(result.value_target, returns, rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.pg_advantage, returns - value[:-1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("poisoned", [np.nan, np.inf, 9999.9])
@pytest.mark.parametrize("terminated", [True, False])
def test_nothing_crosses_a_boundary(poisoned, terminated, double):
    boundary = two_episodes(np.random.default_rng(3), terminated)
    before, reset = slice(0, boundary.reset), boundary.reset
    clean = jitted(*boundary.sequences.without_q)
    dirty = jitted(*poison(boundary, poisoned, terminated=terminated).without_q)
    np.testing.assert_array_equal(clean.value_target[before], dirty.value_target[before])
    np.testing.assert_array_equal(clean.pg_advantage[before], dirty.pg_advantage[before])
    np.testing.assert_array_equal(dirty.pg_advantage[reset], 0)


def test_masked_rows(double):
    s = draw(np.random.default_rng(5), 50)
    result = vtrace(*s.without_q)
    np.testing.assert_array_equal(result.value_target[~s.mask], s.value[:-1][~s.mask])
    np.testing.assert_array_equal(result.pg_advantage[~s.mask], 0)


def test_batch_shapes_jit_and_vmap_agree(double):
    arrays = draw(np.random.default_rng(1), 20, 6).without_q
    batch = vtrace(*arrays)
    looped = [vtrace(*(x[:, b] for x in arrays)) for b in range(6)]
    assert looped[0].value_target.shape == (20,)
    assert_same(batch, [np.stack(x, 1) for x in zip(*looped, strict=True)], 1e-12)
    assert_same(batch, jitted(*arrays), 1e-12)
    assert_same(batch, jax.vmap(vtrace, in_axes=1, out_axes=1)(*arrays), 1e-12)


def test_gradients_stop_at_boundaries(double):
    s, reset = two_episodes(np.random.default_rng(6), terminated=False)

    def targets_before(*arrays):
        result = vtrace(*arrays, s.mask)
        return result.value_target[:reset].sum() + result.pg_advantage[:reset].sum()

    value, *rows = jax.grad(targets_before, argnums=range(4))(*map(jnp.asarray, s.without_q[:4]))
    assert not np.any(value[reset + 1 :]) and np.all(value[reset] != 0)
    for row in rows:
        assert not np.any(row[reset:]) and np.any(row[: reset - 1])


ARGUMENTS = {"value": (5, 2), **dict.fromkeys(("reward", "discount", "importance_ratio", "mask"), (4, 2))}


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("shape", [(5, 2), (4, 2), (4,), (4, 1), (1, 2), ()])
def test_shape_errors_are_one_sentence(name, shape):
    if ARGUMENTS[name] == shape:
        return
    shapes = {**ARGUMENTS, name: shape}
    with pytest.raises(ValueError, match="must be") as caught:
        vtrace(**{n: np.ones(x) for n, x in shapes.items()})
    assert "\n" not in str(caught.value) and str(shape) in str(caught.value)
