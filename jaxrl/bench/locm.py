"""How fast random play is, with everything a learner would pay for: `jaxrl bench locm [--json FILE]`.

Random legal play of whole episodes: cards generated, decks picked card by card, legal masks computed
for every step of both stages, finished games replaced. `--observe` adds the features of both stages.
Steps are actions that were played (those thrown away by a reset are not counted); games are episodes
that ended within the measured time.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxrl.envs.locm.cards import Cards
from jaxrl.envs.locm.env import BatchState, Locm, LocmBatch
from jaxrl.envs.locm.observe import observe
from jaxrl.envs.locm.sampling import random_action
from jaxrl.envs.locm.state import Version
from jaxrl.record.files import check_writable, replace_json

STEPS_PER_CALL = 120
BATCH_SIZES = (64, 256, 1024, 4096)


class Counts(NamedTuple):
    """What one call played."""

    steps: Array
    games: Array
    truncated: Array
    checksum: Array  # of the features, so that they cannot be left out


def make_random_play(env: LocmBatch, steps: int, features: bool):
    """A jitted `(BatchState, key) -> (BatchState, Counts)` of `steps` random steps of every episode."""

    def step(carry: tuple[BatchState, Counts], key: Array):
        state, counts = carry
        action = random_action(key, env.legal(state))
        running = ~env.env.last(state.episode)
        checksum = counts.checksum
        if features:
            seen = observe(state.episode.game, env.env.version)
            checksum = checksum + sum(jnp.mean(leaf) for leaf in jax.tree.leaves(seen))
        state = env.step(state, action)
        ended = env.env.last(state.episode)
        decided = ended & (state.episode.game.winner >= 0)
        counts = Counts(
            counts.steps + jnp.sum(running, dtype=jnp.int32),
            counts.games + jnp.sum(ended & running, dtype=jnp.int32),
            counts.truncated + jnp.sum(ended & running & ~decided, dtype=jnp.int32),
            checksum,
        )
        return (state, counts), None

    def play(state: BatchState, key: Array) -> tuple[BatchState, Counts]:
        zero = Counts(jnp.int32(0), jnp.int32(0), jnp.int32(0), jnp.float32(0))
        return lax.scan(step, (state, zero), jax.random.split(key, steps))[0]

    return jax.jit(play, donate_argnums=0)


def measure(
    version: Version, batch: int, seconds: float, threads: int, features: bool = False, card_list: Cards | None = None
) -> dict[str, float | int | bool | str]:
    """Random play at one batch size for about `seconds`, `batch` episodes in each thread."""
    env = LocmBatch(Locm(version, card_list), batch)
    play = make_random_play(env, STEPS_PER_CALL, features)
    started = time.perf_counter()
    keys = jax.random.split(jax.random.key(0), threads)
    states = [jax.jit(env.reset)(key) for key in keys]
    # Two calls before the clock starts: the first compiles, and both spread the games over all stages.
    for _ in range(2):
        states = [play(state, key)[0] for state, key in zip(states, keys, strict=True)]
    jax.block_until_ready(states)
    compiling = time.perf_counter() - started

    def worker(thread: int) -> np.ndarray:
        state, key = states[thread], keys[thread]
        played, call = np.zeros(3, np.int64), 0
        while call == 0 or time.perf_counter() < deadline:
            call += 1
            state, counts = play(state, jax.random.fold_in(key, call))
            played += jax.device_get([counts.steps, counts.games, counts.truncated])
        return played

    processor = time.process_time()
    begun = time.perf_counter()
    deadline = begun + seconds
    with ThreadPoolExecutor(threads) as pool:
        played = sum(pool.map(worker, range(threads)), np.zeros(3, np.int64))
    wall, processor = time.perf_counter() - begun, time.process_time() - processor
    steps, games, truncated = played.tolist()
    return {
        "version": version.name,
        "batch": batch,
        "threads": threads,
        "features": features,
        "device": jax.devices()[0].device_kind,
        "games": games,
        "steps": steps,
        "truncated": truncated,
        "wall_seconds": wall,
        "processor_seconds": processor,
        "compile_seconds": compiling,
        "games_per_second": games / wall,
        "steps_per_second": steps / wall,
        "games_per_processor_second": games / processor,
        "steps_per_processor_second": steps / processor,
    }


def main(
    version: Version,
    batches: Sequence[int],
    seconds: float,
    threads: int,
    features: bool,
    card_list: Cards | None,
    json_path: Path | None,
) -> None:
    """Measure and print a line for each batch size; arguments as for `measure`, `json_path` for the numbers."""
    if json_path:
        check_writable(json_path)  # better to know before than after
    rows = []
    print("   batch  threads    games/s     steps/s   games/processor-s   steps/processor-s", flush=True)
    for batch in batches:
        row = measure(version, batch, seconds, threads, features, card_list)
        rows.append(row)
        print(
            f"{row['batch']:>8} {row['threads']:>8} {row['games_per_second']:>10,.0f} "
            f"{row['steps_per_second']:>11,.0f} {row['games_per_processor_second']:>19,.0f} "
            f"{row['steps_per_processor_second']:>19,.0f}",
            flush=True,
        )
    if json_path:
        replace_json(json_path, rows)
