"""Presets, overrides and their refusals."""

import subprocess
import sys
import zlib

import numpy as np
import pytest

from jaxrl.envs.build import make_env, protocol_label, protocol_rules, scored
from jaxrl.envs.catch import Catch
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.envs.envpool.protocols import PRESETS, resolve
from jaxrl.envs.seeding import EVALUATION, TRAINING
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
    assert spec == EnvSpec(ArraySpec((4, shape, shape), "uint8"), actions, frame_skip=4, frame_stack=4)


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


@pytest.mark.parametrize(("protocol", "label"), [("cpu", "cpu + random_starts=10"), ("machado", "machado")])
def test_evaluations_have_chance_and_their_label_says_which(protocol, label):
    """In training nothing changes, sticky actions are chance enough, and what was set is kept."""
    config = EnvPool(protocol=protocol)
    assert protocol_label(scored(config)) == label and protocol_label(config) == protocol
    for chosen in (EnvPool(protocol="cpu", sticky_actions=0.1), EnvPool(protocol=protocol, random_starts=0)):
        assert scored(chosen) == chosen
    cartpole = EnvPool(id="CartPole-v1")
    assert scored(cartpole) == cartpole and scored(Catch()) == Catch()


def games(config: EnvPool, purpose: int) -> int:
    """How many of 40 games differ for a policy without chance."""
    env = make_env(config, 40, num_threads=2, seed=0, stream=(purpose,))
    timestep = env.reset()
    seen = [b""] * 40
    for _ in range(60):
        frames = [zlib.crc32(frame.tobytes()) for frame in timestep.observation]
        seen = [before + frame.to_bytes(4, "big") for before, frame in zip(seen, frames, strict=True)]
        timestep = env.step(np.asarray([frame % env.spec.num_actions for frame in frames], np.int32))
    env.close()
    return len(set(seen))


@pytest.mark.parametrize("env_id", ["Pong-v5", "Breakout-v5"])
def test_a_deterministic_policy_plays_as_many_games_as_episodes(env_id):
    config = EnvPool(env_id, protocol="cpu")
    assert games(config, TRAINING) <= 30 < games(config, EVALUATION) == 40


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"noop_max": 0}, "env.noop_max must be at least 1 and at most 2147483647, got 0"),
        ({"noop_max": 2**31}, "env.noop_max must be at least 1 and at most"),
        ({"sticky_actions": 1.0}, "env.sticky_actions must be below 1"),
        ({"sticky_actions": -0.1}, "env.sticky_actions"),
        ({"random_starts": -1}, "env.random_starts must be at least 0"),
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
