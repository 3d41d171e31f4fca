"""Presets, overrides and their refusals."""

import subprocess
import sys

import pytest

from jaxrl.envs.build import protocol_label, protocol_rules
from jaxrl.envs.catch import Catch
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.envs.envpool.protocols import PRESETS, resolve
from jaxrl.errors import ConfigError
from jaxrl.types import ArraySpec, EnvSpec


@pytest.mark.parametrize(
    ("name", "size", "full", "sticky", "noops", "cap"),
    [
        ("machado", 84, True, 0.25, 1, 27_000),
        ("paper", 84, True, 0.0, 30, 25_000),
        ("cpu", 42, False, 0.0, 30, 27_000),
    ],
)
def test_presets(name, size, full, sticky, noops, cap):
    protocol = resolve(EnvPool(protocol=name))
    assert protocol == PRESETS[name]
    assert (protocol.frame_size, protocol.full_action_set, protocol.sticky_actions) == (size, full, sticky)
    assert (protocol.noop_max, protocol.max_episode_steps) == (noops, cap)
    assert (protocol.frame_skip, protocol.frame_stack, protocol.label) == (4, 4, name)


@pytest.mark.parametrize(("name", "shape", "actions"), [("machado", 84, 18), ("paper", 84, 18), ("cpu", 42, 6)])
def test_presets_reach_envpool(name, shape, actions):
    spec = EnvPool(protocol=name).spec
    assert spec == EnvSpec(ArraySpec((4, shape, shape), "uint8"), actions, frame_skip=4)


def test_overrides_show_in_the_label():
    config = EnvPool(protocol="cpu", noop_max=1, full_action_set=True, frame_size=42)
    protocol = resolve(config)
    assert protocol.label == "cpu + full_action_set=True + noop_max=1"  # 42 is the preset's own size
    assert (protocol.noop_max, protocol.full_action_set, protocol.frame_size) == (1, True, 42)
    assert protocol_label(config) == protocol.label
    assert protocol_label(EnvPool(id="CartPole-v1")) is None
    assert protocol_label(Catch()) is None
    rules = protocol_rules(config)
    assert (rules["label"], rules["noop_max"]) == (protocol.label, 1)
    assert protocol_rules(Catch()) is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"noop_max": 0}, "env.noop_max must be at least 1 and at most 2147483647, got 0"),
        ({"noop_max": 2**31}, "env.noop_max must be at least 1 and at most"),
        ({"sticky_actions": 1.0}, "env.sticky_actions must be below 1"),
        ({"sticky_actions": -0.1}, "env.sticky_actions"),
        ({"max_episode_steps": 0}, "env.max_episode_steps must be at least 1 and at most"),
        ({"frame_size": 0}, "env.frame_size must be at least 1 and at most 1024, got 0"),
        ({"frame_size": 20_000}, "env.frame_size must be at least 1 and at most 1024, got 20000"),
        ({"protocol": "papper"}, "env.protocol must be one of machado, paper, cpu, got papper"),
    ],
)
def test_refusals(setting, message):
    with pytest.raises(ConfigError, match=message):
        resolve(EnvPool(**setting))


def test_protocols_need_neither_jax_nor_envpool():
    code = "import sys, jaxrl.envs.envpool.protocols; assert not {'jax', 'envpool'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
