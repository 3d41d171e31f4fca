"""Streams of random numbers that never meet."""

import itertools

import jax
import numpy as np

from jaxrl.envs.build import make_env
from jaxrl.envs.cartpole import CartPole
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.envs.seeding import MAX_SEED, env_seeds, stream_key
from tests.envs.contract import assert_same, play, stack

STREAMS = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 0, 0), (0, 0, 1), (0,), (1,), ()]


def test_every_environment_of_every_pool_has_its_own_seed():
    pools = [env_seeds(seed, stream, 64) for seed in (0, 1, 2) for stream in STREAMS]
    seeds = list(itertools.chain(*pools))
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) >= 1 and max(seeds) <= MAX_SEED
    assert env_seeds(1, (0, 1), 64) == env_seeds(1, (0, 1), 64)


def test_keys_differ():
    keys = {tuple(np.asarray(jax.random.key_data(stream_key(seed, s))).tolist()) for seed in (0, 1) for s in STREAMS}
    assert len(keys) == 2 * len(STREAMS)


def test_same_seed_same_bits_and_other_streams_differ():
    for config in (EnvPool(id="CartPole-v1"), CartPole()):
        plays = [
            stack(play(make_env(config, 3, num_threads=threads, seed=seed, stream=stream), 30))
            for threads, seed, stream in ((1, 5, (0, 0)), (2, 5, (0, 0)), (1, 5, (0, 1)), (1, 6, (0, 0)))
        ]
        assert_same(plays[0], plays[1])
        starts = np.concatenate([p.observation[0] for p in (plays[0], plays[2], plays[3])])
        assert len(np.unique(starts, axis=0)) == len(starts)
