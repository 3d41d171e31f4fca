"""Settings outside their range: one sentence that names the setting."""

import dataclasses
import math

import pytest

from jaxrl.bounds import BOUNDS, check_bounds
from jaxrl.config import ConfigError
from jaxrl.parsing import read_config
from jaxrl.plan import make_plan
from jaxrl.population import make_members

PRESETS = ("configs/catch.yaml", "configs/catch_impala.yaml", "configs/atari/casa_paper.yaml")


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_within(preset):
    check_bounds(read_config(preset))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--seed -1", "seed must be at least 0 and at most 4294967295, got -1"),
        ("--seed 4294967296", "seed must be at least 0 and at most 4294967295, got 4294967296"),
        ("--env_steps 0", "env_steps must be at least 1, got 0"),
        ("--agent.hypers.temperature 0", "agent.hypers.temperature must be above 0, got 0"),
        ("--agent.hypers.temperature .nan", "agent.hypers.temperature must be above 0, got nan"),
        ("--agent.hypers.trace_lambda 1.1", "agent.hypers.trace_lambda must be at least 0 and at most 1, got 1.1"),
        ("--agent.hypers.c_clip 2", "agent.hypers.c_clip must be at most agent.hypers.rho_clip, got 2.0 and 1.05"),
        ("--agent.optimiser.max_grad_norm 0", "agent.optimiser.max_grad_norm must be above 0, got 0"),
        ("--agent.exploration.num_blocks 0", "agent.exploration.num_blocks must be at least 1, got 0"),
        ("--agent.exploration.num_bandits 0", "agent.exploration.num_bandits must be at least 1, got 0"),
        ("--agent.exploration.num_candidates 0", "agent.exploration.num_candidates must be at least 1, got 0"),
        ("--agent.exploration.max_inverse_temperature 0", "max_inverse_temperature must be above 0, got 0"),
        ("--runtime.timeout_s 0", "runtime.timeout_s must be above 0, got 0"),
    ],
)
def test_outside_is_one_sentence(words, message):
    with pytest.raises(ConfigError) as caught:
        make_plan(read_config("configs/catch.yaml", words.split()))
    assert message in str(caught.value)


def test_infinite_bounds_can_be_written_as_people_write_them():
    config = read_config("configs/catch.yaml", ["--agent.hypers.rho_clip=inf", "--agent.hypers.c_clip", "inf"])
    assert config.agent.hypers.rho_clip == math.inf
    check_bounds(config)


@pytest.mark.parametrize("field", ["vary", "members"])
def test_members_too(field):
    config = read_config("configs/catch.yaml", ["--population.size=2", f"--population.{field}=['temperature=0.1,-1']"])
    with pytest.raises(ConfigError, match=f"population.{field}: temperature must be above 0, got -1"):
        make_members(config.population, config.agent.hypers)


def test_every_name_is_a_setting_of_some_agent():
    known = set()
    for preset in PRESETS:
        known |= set(_dotted(dataclasses.asdict(read_config(preset))))
    assert set(BOUNDS) <= known


def _dotted(tree, prefix=""):
    for name, value in tree.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{name}.")
