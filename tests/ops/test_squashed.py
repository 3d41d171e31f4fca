"""Squashed Gaussians against numerical integration over the action: the density is one, and its moments are those."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.ops import GAUSSIAN, SQUASHED
from jaxrl.ops.squashed import LARGEST

CASES = [(0.0, -3.0), (0.4, -1.0), (-1.5, 0.0), (0.0, 0.7), (3.0, -0.5)]  # mean and logarithm of the deviation


def integrate(mean, log_std):
    """Density at a fine grid of actions, dense where tanh is flat, and what each of them stands for."""
    before = np.linspace(mean - 12 * np.exp(log_std), mean + 12 * np.exp(log_std), 40_001)
    action = np.tanh(before)
    inside = np.abs(action) < LARGEST
    parameters = jnp.broadcast_to(jnp.array([mean, log_std]), (inside.sum(), 2))
    log_density = np.asarray(SQUASHED.log_prob(parameters, jnp.asarray(action[inside, None])))
    return action[inside], log_density


@pytest.mark.parametrize(("mean", "log_std"), CASES)
def test_the_density_is_one_and_has_the_entropy_and_the_deviation(mean, log_std, double):
    action, log_density = integrate(mean, log_std)
    density = np.exp(log_density)
    assert np.trapezoid(density, action) == pytest.approx(1, abs=5e-4)  # the rest lies beyond LARGEST
    parameters = jnp.array([mean, log_std])
    entropy = -np.trapezoid(density * log_density, action)
    assert float(SQUASHED.entropy(parameters)) == pytest.approx(entropy, abs=5e-3)
    first = np.trapezoid(density * action, action)
    deviation = np.sqrt(np.trapezoid(density * (action - first) ** 2, action))
    assert float(SQUASHED.spread(parameters)) == pytest.approx(deviation, abs=2e-3)


def test_samples_have_the_density(double):
    parameters = jnp.broadcast_to(jnp.array([0.5, -0.3]), (100_000, 2))
    drawn = np.asarray(SQUASHED.sample(jax.random.key(0), parameters))[:, 0]
    action, log_density = integrate(0.5, -0.3)
    below = np.array([np.trapezoid(np.exp(log_density[action <= x]), action[action <= x]) for x in (-0.5, 0.2, 0.8)])
    np.testing.assert_allclose(below, [(drawn <= x).mean() for x in (-0.5, 0.2, 0.8)], atol=0.01)


def test_components_add_up_and_gradients_are_those_of_differences(double):
    parameters, action = jnp.array([0.3, -0.8, -0.2, 0.4]), jnp.array([0.9, -0.1])
    each = [SQUASHED.log_prob(parameters[i::2], action[i : i + 1]) for i in range(2)]
    np.testing.assert_allclose(SQUASHED.log_prob(parameters, action), sum(each), rtol=1e-12)
    for function in (SQUASHED.entropy, lambda p: SQUASHED.log_prob(p, action), SQUASHED.spread):
        shifts = 1e-5 * np.eye(4)
        differences = [(function(parameters + s) - function(parameters - s)) / 2e-5 for s in shifts]
        np.testing.assert_allclose(jax.grad(function)(parameters), differences, rtol=1e-6, atol=1e-9)


def test_a_ratio_is_that_of_the_gaussians_and_nothing_is_infinite():
    """The tanh is the same for both policies; even an action at its end has a finite density and gradient."""
    before, after = jnp.array([0.1, -0.5]), jnp.array([0.4, -0.2])
    ratio = SQUASHED.log_prob(after, jnp.tanh(jnp.array([0.7]))) - SQUASHED.log_prob(before, jnp.tanh(jnp.array([0.7])))
    expected = GAUSSIAN.log_prob(after, jnp.array([0.7])) - GAUSSIAN.log_prob(before, jnp.array([0.7]))
    np.testing.assert_allclose(ratio, expected, atol=1e-5)
    far = jnp.array([50.0, 0.0])
    action = SQUASHED.sample(jax.random.key(0), far)
    assert abs(float(action[0])) < 1
    for end in (action, jnp.array([1.0]), jnp.array([-1.0])):
        value, gradient = jax.value_and_grad(SQUASHED.log_prob)(far, end)
        assert np.isfinite(value) and np.isfinite(gradient).all()
