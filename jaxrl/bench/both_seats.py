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
from jaxrl.types import ActorParams, Key, PyTree, TimeStep, TrainState, Trajectory

ROUNDS = 5


def measure_selfplay(
    experiment: Experiment, json_path: Path | None, seconds: float, circumstances: Callable[[], dict[str, Any]]
) -> None:
    """Time updates and their networks by turns, say the numbers and write them.

    `utilisation` is the time of the networks, both seats' acting and the learner's update on as many rows, over that of
    a whole update. The rest is what rules, masks, scripts, the pool and bookkeeping cost.

    Args:
        experiment: with runtime.kind selfplay.
        json_path: where the numbers go, if anywhere.
        seconds: for both parts together.
        circumstances: on what, with what and of what the numbers are.
    """
    if json_path:
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
    if json_path:
        replace_json(json_path, result)
    rates = result["env_steps_per_s"]
    Console().print(
        f"{rates['train']:,.0f} env steps/s that are learnt from; the networks alone {rates['networks']:,.0f}; "
        f"utilisation {result['utilisation']:.2f} (the fastest of {rounds} each)"
    )
    if json_path:
        print(f"written to {json_path}")


def _networks(experiment: Experiment) -> Callable[[], None]:
    """What the networks do in an update, on rows of zeros: their time does not depend on what they see."""
    config, agent, spec = experiment.config, experiment.agent, experiment.spec
    length, devices = config.runtime.unroll_length, len(config.runtime.learner_devices)
    table = make_table(config.selfplay, config.runtime.envs_per_pool // devices)
    rows = unroll_like(agent, spec, unroll_rows(config.selfplay, length), table.num_columns)
    batch = jax.tree.map(lambda x: jnp.ones(x.shape, x.dtype) if x.dtype == bool else jnp.zeros(x.shape, x.dtype), rows)
    batch = batch._replace(first=jnp.zeros_like(batch.first))
    # An observation for every step, and all of them arguments: acting on the same constant one in a loop, a compiler
    # would take the network out of the loop. The slots' copies of it are arguments too, lest it makes one of them.
    seen = jax.tree.map(lambda x: jnp.broadcast_to(x, (length, *x.shape)), blank_timestep(spec, table.num_games))
    state = agent.init(jax.random.key(0))
    frozen = jax.tree.map(lambda x: jnp.broadcast_to(x, (table.slots, *x.shape)), agent.publish(state))
    start, end, shape = table.self_play, table.self_play + table.num_pool_games, (table.slots, table.games_per_slot)

    @jax.jit
    def work(state: TrainState, frozen: ActorParams, batch: Trajectory, seen: TimeStep) -> tuple[TrainState, PyTree]:
        params = agent.publish(state)

        def act(actor_state: PyTree, now: tuple[TimeStep, Key]) -> tuple[PyTree, PyTree]:
            mine = agent.act(params, actor_state, *now)
            if not table.slots:
                return mine
            timestep, key = now
            before, seen = jax.tree.map(lambda x: x[start:end].reshape(*shape, *x.shape[1:]), (actor_state, timestep))
            theirs = jax.vmap(agent.act)(frozen, before, seen, jax.random.split(key, table.slots))
            return mine[0], (mine[1], theirs)

        keys = jax.random.split(jax.random.key(1), length)
        acted = jax.lax.scan(act, agent.initial_actor_state(table.num_games), (seen, keys))[1]
        return agent.update(state, batch)[0], acted

    compiled = work.lower(state, frozen, batch, seen).compile()
    return lambda: jax.block_until_ready(compiled(state, frozen, batch, seen)) and None
