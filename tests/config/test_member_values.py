"""In what the members of a population differ: every combination, or one value a member, and mistakes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from jaxrl.agents import impala
from jaxrl.config.member_values import make_members, make_table
from jaxrl.config.sections import PopulationConfig
from jaxrl.errors import ConfigError


def test_values_are_every_combination_repeated():
    table = make_table(
        {"learning_rate": [1e-3, 1e-2], "entropy_cost": {"low": 1e-4, "high": 1e-2, "count": 3}}, 12, impala.Hypers()
    )
    np.testing.assert_allclose(table["learning_rate"], [1e-3] * 3 + [1e-2] * 3 + [1e-3] * 3 + [1e-2] * 3, rtol=1e-6)
    np.testing.assert_allclose(table["entropy_cost"], [1e-4, 1e-3, 1e-2] * 4, rtol=1e-5)
    assert make_table({}, 4, impala.Hypers()) == {}


@pytest.mark.parametrize(
    ("vary", "word"),
    [
        ({"entropy_cos": [1, 2]}, "entropy_cost"),
        ({"entropy_cost": []}, "entropy_cost must be a list such as"),
        ({"entropy_cost": 1}, "must be a list such as"),
        ({"entropy_cost": [1, "two"]}, r"must be a list such as .*, not \[1, two\]$"),
        ({"entropy_cost": {"low": 0, "high": 1, "count": 4}}, "even in the logarithm"),
        ({"entropy_cost": {"low": 1e-3, "high": 1}}, "even in the logarithm"),
        ({"entropy_cost": {"low": 1e-3, "high": 1, "count": 1.5}}, "even in the logarithm"),
        ({"entropy_cost": {"low": 1e-3, "high": 1, "count": 2, "step": 1}}, "even in the logarithm"),
        ({"entropy_cost": [math.nan, 1]}, "population.vary: entropy_cost must be at least .* got nan"),
        ({"temperature": {"low": 1e-9, "high": 1, "count": 4}}, "temperature must be at least 1e-06 .* got 1e-09"),
        ({"entropy_cost": [1, 2, 3]}, "multiple of 3"),
        ({"entropy_cost": {"low": 1e-3, "high": 1, "count": 10**12}}, "count must be at least 1 and at most 100000"),
        ({name: {"low": 1e-3, "high": 1, "count": 10**5} for name in ("entropy_cost", "temperature")}, "combinations"),
    ],
)
def test_a_wrong_list_is_one_sentence(vary, word):
    with pytest.raises(ConfigError, match=word):
        make_table(vary, 4, impala.Hypers())


def test_members_are_listed_one_by_one():
    listed = {
        "learning_rate": [1e-3, 1e-2, 1e-3],
        "temperature": {"low": 0.1, "high": 1, "count": 3},
        "seed": [7, 7, 4294967295],
    }
    members = make_members(PopulationConfig(3, members=listed), impala.Hypers())
    np.testing.assert_allclose(members.hypers["learning_rate"], [1e-3, 1e-2, 1e-3], rtol=1e-6)
    np.testing.assert_allclose(members.hypers["temperature"], [0.1, 10**-0.5, 1.0], rtol=1e-6)
    assert members.seeds.tolist() == [7, 7, 2**32 - 1] and members.hypers.keys() == {"learning_rate", "temperature"}
    both = make_members(PopulationConfig(2, {"temperature": [1, 2]}, {"entropy_cost": [0, 1]}), impala.Hypers())
    assert both.hypers.keys() == {"temperature", "entropy_cost"} and both.seeds.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({"entropy_cost": [1, 2, 3]}, "has 3 values of entropy_cost for population.size 4; write one a member"),
        ({"seed": [1, 2, 3, 4, 5]}, "has 5 values of seed"),
        ({"entropy_cos": [1, 2, 3, 4]}, "population.members names 'entropy_cos'.* nearest is entropy_cost"),
        ({"sed": [1, 2, 3, 4]}, "nearest is seed"),
        ({"entropy_cost": None}, "population.members: entropy_cost must be a list such as .* not null"),
        ({"seed": [1, 2, 3, 0.5]}, r"population.members: seed must be a list of whole numbers, not \[1, 2, 3, 0.5\]"),
        ({"seed": {"low": 1, "high": 8, "count": 4}}, "seed must be a list of whole numbers"),
        ({"seed": [1, 2, 3, -4]}, "seed must be at least 0 and at most 4294967295, got -4"),
        ({"learning_rate": [1, 2, 3, 4]}, "population.vary and population.members both give learning_rate"),
    ],
)
def test_a_wrong_member_is_one_sentence(members, word):
    with pytest.raises(ConfigError, match=word):
        make_members(PopulationConfig(4, {"learning_rate": [1, 2]}, members), impala.Hypers())
