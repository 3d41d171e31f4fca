"""Draws have the distribution that W&B's format names, and what it cannot mean is one sentence."""

import math
from random import Random

import numpy as np
import pytest

from jaxrl.errors import ConfigError
from jaxrl.sweeps.distributions import draw, grid, read_parameter


def draws(entry, number=4000):
    parameter, source = read_parameter("p", entry), Random(0)
    return np.array([draw(parameter, source) for _ in range(number)])


def quantiles(values):
    return np.quantile(values, [0.1, 0.5, 0.9])


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"min": 2.0, "max": 4.0}, [2.2, 3.0, 3.8]),
        ({"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2}, 10.0 ** np.array([-3.8, -3.0, -2.2])),
    ],
    ids=["uniform", "log_uniform_values"],
)
def test_quantiles_of_continuous_draws(entry, expected):
    np.testing.assert_allclose(quantiles(draws(entry)), expected, rtol=0.08, atol=0.05)


def test_whole_numbers_are_drawn_evenly_with_both_ends():
    values, counts = np.unique(draws({"min": 1, "max": 4}), return_counts=True)
    assert values.tolist() == [1, 2, 3, 4] and np.all(np.abs(counts - 1000) < 4 * math.sqrt(750))


def test_probabilities_are_kept():
    share = np.mean(draws({"values": ["a", "b"], "probabilities": [0.25, 0.75]}) == "b")
    assert abs(share - 0.75) < 4 * math.sqrt(0.25 * 0.75 / 4000)


def test_grids():
    assert grid("p", read_parameter("p", {"value": None})) == [None]
    assert grid("p", read_parameter("p", {"values": [3, "a", [1]]})) == [3, "a", [1]]
    assert grid("p", read_parameter("p", {"min": 2, "max": 5})) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (3, r"p must be a mapping .* write `value: 3`"),
        ({"vlaues": [1]}, r"p has no field vlaues; the nearest is values"),
        ({}, r"p says nothing to try"),
        ({"values": []}, r"p: values must be a list with at least one entry"),
        ({"values": [1, 2], "probabilities": [0.5, 0.6]}, r"p: probabilities must be 2 numbers"),
        (
            {"distribution": "q_normal", "min": 1, "max": 2},
            r"p: there is no distribution q_normal; there are constant, categorical, int_uniform, uniform, log_",
        ),
        ({"value": 1, "max": 2}, r"p: the distribution constant does not read max; leave it out"),
        ({"min": 1, "max": 2, "probabilities": [1]}, r"int_uniform does not read probabilities"),
        ({"min": 0, "max": 2.0, "mu": 1}, r"p has no field mu; the nearest is "),
        ({"distribution": "log_uniform_values", "min": 0, "max": 1}, r"min must be above 0"),
        ({"distribution": "uniform", "min": 1}, r"uniform needs max"),
        ({"min": 3, "max": 1}, r"min 3 is above max 1"),
        ({"distribution": "int_uniform", "min": 0.5, "max": 3}, r"int_uniform needs whole numbers"),
        ({"min": "a", "max": 2.0}, r"p: min must be a number, not 'a'"),
        ({"parameters": {"a": {"value": 1}}}, r"p nests parameters; write the dotted name"),
    ],
)
def test_mistakes_are_one_sentence(entry, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read_parameter("p", entry)


def test_a_continuous_grid_is_refused():
    with pytest.raises(ConfigError, match=r"p: method grid cannot list the values of uniform; write `values: "):
        grid("p", read_parameter("p", {"min": 0.0, "max": 1.0}))
