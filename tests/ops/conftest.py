"""Fixtures of the operators' tests."""

import pytest

from tests.reference.precision import float64


@pytest.fixture
def double():
    """JAX computes in float64 during the test."""
    with float64():
        yield
