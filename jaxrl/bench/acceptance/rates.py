"""How fast the learner, the loop and the card game are on this machine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.bench import measure as measure_loop
from jaxrl.bench.acceptance.checklist import Task
from jaxrl.bench.acceptance.trial import PRESET, make_trial, make_unroll, settings
from jaxrl.bench.doctor import Finding
from jaxrl.bench.locm import measure as measure_games
from jaxrl.bench.networks import update_flops
from jaxrl.config.parsing import read_config
from jaxrl.envs.locm.state import V15
from jaxrl.run.experiment import Experiment

NETWORKS = {
    "Nature": {"network.torso": "nature", "network.hidden_sizes": "[512]"},
    "ResNet": {"network.torso": "resnet", "network.hidden_sizes": "[256]"},
    "ResNet + LSTM": {"network.torso": "resnet", "network.hidden_sizes": "[256]", "network.core": "lstm"},
}
WHOLE = {"agent.num_epochs": "1", "agent.num_minibatches": "1", "network.input": "plain"}
ROWS = 32  # of an unroll
SHARE = {"environments": 0.9, "games": 1e6}  # the bars of an H100 with 16 cores


def learn(task: Task) -> Iterator[Finding]:
    """Samples/s of whole updates in bfloat16, with ever more environments up to the memory or the time."""
    product = matrix_product(task.smoke)
    yield Finding("ok", "matrix product", f"{product / 1e12:.3f} TFLOP/s in bfloat16")
    for done, (name, network) in enumerate(NETWORKS.items()):
        until = time.monotonic() + task.left / (len(NETWORKS) - done)
        more = {**WHOLE, **network, "network.dtype": "bfloat16"}
        experiment = make_trial(task.smoke, {**more, "network.torso": "small"} if task.smoke else more)
        flops = update_flops(experiment.network, experiment.spec)
        envs = [2, 4] if task.smoke else [64, 512, 2048, 8192]  # each compiles anew
        last = 0.0
        for count in envs:
            if last * 3 > until - time.monotonic():  # what comes takes at least twice as long, and compiles
                break
            begun = time.monotonic()
            try:
                rate = samples_per_s(experiment, count, 0.2 if task.smoke else 1.0)
            except Exception as error:
                if "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                yield Finding("ok", name, f"batch {ROWS * count}: more than the memory")
                break
            last = time.monotonic() - begun
            share = rate * flops / product
            yield Finding("ok", name, f"batch {ROWS * count}: {rate:,.0f} samples/s, {share:.3f} of the matrix product")


def matrix_product(smoke: bool) -> float:
    """FLOP/s of a large square product in bfloat16."""
    size = 256 if smoke else 2048 if jax.default_backend() == "cpu" else 8192
    x = jnp.asarray(np.random.default_rng(0).normal(size=(size, size)), jnp.bfloat16)
    product = jax.jit(jnp.matmul)
    return 2.0 * size**3 * calls_per_s(lambda: product(x, x), 0.1 if smoke else 1.0)


def samples_per_s(experiment: Experiment, envs: int, seconds: float) -> float:
    """Rows learnt per second by whole updates of `ROWS` rows of `envs` environments."""
    agent = experiment.agent
    state = agent.init(jax.random.key(0))
    few = make_unroll(experiment, agent.publish(state), 2, ROWS)
    repeats = envs // 2

    def widen(axis: int, x: Any) -> Any:
        return np.concatenate([x] * repeats, axis)

    rows, acting = few._replace(actor_state=()), few.actor_state
    wide = jax.tree.map(lambda x: widen(1, x), rows)._replace(actor_state=jax.tree.map(lambda x: widen(0, x), acting))
    batch, update = jax.device_put(wide), jax.jit(agent.update)
    return ROWS * envs * calls_per_s(lambda: update(state, batch), seconds)


def calls_per_s(call: Any, seconds: float) -> float:
    """How often `call` can be done in a second, three at a time in flight; compiled by one call before."""
    jax.block_until_ready(call())
    done, begun = 0, time.perf_counter()
    while not done or time.perf_counter() - begun < seconds:
        jax.block_until_ready([call() for _ in range(3)][-1])
        done += 3
    return done / (time.perf_counter() - begun)


def bench(task: Task) -> Iterator[Finding]:
    """`jaxrl bench` of the preset, and training against the environments' own rate."""
    path = task.folder / "bench.json"
    config = read_config(PRESET, settings(task.smoke, jax.default_backend()))
    config = replace(config, record=replace(config.record, wandb="off"))
    seconds = 0.3 if task.smoke else max(2.0, min(8.0, task.left / 12))
    measure_loop.main(config, path, seconds)
    found = json.loads(path.read_text(encoding="utf-8"))
    rates = found["env_steps_per_s"]
    for part in ("env", "inference", "learner", "train"):
        yield Finding("ok", part, f"{rates[part]:,.0f} env steps/s, {found['cpu_cores'][part]:.1f} cores")
    share, bar = rates["train"] / rates["env"], SHARE["environments"]
    fast = share >= bar or jax.default_backend() == "cpu"
    detail = f"training makes {share:.2f} of the environments' rate (on an H100 with 16 cores at least {bar:g})"
    yield Finding("ok" if fast else "warn", "utilisation", f"{found['utilisation']:.2f}; {detail}")


def play_cards(task: Task) -> Iterator[Finding]:
    """Random games per second, with every mask and no features."""
    best, last = 0.0, 0.0
    batches = [1024, 4096] if jax.default_backend() == "cpu" else [16384, 131072]  # each compiles anew, for 10 s or so
    for batch in [32] if task.smoke else batches:
        if last * 2 > task.left:
            break
        begun = time.monotonic()
        threads = (os.cpu_count() or 1) if jax.default_backend() == "cpu" and not task.smoke else 1
        found = measure_games(V15, batch, 0.2 if task.smoke else 2.0, threads)
        last, games = time.monotonic() - begun, float(found["games_per_second"])
        best = max(best, games)
        yield Finding("ok", f"batch {batch}", f"{games:,.0f} games/s, {found['steps_per_second']:,.0f} actions/s")
    bar = SHARE["games"]
    fast = best >= bar or jax.default_backend() == "cpu"
    yield Finding("ok" if fast else "warn", "best", f"{best:,.0f} games/s (on an H100 at least {bar:,.0f})")
