"""Seeds that never meet: one stream per purpose, actor, pool and restart.

EnvPool's own rule is `seed + i` for environment `i`, so that pools seeded 1 and 2 share all streams but one. Here every
environment's seed comes from `numpy.random.SeedSequence`, which mixes the run's seed with the words of the stream.
"""

from __future__ import annotations

import jax
import numpy as np

from jaxrl.errors import ConfigError
from jaxrl.types import Key

# First word of a stream, so that training and evaluation never share one.
TRAINING, EVALUATION = 0, 1
MAX_SEED = 2**31 - 1  # EnvPool's seeds are int32; below 1 the emulator may take the clock instead


def env_seeds(seed: int, stream: tuple[int, ...], num_envs: int) -> list[int]:
    """`num_envs` different seeds in [1, 2^31 - 1] for the pool named by `stream`, such as (actor, pool, restart)."""
    sequence, seeds = _sequence(seed, stream), dict[int, None]()
    while len(seeds) < num_envs:  # equal draws are one in millions, and then two environments would play alike
        drawn = sequence.spawn(1)[0].generate_state(num_envs, np.uint64)
        seeds.update(dict.fromkeys(int(word % MAX_SEED) + 1 for word in drawn))
    return list(seeds)[:num_envs]


def stream_key(seed: int, stream: tuple[int, ...]) -> Key:
    """The JAX key of the stream."""
    first, second = _sequence(seed, stream).generate_state(2)
    return jax.random.fold_in(jax.random.key(int(first) >> 1), int(second))


def _sequence(seed: int, stream: tuple[int, ...]) -> np.random.SeedSequence:
    if seed < 0:
        raise ConfigError(f"seed must be at least 0, got {seed}")
    return np.random.SeedSequence(seed, spawn_key=stream)
