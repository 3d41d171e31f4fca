"""Several hosts that train together: joining, agreeing, and ending when one of them is lost.

Every host runs the same program on its own actors and devices. The gradient is that of the whole batch, so all hosts
must make the same learner steps in the same order, and what ends a run, the number of env steps, a signal or a time
limit, is agreed upon after every step. Host 0 writes; the others only work.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import cast

import jax
import numpy as np
from jax._src import distributed  # the service's barrier has no public name
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrl.config.sections import ExperimentConfig, HostsConfig
from jaxrl.errors import TRY_AGAIN, ConfigError
from jaxrl.record.leaves import flatten, unflatten
from jaxrl.runtime.exchange import PATIENCE
from jaxrl.runtime.watchdog import Watchdog
from jaxrl.types import PyTree

PARTING_S = 10  # how long the hosts wait for each other at the end
MEETING_S = 600  # and at their first update: Gloo waits for half a minute, in which a busy host has not compiled


def join(config: HostsConfig) -> None:
    """Wait for the other hosts; nothing where there is one. Must come before anything else that JAX does.

    Raises:
        ConfigError: the settings do not fit together, or the others did not come within `timeout_s`.
    """
    if not config.coordinator:
        if config.num_processes > 1 or config.process_id:
            raise ConfigError("hosts.num_processes needs hosts.coordinator, the address:port of host 0")
        return
    timeout_s = max(1, round(config.timeout_s))
    # Otherwise JAX may abort this process when another one dies, before it can say what to do about it.
    jax.config.update("jax_enable_recoverability", True)
    where = {}
    if config.coordinator != "auto":
        if not 0 <= config.process_id < config.num_processes:
            raise ConfigError(
                f"hosts.process_id must be 0 to hosts.num_processes - 1, got {config.process_id} of "
                f"{config.num_processes}"
            )
        where = {
            "coordinator_address": config.coordinator,
            "num_processes": config.num_processes,
            "process_id": config.process_id,
        }
    try:
        jax.distributed.initialize(
            **where,
            local_device_ids=[],  # all; None would be one under SLURM, whatever else the node has
            initialization_timeout=timeout_s,
            heartbeat_timeout_seconds=timeout_s,
            shutdown_timeout_seconds=PARTING_S,
        )
    except (RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise ConfigError(
            f"cannot join the other hosts at {config.coordinator}: {reason}; start the same command on every host, "
            "each with its own hosts.process_id"
        ) from error
    ctypes.CDLL(None).signal(signal.SIGABRT, _end_as_lost)


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _end_as_lost(number: int) -> None:
    """What abort() does to a process that trains with others.

    JAX's coordination service lives in host 0. When that dies, JAX aborts the other hosts from a thread of its own, and
    no option of its prevents it. A handler of Python's own would never run: the main thread may hang in a collective
    operation, and abort() does not return.
    """
    sentence = lost_sentence("JAX gave up, for the reason above")
    os.write(2, f"jaxrl: error: {sentence}\n".encode())  # print() might wait for a lock of the main thread
    os._exit(TRY_AGAIN)


def leave() -> None:
    """Part from the other hosts; what follows is this host's own.

    Host 0 goes last: JAX aborts a host that leaves when the coordination service is gone.
    """
    client = distributed.global_state.client
    if client is None:
        return
    # A barrier of the service, and no collective operation: a host that failed comes here while the others still train.
    with suppress(jax.errors.JaxRuntimeError):  # they did not come in time
        client.wait_at_barrier("jaxrl/leave", 1000 * PARTING_S)
    if jax.process_index() == 0:
        time.sleep(1.0)  # the barrier is open; the others need an instant to say goodbye
    jax.distributed.shutdown()
    signal.signal(signal.SIGABRT, signal.SIG_DFL)


def totals(values: Sequence[float], learner: jax.Array) -> Callable[[], np.ndarray]:
    """Begin to sum `values` over the hosts, of which each must call this at the same point; what it gives waits for the
    sums, float64 [N].

    Between the two other work may be dispatched, of which this host's devices do what came first.

    Args:
        values: this host's, N of them.
        learner: an array on all learner devices of all hosts, such as the count of updates.
    """
    whole = np.asarray(values, np.float64)
    if jax.process_count() == 1:
        return lambda: whole
    mesh = cast(NamedSharding, learner.sharding).mesh
    apart, gather = _gathering(cast(Mesh, mesh))
    rows = np.zeros((len(apart.addressable_devices), len(whole)))  # one a device
    rows[0] = whole
    # Halves of 32 bits, which JAX carries exactly.
    gathered = gather(jax.make_array_from_process_local_data(apart, rows.view(np.uint32))).addressable_data(0)
    gathered.copy_to_host_async()
    return lambda: np.asarray(gathered).copy().view(np.float64).sum(0)


@cache
def _gathering(mesh: Mesh) -> tuple[NamedSharding, Callable[[jax.Array], jax.Array]]:
    """How an array [devices, ...] is spread, a row a device, and what brings it together on each.

    On the very devices of a learner step. A CPU client has a thread for each device or core, and in a collective
    operation they wait for the other hosts: so XLA starts such a program when the one before has ended, if both are
    on all of its devices. Sums on one device were started beside a step, and each waited for the other's host.
    """
    client = distributed.global_state.client
    assert client is not None  # there are several hosts
    client.wait_at_barrier("jaxrl/first update", 1000 * MEETING_S)
    apart, everywhere = NamedSharding(mesh, PartitionSpec(mesh.axis_names)), NamedSharding(mesh, PartitionSpec())
    return apart, jax.jit(lambda x: x, out_shardings=everywhere)


def from_first(tree: PyTree) -> PyTree:
    """Host 0's `tree` on every host, as NumPy arrays and keys; the others give one of the same structure."""
    if jax.process_count() == 1:
        return tree
    from jax.experimental import multihost_utils

    flat = flatten(tree)
    arrays = {leaf.path: leaf.array for leaf in flat if leaf.array is not None and leaf.array.size}
    # As bytes: JAX would make float32 of float64.
    sent = multihost_utils.broadcast_one_to_all([np.frombuffer(x.tobytes(), np.uint8) for x in arrays.values()])
    for (path, here), there in zip(arrays.items(), sent, strict=True):
        arrays[path] = np.frombuffer(np.asarray(there).tobytes(), here.dtype).reshape(here.shape)
    return unflatten(tree, [leaf._replace(array=arrays.get(leaf.path, leaf.array)) for leaf in flat])


