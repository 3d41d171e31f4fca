"""The machine itself, a loop that neither compiles nor transfers anything new, and the same bits for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrl.bench.acceptance.checklist import Task
from jaxrl.bench.acceptance.trial import make_trial, make_unroll
from jaxrl.bench.doctor import CHECKS, Finding, guarded
from jaxrl.run.runtimes import make_sebulba
from jaxrl.types import PyTree

COMPILED = "/jax/core/compile/backend_compile_duration"  # an event of JAX's, one for each program
REPEATS = 4


def examine(task: Task) -> Iterator[Finding]:
    """What `jaxrl doctor` says, and what the accelerator is."""
    for check in CHECKS:
        yield from guarded(check)
    device = jax.devices()[0]
    stats = device.memory_stats() or {}
    memory = f", {stats['bytes_limit'] / 1e9:.0f} GB for arrays" if "bytes_limit" in stats else ""
    here = f"{len(jax.devices())} x {device.device_kind} ({device.platform}){memory}"
    if device.platform != "cpu" or task.smoke:
        yield Finding("ok", "accelerator", here)
    else:
        fix = "install JAX for it, or use --smoke to see that everything runs"
        yield Finding("warn", "accelerator", f"none: JAX computes on {here}", fix)


def run_steadily(task: Task) -> Iterator[Finding]:
    """Train for a while, then go on with the guard on and every compilation counted."""
    with make_sebulba(make_trial(task.smoke)) as runtime:
        updates = runtime.updates()
        for _ in range(4):
            next(updates)
        yield Finding("ok", "compiled", f"{len(runtime.state.params)} parts of the network, after 4 updates")
        done = 0
        with watched() as compiled:
            while done < 4 or (done < 64 and task.left > 15 and not task.smoke):
                next(updates)
                done += 1
        what = f"in {done} updates after that"
    yield Finding("ok", "transfers", f"none that nobody meant {what}: jax.transfer_guard('disallow') in all threads")
    fix = "a shape or a dtype changes from call to call" if compiled else ""
    yield Finding("fail" if compiled else "ok", "compilations", f"{len(compiled)} {what}", fix)


@contextmanager
def watched() -> Iterator[list[str]]:
    """The guard of all threads, and the programs that are compiled meanwhile."""
    compiled: list[str] = []
    watching = True

    def note(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if watching and event == COMPILED:
            compiled.append(f"{duration_secs:.2f} s")

    jax.monitoring.register_event_duration_secs_listener(note)
    jax.config.update("jax_transfer_guard", "disallow")
    try:
        yield compiled
    finally:
        jax.config.update("jax_transfer_guard", "allow")
        watching = False


def repeat(task: Task) -> Iterator[Finding]:
    """The same updates several times over; where bits differ, which operations do."""
    experiment = make_trial(task.smoke)
    agent = experiment.agent
    start = jax.device_get(agent.init(jax.random.key(3)).replace(key=None))
    trajectory = make_unroll(experiment, agent.publish(agent.init(jax.random.key(3))), 8 if task.smoke else 64, 8)
    update = jax.jit(agent.update)

    def learn() -> PyTree:
        state = jax.tree.map(jnp.asarray, start).replace(key=jax.random.key(4))
        for _ in range(3):
            state, _ = update(state, trajectory)
        return state.params

    if differing(learn) == 0:
        yield Finding("ok", "bits", f"3 updates, {REPEATS} times over: every bit of the parameters is the same")
        return
    found = {name: differing(run) for name, run in operations(task.smoke).items()}
    guilty = [f"{name} ({count} of {REPEATS - 1} repetitions)" for name, count in found.items() if count]
    because = f"the operations that differ: {', '.join(guilty)}" if guilty else "no single operation does"
    fix = "add --xla_gpu_deterministic_ops=true to XLA_FLAGS where bits matter more than speed"
    yield Finding("warn", "bits", f"the same seed gives other parameters; {because}", fix)


def differing(run: Callable[[], PyTree]) -> int:
    """How many repetitions differ from the first one in a bit."""
    first, *others = [jax.tree.leaves(jax.device_get(run())) for _ in range(REPEATS)]
    return sum(any(a.tobytes() != b.tobytes() for a, b in zip(first, other, strict=True)) for other in others)


def operations(smoke: bool) -> dict[str, Callable[[], PyTree]]:
    """What an update is made of, each on noise."""
    n, rng = (4 if smoke else 512), np.random.default_rng(0)

    def noise(*shape: int) -> jax.Array:
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    image, kernel, matrix = noise(n, 20, 20, 32), noise(3, 3, 32, 32), noise(8 * n, 256)

    def convolve(image: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(image, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def pool(image: jax.Array) -> jax.Array:
        window, strides = (1, 3, 3, 1), (1, 2, 2, 1)
        return lax.reduce_window(image, -jnp.inf, lax.max, window, strides, "SAME")

    rows = jnp.asarray(rng.integers(0, 64, 8 * n))
    return {
        "a matrix product": partial_jit(jnp.dot, matrix, matrix.T),
        "a sum over rows": partial_jit(lambda x: jnp.sum(x, 0), matrix),
        "a convolution": partial_jit(convolve, image, kernel),
        "the gradient of a convolution": partial_jit(
            jax.grad(lambda *a: jnp.sum(convolve(*a) ** 2), (0, 1)), image, kernel
        ),
        "the gradient of max-pooling": partial_jit(jax.grad(lambda x: jnp.sum(pool(x) ** 2)), image),
        "a scatter that adds": partial_jit(lambda x: jnp.zeros((64, 256)).at[rows].add(x), matrix),
    }


def partial_jit(function: Callable[..., PyTree], *arguments: Any) -> Callable[[], PyTree]:
    """A call of the jitted function."""
    jitted = jax.jit(function)
    return lambda: jitted(*arguments)
