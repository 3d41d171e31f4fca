"""Every number that cannot work is one sentence that names its setting."""

import dataclasses
import re
from pathlib import Path

import pytest

from jaxrl.config import ConfigError
from jaxrl.experiment import choose_devices
from jaxrl.parsing import read_config
from jaxrl.plan import make_plan

CATCH = Path(__file__).parents[1] / "configs" / "catch.yaml"


@pytest.fixture(scope="module")
def config():
    return read_config(CATCH)


def changed(config, setting, value):
    section, _, name = setting.rpartition(".")
    if not section:
        return dataclasses.replace(config, **{name: value})
    return dataclasses.replace(config, **{section: dataclasses.replace(getattr(config, section), **{name: value})})


def test_numbers(config):
    for setting, value in [
        ("runtime.num_actors", 3),
        ("runtime.pools_per_actor", 2),
        ("runtime.envs_per_pool", 4),
        ("runtime.unroll_length", 5),
        ("agent.num_minibatches", 6),
        ("env_steps", 241),
    ]:
        config = changed(config, setting, value)
    plan = make_plan(config)
    assert (plan.envs_per_actor, plan.num_envs, plan.samples_per_update) == (8, 24, 120)
    assert plan.num_updates == 3  # a part of an update is an update


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *((f"runtime.{name}", 0) for name in ("num_actors", "pools_per_actor", "envs_per_pool", "threads_per_pool")),
        ("runtime.unroll_length", 0),
        ("runtime.policy_lag", -1),
        ("runtime.timeout_s", 0.0),
        ("runtime.timeout_s", float("nan")),
        ("runtime.actor_devices", ()),
        ("runtime.learner_devices", ()),
        ("runtime.learner_devices", (0, 0)),
        ("env_steps", 0),
        ("agent.num_epochs", 0),
        ("agent.num_minibatches", 0),
        ("record.report_every", 0),
        ("record.checkpoint_every", 0),
        ("record.keep_checkpoints", 0),
        ("evaluation.episodes", -1),
        ("evaluation.num_envs", 0),
    ],
)
def test_impossible_numbers(config, setting, value):
    with pytest.raises(ConfigError, match=rf"^{re.escape(setting)} must [^\n]+$"):
        make_plan(changed(config, setting, value))


@pytest.mark.parametrize(("minibatches", "devices"), [(3, (0,)), (1, (0, 1, 2)), (4, (0, 1, 2, 3, 4))])
def test_environments_must_divide(config, minibatches, devices):
    config = changed(changed(config, "agent.num_minibatches", minibatches), "runtime.learner_devices", devices)
    with pytest.raises(ConfigError, match=r"^32 environments .* do not divide into .* change runtime.envs_per_pool$"):
        make_plan(config)


def test_least_values_are_allowed(config):
    for setting, value in [("runtime.policy_lag", 0), ("evaluation.episodes", 0), ("env_steps", 1)]:
        config = changed(config, setting, value)
    assert make_plan(config).num_updates == 1


def test_devices_are_used_in_turn():
    import jax

    first = jax.local_devices()[0]
    assert choose_devices((0,), 3, "runtime.actor_devices") == [first] * 3
    for index in (-1, len(jax.local_devices())):
        with pytest.raises(ConfigError, match=rf"^runtime.actor_devices names device {index}, but this process has "):
            choose_devices((index,), 1, "runtime.actor_devices")
