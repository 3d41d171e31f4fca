"""Every number that cannot work is one sentence that names its setting."""

import dataclasses
import re
from pathlib import Path

import pytest

from jaxrl.agents.replay_buffer import ReplayConfig
from jaxrl.config.parsing import read_config
from jaxrl.config.plan import make_plan
from jaxrl.errors import ConfigError
from jaxrl.run.experiment import choose_devices

CATCH = Path(__file__).parents[2] / "configs" / "catch.yaml"


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


def test_a_population_needs_as_many_environments_of_a_host_however_many_hosts_there_are(config):
    config = changed(changed(config, "population.size", 4), "agent.num_minibatches", 4)
    config = changed(changed(config, "runtime.num_actors", 1), "runtime.envs_per_pool", 4)
    for num_hosts in (1, 2):
        with pytest.raises(ConfigError, match="environments of a learner device"):
            make_plan(config, num_hosts)


def test_several_hosts_share_the_schedule_and_refuse_a_replay(config):
    alone, two = make_plan(config), make_plan(config, num_hosts=2)
    assert two.num_envs == 2 * alone.num_envs and two.num_updates == -(-alone.num_updates // 2)
    with pytest.raises(ConfigError, match=r"agent\.replay\.capacity must be 0 on several hosts"):
        make_plan(changed(config, "agent.replay", ReplayConfig(capacity=2)), num_hosts=2)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *((f"runtime.{name}", 0) for name in ("num_actors", "pools_per_actor", "envs_per_pool")),
        ("runtime.threads_per_pool", -1),
        ("max_minutes", -1.0),
        ("runtime.unroll_length", 0),
        ("runtime.policy_lag", -1),
        ("runtime.timeout_s", 0.0),
        ("runtime.timeout_s", float("nan")),
        ("runtime.actor_devices", ()),
        ("runtime.actor_devices", (0, 1, 0)),  # two actors
        ("runtime.learner_devices", ()),
        ("runtime.learner_devices", (0, 0)),
        ("env_steps", 0),
        ("agent.num_epochs", 0),
        ("agent.num_minibatches", 0),
        ("agent.burn_in", -1),
        ("agent.burn_in", 3),  # nothing has a memory
        ("agent.burn_in", 16),  # nothing is left to learn from
        ("agent.replay", ReplayConfig(capacity=-1)),
        ("agent.replay", ReplayConfig(capacity=1, per_fresh=0)),
        ("record.report_every", 0),
        ("record.checkpoint_every", 0),
        ("record.keep_checkpoints", 0),
        ("evaluation.episodes", -1),
        ("evaluation.num_envs", 0),
    ],
)
def test_impossible_numbers(config, setting, value):
    with pytest.raises(ConfigError, match=rf"^{re.escape(setting)}(\.\w+)? must [^\n]+$"):
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
    config = changed(changed(config, "network.core", "lstm"), "agent.burn_in", config.runtime.unroll_length - 1)
    assert make_plan(config).num_updates == 1


@pytest.mark.parametrize(("envs", "size", "least"), [(1, 1, 2), (4, 4, 8)])
def test_a_ladder_has_rungs_in_every_pool_and_member(config, envs, size, least):
    ladder = changed(config, "agent.exploration", dataclasses.replace(config.agent.exploration, family="ladder"))
    ladder = changed(changed(ladder, "runtime.pools_per_actor", 8), "population.size", size)
    words = rf"^runtime.envs_per_pool must be at least {least}, 2 for each member, .*family is ladder, got {envs}$"
    with pytest.raises(ConfigError, match=words):
        make_plan(changed(ladder, "runtime.envs_per_pool", envs))
    make_plan(changed(ladder, "runtime.envs_per_pool", least))


def test_devices_are_used_in_turn():
    import jax

    first = jax.local_devices()[0]
    assert choose_devices((0,), 3, "runtime.actor_devices") == [first] * 3
    for index in (-1, len(jax.local_devices())):
        with pytest.raises(ConfigError, match=rf"^runtime.actor_devices names device {index}, but this process has "):
            choose_devices((index,), 1, "runtime.actor_devices")