def watchdog(config: ExperimentConfig) -> Watchdog:
    """Ends the process where no update is made: of several hosts with `TRY_AGAIN` after `hosts.timeout_s`, else with 1
    after `PATIENCE` times `runtime.timeout_s`.

    A host that died is noticed by the others' next collective operation; one that hangs while it lives may not be. And
    where there is one host, nothing else ends a main thread that waits for a device.
    """
    if jax.process_count() > 1:
        seconds = config.hosts.timeout_s
        return Watchdog(seconds, lost_sentence(f"no step for {seconds:g} s"), TRY_AGAIN)
    seconds = PATIENCE * config.runtime.timeout_s
    sentence = (
        f"no update for {seconds:g} s ({PATIENCE} times runtime.timeout_s): an environment, a device or a disk hangs; "
        f"what was saved is kept: start again with --resume (raise runtime.timeout_s if it is only slow)"
    )
    return Watchdog(seconds, sentence, status=1)


def end_if_lost(error: Exception) -> None:
    """End the process where `error` says that another host is gone: an orderly end would wait for it."""
    if jax.process_count() > 1 and is_loss(error):
        reason = (str(error).splitlines() or [""])[0][:200]
        print(f"jaxrl: error: {lost_sentence(reason)}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(TRY_AGAIN)


def is_loss(error: Exception) -> bool:
    """Whether an error is that of a collective operation: XLA's own, or from JAX 0.12 a ValueError with its status."""
    return isinstance(error, jax.errors.JaxRuntimeError) or re.match(r"[A-Z_]+: ", str(error)) is not None


def lost_sentence(reason: str) -> str:
    """What the user is told."""
    return f"another host was lost ({reason}); start the job again with --resume: it goes on from the newest checkpoint"
