"""Policies: their probabilities, their entropy and its slope in the temperature, legality, sampling."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl import ops

ROWS = np.random.default_rng(0).normal(size=(50, 5)) * 2
LEGAL = np.random.default_rng(1).random((50, 5)) < 0.6
LEGAL[:, 2] = True
TEMPERATURES = np.random.default_rng(2).uniform(0.05, 3, 50)


def softmax(x: np.ndarray) -> np.ndarray:
    weight = np.exp(x - x.max(-1, keepdims=True))
    return weight / weight.sum(-1, keepdims=True)


def test_softmax_policy_with_a_temperature_per_row(double):
    policy = softmax(ROWS / TEMPERATURES[:, None])
    logits = ops.softmax_policy(jnp.asarray(ROWS), TEMPERATURES)
    np.testing.assert_allclose(np.exp(logits), policy, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ops.entropy(logits), -(policy * np.log(policy)).sum(1), rtol=0, atol=1e-12)
    action = np.arange(50) % 5
    np.testing.assert_allclose(ops.log_prob(logits, action), np.log(policy[np.arange(50), action]), atol=1e-12)


def test_one_temperature_for_all_rows(double):
    np.testing.assert_allclose(np.exp(ops.softmax_policy(jnp.asarray(ROWS), 0.5)), softmax(ROWS / 0.5), atol=1e-12)


def test_illegal_actions_do_not_exist(double):
    """Probabilities, entropy and gradients are those of the policy over the legal actions alone."""
    logits = ops.softmax_policy(jnp.asarray(ROWS), TEMPERATURES, LEGAL)
    entropies = ops.entropy(logits)
    for row, legal, temperature, got, entropy in zip(ROWS, LEGAL, TEMPERATURES, logits, entropies, strict=True):
        policy = softmax(row[legal] / temperature)
        np.testing.assert_allclose(np.exp(got)[legal], policy, atol=1e-12)
        assert not np.exp(got)[~legal].any()
        np.testing.assert_allclose(entropy, -(policy * np.log(policy)).sum(), atol=1e-12)

    def total(rows):
        logits = ops.softmax_policy(rows, TEMPERATURES, LEGAL)
        return ops.entropy(logits).sum() + ops.log_prob(logits, jnp.full(50, 2)).sum()

    gradient = np.asarray(jax.grad(total)(jnp.asarray(ROWS)))
    assert np.isfinite(gradient).all() and not gradient[~LEGAL].any() and gradient[LEGAL].any()


@pytest.mark.parametrize("level", [-5000.0, 0.0, 5000.0])
def test_the_coldest_policy_is_the_best_legal_action_at_any_level(level):
    """Preferences are free up to a constant; far below 0 and divided by a small temperature they stay legal."""
    rows = jnp.asarray(np.round(ROWS, 1) + level, jnp.float32)
    best = np.where(LEGAL, np.asarray(rows), -np.inf).argmax(1)
    policy = np.exp(ops.softmax_policy(rows, 1e-6, LEGAL))
    assert not policy[~LEGAL].any()
    np.testing.assert_allclose(policy.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(policy.argmax(1), best)


def test_entropy_grows_with_temperature_at_the_rate_of_the_variance(double):
    """dH/dtemperature = Var_pi(A) / temperature^3, from 0 to log(number of actions)."""

    def entropy(row, temperature):
        return ops.entropy(ops.softmax_policy(row, temperature))

    slope = jax.vmap(jax.grad(entropy, argnums=1))(jnp.asarray(ROWS), TEMPERATURES)
    policy = softmax(ROWS / TEMPERATURES[:, None])
    mean = (policy * ROWS).sum(1, keepdims=True)
    variance = (policy * (ROWS - mean) ** 2).sum(1)
    np.testing.assert_allclose(slope, variance / TEMPERATURES**3, rtol=1e-8, atol=1e-10)
    assert (variance > 0.01).sum() > 20
    np.testing.assert_allclose(entropy(jnp.asarray(ROWS), 1e-3), 0, atol=1e-3)
    np.testing.assert_allclose(entropy(jnp.asarray(ROWS), 1e6), np.log(5), atol=1e-6)


def test_samples_are_those_of_jax():
    logits = jax.random.normal(jax.random.key(1), (500, 145))
    legal = jax.random.bernoulli(jax.random.key(2), 0.2, logits.shape).at[:, 144].set(True)
    for key in map(jax.random.key, range(5)):
        for given in (logits, ops.softmax_policy(logits, 0.1, legal), jnp.where(legal, 0.0, -jnp.inf)):
            np.testing.assert_array_equal(ops.sample(key, given), jax.random.categorical(key, given))


def test_sample_frequencies():
    """100,000 draws; five standard errors, which a right sampler exceeds once in a million cells."""
    logits = ops.softmax_policy(jnp.asarray([[0.0, 1.0, 2.0, 0.5], [3.0, 0.0, 0.0, 0.0]]),
                                1.0, jnp.asarray([[True, True, True, False], [True] * 4]))  # fmt: skip
    draws = 100_000
    action = ops.sample(jax.random.key(0), jnp.broadcast_to(logits, (draws, 2, 4)))
    assert action.shape == (draws, 2) and action.dtype == jnp.int32
    policy = np.exp(np.asarray(logits, np.float64))
    frequency = (np.asarray(action)[..., None] == np.arange(4)).mean(0)
    error = np.sqrt(policy * (1 - policy) / draws)
    assert (np.abs(frequency - policy) <= 5 * error).all()
    assert frequency[0, 3] == 0
