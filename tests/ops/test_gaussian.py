"""Gaussian policies against plain NumPy, and what a temperature means for them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl import ops
from jaxrl.ops import GAUSSIAN, gaussian


@pytest.fixture
def drawn():
    """Means and logarithms of deviations [5, 3], and actions."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, 3)), rng.normal(size=(5, 3)) * 0.5, rng.normal(size=(5, 3))


def density(mean, log_std, action):
    """Of each action, one component after another."""
    product = np.ones(len(mean))
    for i in range(mean.shape[1]):
        std = np.exp(log_std[:, i])
        product *= np.exp(-((action[:, i] - mean[:, i]) ** 2) / (2 * std**2)) / (std * np.sqrt(2 * np.pi))
    return product


def test_log_prob_and_its_gradient(drawn, double):
    mean, log_std, action = drawn
    parameters = np.concatenate([mean, log_std], -1)
    np.testing.assert_allclose(GAUSSIAN.log_prob(parameters, action), np.log(density(*drawn)), rtol=1e-12)
    gradient = jax.grad(lambda p: GAUSSIAN.log_prob(p, action).sum())(jnp.asarray(parameters))
    distance = (action - mean) / np.exp(log_std)
    expected = np.concatenate([distance / np.exp(log_std), distance**2 - 1], -1)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)


def test_entropy_is_minus_the_mean_log_density(drawn, double):
    mean, log_std, _ = drawn
    parameters = np.concatenate([mean, log_std], -1)
    by_hand = (log_std + 0.5 * np.log(2 * np.pi * np.e)).sum(-1)
    np.testing.assert_allclose(GAUSSIAN.entropy(parameters), by_hand, rtol=1e-12)
    many = np.broadcast_to(parameters[0], (40_000, 6))
    action = GAUSSIAN.sample(jax.random.key(0), jnp.asarray(many))
    assert -np.mean(GAUSSIAN.log_prob(many, action)) == pytest.approx(by_hand[0], abs=0.03)
    np.testing.assert_allclose(np.mean(action, 0), mean[0], atol=0.03)
    np.testing.assert_allclose(np.std(action, 0), np.exp(log_std[0]), rtol=0.02)
    np.testing.assert_allclose(GAUSSIAN.spread(parameters), np.exp(log_std).mean(-1), rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.25, 4.0])
def test_a_temperature_is_a_power_of_the_density(drawn, temperature, double):
    """As of the softmax: differences of log densities between actions are divided by it."""
    mean, log_std, action = drawn
    plain = GAUSSIAN.policy(np.concatenate([mean, log_std], -1), 1.0)
    tempered = GAUSSIAN.policy(plain, np.full(5, temperature))
    here, there = (GAUSSIAN.log_prob(plain, a) for a in (action, mean))
    hot_here, hot_there = (GAUSSIAN.log_prob(tempered, a) for a in (action, mean))
    np.testing.assert_allclose(hot_here - hot_there, (here - there) / temperature, rtol=1e-9)
    with pytest.raises(ValueError, match="legal"):
        GAUSSIAN.policy(plain, 1.0, np.ones((5, 3), bool))


def test_all_distributions_have_the_functions():
    for distribution, parameters, shape in (
        (ops.CATEGORICAL, np.zeros((2, 4)), (2,)),
        (GAUSSIAN, np.zeros((2, 4)), (2, 2)),
        (ops.SQUASHED, np.zeros((2, 4)), (2, 2)),
    ):
        policy = distribution.policy(jnp.asarray(parameters, jnp.float32), 1.0)
        action = distribution.sample(jax.random.key(0), policy)
        assert action.shape == shape and distribution.log_prob(policy, action).shape == (2,)
        assert distribution is ops.distribution_of(
            jnp.issubdtype(action.dtype, jnp.floating), "squashed" if distribution is ops.SQUASHED else "gaussian"
        )
    assert gaussian.split(np.arange(4.0))[1].tolist() == [2, 3]
