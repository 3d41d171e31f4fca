"""The value transform against its printed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.ops import compress_value, expand_value
from jaxrl.ops.values import EPSILON

VALUE = np.array([-1e6, -200.0, -1.0, -1e-3, 0.0, 1e-6, 0.3, 1.0, 55.5, 1e4, 1e6])


def printed(x):
    return np.sign(x) * (np.sqrt(np.abs(x) + 1) - 1) + EPSILON * x


def printed_inverse(y):
    root = np.sqrt(1 + 4 * EPSILON * (np.abs(y) + 1 + EPSILON))
    return np.sign(y) * (((root - 1) / (2 * EPSILON)) ** 2 - 1)


def test_it_is_the_printed_function(double):
    head = compress_value(jnp.asarray(VALUE), "rescale")
    np.testing.assert_allclose(head, printed(VALUE), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(expand_value(head, "rescale"), printed_inverse(printed(VALUE)), rtol=1e-7, atol=1e-9)


def test_one_is_the_inverse_of_the_other_in_float32():
    """The printed inverse loses all digits of small values there."""
    value = VALUE.astype(np.float32)
    back = expand_value(compress_value(jnp.asarray(value), "rescale"), "rescale")
    assert back.dtype == jnp.float32
    np.testing.assert_allclose(back, value, rtol=2e-6)


def test_large_values_become_comparable():
    assert float(compress_value(jnp.float32(1e4), "rescale")) == pytest.approx(109.005, abs=0.01)
    slope = jax.vmap(jax.grad(lambda x: compress_value(x, "rescale")))(jnp.array([-5.0, -1.0, 1.0, 5.0]))
    assert (np.asarray(slope) > 0).all() and slope[2] > slope[3]


def test_identity_costs_nothing():
    value = jnp.asarray(VALUE)
    assert compress_value(value, "identity") is value and expand_value(value, "identity") is value


@pytest.mark.parametrize("function", [compress_value, expand_value])
def test_unknown_name_is_an_error(function):
    with pytest.raises(ValueError, match="identity or rescale, got 'log'"):
        function(jnp.asarray(VALUE), "log")
