"""What EnvPool's Atari does at boundaries, through `EnvPoolEnv`."""

from dataclasses import replace

import numpy as np
import pytest

from jaxrl.envs.build import make_env
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.envs.envpool.pool import EnvPoolEnv
from tests.envs.contract import assert_same, play, stack

CPU = EnvPool(id="Breakout-v5", protocol="cpu", noop_max=1)


def test_truncation_delivers_the_true_last_observation():
    cap = 40
    capped = stack(play(make_env(replace(CPU, max_episode_steps=cap), 3, seed=1, stream=(0,)), cap))
    free = stack(play(make_env(CPU, 3, seed=1, stream=(0,)), cap))
    assert capped.last[-1].all() and not capped.last[:-1].any() and not free.last.any()
    assert (capped.discount == 1).all()
    assert_same(capped._replace(last=free.last), free)


def test_the_action_after_the_last_one_is_thrown_away():
    config = replace(CPU, max_episode_steps=5)
    resets = []
    for action in (0, 3):
        env = make_env(config, 2, seed=1, stream=(0,))
        play(env, 5)
        resets.append(env.step(np.full(2, action, np.int32)))
    assert_same(*resets)
    assert resets[0].first.all() and (resets[0].reward == 0).all() and (resets[0].episode_length == 0).all()


def test_a_game_over_at_the_cap_is_a_termination():
    config = EnvPool(id="Pong-v5", protocol="cpu", noop_max=1)
    noop = np.zeros(1, np.int32)

    def play_out(config):
        env, timesteps = make_env(config, 1, seed=2, stream=(0,)), []
        env.reset()
        while not timesteps or not timesteps[-1].last[0]:
            timesteps.append(env.step(noop))
        return timesteps

    free = play_out(config)
    assert free[-1].discount[0] == 0 and free[-1].episode_return[0] == -21  # seven lost in a row, three times
    capped = play_out(replace(config, max_episode_steps=len(free)))
    assert_same(stack(free), stack(capped))


def test_returns_are_raw_in_a_game_with_large_rewards():
    play_ = stack(play(make_env(EnvPool(id="Asterix-v5", protocol="cpu"), 4, seed=0, stream=()), 400))
    assert play_.reward.max() >= 50  # neither clipped nor scaled
    assert play_.episode_return.max() >= 50


def test_thread_count_changes_no_bit():
    plays = [stack(play(make_env(CPU, 5, num_threads=threads, seed=4, stream=(0,)), 60)) for threads in (1, 3)]
    assert_same(*plays)


def test_two_pools_in_flight_at_once():
    envs = [make_env(CPU, 2, seed=4, stream=(pool,)) for pool in (0, 1)]
    alone = [stack(play(make_env(CPU, 2, seed=4, stream=(pool,)), 20, seed=7)) for pool in (0, 1)]
    random = np.random.default_rng(7)
    together = [[env.reset()] for env in envs]
    for _ in range(20):
        action = random.integers(0, 4, 2, dtype=np.int32)
        for env in envs:
            env.send(action)
        for env, timesteps in zip(envs, together, strict=True):
            timesteps.append(env.recv())
    for expected, timesteps in zip(alone, together, strict=True):
        assert_same(expected, stack(timesteps))


def test_close_and_reset_while_stepping():
    env = make_env(CPU, 4, seed=0, stream=())
    env.reset()
    env.send(np.zeros(4, np.int32))
    assert env.reset().first.all()
    env.send(np.zeros(4, np.int32))
    env.close()


def test_one_seed_per_environment():
    with pytest.raises(RuntimeError, match="one seed per environment"):
        EnvPoolEnv(CPU, 2, 1, [1])
