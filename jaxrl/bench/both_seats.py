"""`jaxrl bench` of self-play: the whole update beside what its networks alone take."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from rich.console import Console

from jaxrl.agents.replay_buffer import blank_timestep, unroll_like
from jaxrl.config.seating import make_table, unroll_rows
from jaxrl.record.files import check_writable, replace_json
from jaxrl.run.experiment import Experiment
from jaxrl.run.runtimes import make_selfplay
from jaxrl.selfplay.frozen import empty_pool, make_decide
from jaxrl.types import Key, PyTree, TimeStep, TrainState, Trajectory

ROUNDS = 5


def measure_selfplay(
    experiment: Experiment, json_path: Path, seconds: float, circumstances: Callable[[], dict[str, Any]]
) -> None:
    """Time updates and their networks by turns, write the numbers, say them.

    `utilisation` is the time of the networks, both seats' acting and the learner's update on as many rows, over that of
    a whole update. The rest is what rules, masks, scripts, the pool and bookkeeping cost.

    Args:
        experiment: with runtime.kind selfplay.
        json_path: where the numbers go.
        seconds: for both parts together.
        circumstances: on what, with what and of what the numbers are.
    """
    check_writable(json_path)
    config = experiment.config
    alone = dataclasses.replace(config.selfplay, evaluate_every=0, evaluate=())
    runtime = make_selfplay(experiment._replace(config=dataclasses.replace(config, selfplay=alone)))
    updates, networks = runtime.updates(), _networks(experiment)
    steps: list[int] = []

    def whole() -> None:
        steps.append(next(updates).env_steps)

    for part in (whole, networks):  # which compiles them
        part()
    best = {"update": float("inf"), "networks": float("inf")}
    until = time.monotonic() + seconds
    rounds = 0
    while rounds < ROUNDS or time.monotonic() < until:
        for name, part in (("update", whole), ("networks", networks)):
            start = time.perf_counter()
            part()
            best[name] = min(best[name], time.perf_counter() - start)
        rounds += 1
    env_steps = sum(steps) / len(steps)
    result = {
        "env_steps_per_s": {"train": env_steps / best["update"], "networks": env_steps / best["networks"]},
        "utilisation": best["networks"] / best["update"],
        "seconds_per_update": best,
        "rounds": rounds,
        **circumstances(),
    }
    replace_json(json_path, result)
    rates = result["env_steps_per_s"]
    Console().print(
        f"{rates['train']:,.0f} env steps/s that are learnt from; the networks alone {rates['networks']:,.0f}; "
        f"utilisation {result['utilisation']:.2f} (the fastest of {rounds} each)"
    )
    print(f"written to {json_path}")


def _networks(experiment: Experiment) -> Callable[[], None]:
    """What the networks do in an update, on rows of zeros: their time does not depend on what they see."""
    config, agent, spec = experiment.config, experiment.agent, experiment.spec
    length, devices = config.runtime.unroll_length, len(config.runtime.learner_devices)
    shared = make_table(config.selfplay, config.runtime.envs_per_pool // devices)
    table = shared._replace(scripts=(), self_play=shared.self_play + shared.num_script_games)
    rows = unroll_like(agent, spec, unroll_rows(config.selfplay, length), shared.num_columns)
    batch = jax.tree.map(lambda x: jnp.ones(x.shape, x.dtype) if x.dtype == bool else jnp.zeros(x.shape, x.dtype), rows)
    batch = batch._replace(first=jnp.zeros_like(batch.first))
    # An observation for every step, and all of them arguments: acting on the same constant one in a loop, a compiler
    # would take the network out of the loop.
    seen = jax.tree.map(lambda x: jnp.broadcast_to(x, (length, *x.shape)), blank_timestep(spec, table.num_games))

    @jax.jit
    def work(state: TrainState, batch: Trajectory, seen: TimeStep, key: Key) -> tuple[TrainState, PyTree]:
        params = agent.publish(state)
        pool = empty_pool(config.selfplay.opponents, table, params)
        decide = make_decide(agent, table, params, pool)
        player = jnp.zeros(table.num_games, jnp.int32)

        def act(actor_state: PyTree, now: tuple[jax.Array, TimeStep]) -> tuple[PyTree, PyTree]:
            number, timestep = now
            return decide((), actor_state, timestep, player, jax.random.fold_in(key, number))

        acted = jax.lax.scan(act, agent.initial_actor_state(table.num_games), (jnp.arange(length), seen))[1]
        return agent.update(state, batch)[0], acted

    state, key = agent.init(jax.random.key(0)), jax.random.key(1)
    compiled = work.lower(state, batch, seen, key).compile()
    return lambda: jax.block_until_ready(compiled(state, batch, seen, key)) and None
