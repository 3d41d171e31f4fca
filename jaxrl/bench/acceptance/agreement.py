"""Whether the accelerator computes what the CPU computes: act, loss, gradient, update, in float32 and bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from jaxrl.agents.unrolling import whole
from jaxrl.bench.acceptance.checklist import Task
from jaxrl.bench.acceptance.trial import make_trial, make_unroll
from jaxrl.bench.doctor import Finding
from jaxrl.run.experiment import Experiment
from jaxrl.types import PyTree, TimeStep, Trajectory

# Largest relative distances, |device - CPU| / |CPU| over all numbers, of: log-probabilities and values, gradient, and
# how far the parameters move. Adam's first step is the sign of the gradient, so that numbers near zero may move the
# other way: a share e of them gives a distance of 2 sqrt(e).
FLOAT32 = {"act": 1e-4, "gradient": 1e-3, "update": 0.1}
# Ten bits of mantissa, with which accelerators multiply float32 unless told otherwise; and bfloat16's eight.
FAST = {"act": 1e-2, "gradient": 5e-2, "update": 0.5}
BFLOAT16 = {"act": 3e-2, "gradient": 0.2, "update": 0.8}
ONE_STEP = {"agent.num_epochs": "1", "agent.num_minibatches": "1"}  # more would each add to the distances
CASES = {
    "float32, `highest` products": ("float32", "highest", FLOAT32),
    "float32, default products": ("float32", None, FAST),
    "bfloat16": ("bfloat16", None, BFLOAT16),
}


def agree(task: Task) -> Iterator[Finding]:
    """Compare the default device with the CPU on the same unroll of noise, behaviour, parameters and keys."""
    device, cpu = jax.devices()[0], jax.local_devices(backend="cpu")[0]
    if device.platform == "cpu":
        yield Finding("ok", "device", "the CPU itself: what follows shows that the check runs")
    for name, (dtype, precision, bounds) in CASES.items():
        if task.left < 10:
            yield Finding("warn", name, "left out: no time")
            continue
        experiment = make_trial(task.smoke, {**ONE_STEP, "network.dtype": dtype})
        with jax.default_matmul_precision(precision) if precision else jax.default_device(device):
            yield from _compare(experiment, name, device, cpu, bounds, 4 if task.smoke else 32)


def _compare(
    experiment: Experiment, name: str, device: Any, cpu: Any, bounds: dict[str, float], rows: int
) -> Iterator[Finding]:
    agent = experiment.agent
    with jax.default_device(cpu):
        state = agent.init(jax.random.key(1))
        trajectory = make_unroll(experiment, agent.publish(state), 8, rows)
    there, here = [_compute(experiment, jax.device_put((state, trajectory), where)) for where in (device, cpu)]
    distances = {
        "act": max(distance(there[key], here[key]) for key in ("preferences", "values")),
        "gradient": distance(there["gradient"], here["gradient"]),
        "update": distance(there["moved"], here["moved"]),
    }
    same = float(np.mean(there["action"] == here["action"]))
    losses = f"loss {there['loss']:.6g} and {here['loss']:.6g}"
    for what, value in distances.items():
        detail = f"{name}: relative distance {value:.1e}, at most {bounds[what]:g}"
        detail += {"act": f"; {same:.1%} of the actions are the same", "gradient": f"; {losses}", "update": ""}[what]
        fix = "" if value <= bounds[what] else "the device computes something else: do not train on it"
        yield Finding("ok" if value <= bounds[what] else "fail", what, detail, fix)


def _compute(experiment: Experiment, given: Any) -> dict[str, Any]:
    """Everything that is compared, on the device of what is given."""
    agent, (state, trajectory) = experiment.agent, given
    (where,) = state.updates.devices()
    with jax.default_device(where):
        seen = _first_row(trajectory)
        acting = agent.initial_actor_state(seen.first.shape[0])
        params = agent.publish(state)
        preferences, values = jax.jit(agent.look)(params, acting, seen)
        _, output = jax.jit(agent.act)(params, acting, seen, jax.random.key(2))
        after, metrics = jax.jit(agent.update)(state, trajectory)
        moved = jax.tree.map(lambda new, old: new - old, after.params, state.params)
        # Adam's first moment after one gradient step is (1 - beta1) times the gradient, clipped or not.
        gradient = [x for x in jax.tree.leaves(after.opt_state) if x.dtype == np.float32 and x.ndim]
        found = {
            "preferences": preferences,
            "values": values,
            "action": output.action,
            "loss": metrics["loss/total"],
            "gradient": gradient,
            "moved": moved,
        }
        return jax.device_get(found)


def _first_row(trajectory: Trajectory) -> TimeStep:
    """What the first action saw; what acting does not read is made up."""
    rows = whole(trajectory)
    reward, first, length = rows.reward[0], rows.first[0], rows.episode_length[0]
    observation = jax.tree.map(lambda x: x[0], rows.observation)
    return TimeStep(observation, reward, reward, first, ~first, None, reward, length)


def distance(a: PyTree, b: PyTree) -> float:
    """|a - b| / |b| over all numbers of both."""
    a, b = (np.concatenate([np.ravel(x).astype(np.float64) for x in jax.tree.leaves(tree)]) for tree in (a, b))
    if not np.all(np.isfinite(a)):
        return float("inf")
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-30))
