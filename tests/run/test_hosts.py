"""Several processes that train together over the network of this machine: equal to one, and never left hanging."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest
from jax.errors import JaxRuntimeError

from jaxrl.config.sections import HostsConfig
from jaxrl.errors import TRY_AGAIN, ConfigError
from jaxrl.run import hosts
from tests.support.host_runs import (
    PATIENCE_S,
    ROOT,
    assert_same_end,
    finish,
    free_port,
    launch,
    length,
    newest,
    train_in_one_process,
)

# Joins as host argv[2] of two, and starts JAX as a training does.
JOIN = """
import jax, os, sys, time
from jaxrl.run import hosts
from jaxrl.config.sections import HostsConfig
host = int(sys.argv[2])
hosts.join(HostsConfig("localhost:" + sys.argv[1], num_processes=2, process_id=host, timeout_s=60))
assert jax.process_count() == 2
print("joined", flush=True)
"""


def wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    """Until the process prints `words`."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"the process ended without printing {words!r}")


# What a learner has on the devices of both.
LEARNER = """
import numpy as np, threading
from jax.sharding import NamedSharding, PartitionSpec
from jaxrl.runtime.learner import make_mesh
mesh = make_mesh(jax.devices())
whole, parts = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("batch"))
state = jax.make_array_from_process_local_data(whole, np.zeros((), np.float32))
batch = jax.make_array_from_process_local_data(parts, np.ones(jax.local_device_count(), np.float32))
"""


def two_processes(code: str, **environment: str) -> list[subprocess.Popen[str]]:
    """Two hosts that join and then run `code`, which may ask for `host`, the number of its own."""
    return [
        subprocess.Popen(
            [sys.executable, "-u", "-c", JOIN + code, port, host],
            cwd=ROOT,
            env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for port in [str(free_port())]
        for host in ("0", "1")
    ]


def assert_many_are_one(tmp_path: Path, num_hosts: int, num_devices: int) -> None:
    """`num_hosts` with an actor each, beside one host with as many actors and devices in all."""
    statuses, outputs = finish(launch(tmp_path / "many", length(num_hosts), num_devices, num_hosts))
    assert statuses == [0] * num_hosts, "\n".join(outputs)
    train_in_one_process(tmp_path / "one", num_hosts, num_devices)
    assert_same_end(tmp_path / "many", tmp_path / "one")


def test_two_hosts_of_two_devices_are_one_of_four(tmp_path):
    assert_many_are_one(tmp_path, num_hosts=2, num_devices=2)


@pytest.mark.slow
def test_four_hosts_are_one_of_four_devices(tmp_path):
    assert_many_are_one(tmp_path, num_hosts=4, num_devices=1)


# Host 0 has the coordination service and the run folder.
@pytest.mark.parametrize("lost", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_host_that_dies_ends_the_others_and_the_job_goes_on(tmp_path, lost):
    settings = ["--env_steps", "1_000_000_000", "--record.checkpoint_every", "1", "--hosts.timeout_s", "30"]
    processes = launch(tmp_path, settings, 1, num_hosts=2)
    wait_for_line(processes[0], "env steps (")
    time.sleep(2)
    processes[lost].kill()
    statuses, outputs = finish(processes)
    assert statuses[lost] == -signal.SIGKILL and statuses[1 - lost] == TRY_AGAIN, (statuses, outputs)
    assert "another host was lost" in outputs[1 - lost] and "--resume" in outputs[1 - lost], outputs
    counters, _ = newest(tmp_path)
    steps = int(counters["env_steps"])

    settings = ["--env_steps", str(steps + 100), "--resume"]
    statuses, outputs = finish(launch(tmp_path, settings, 1, num_hosts=2))
    assert statuses == [0, 0], outputs
    resumed, _ = newest(tmp_path)
    assert resumed["restarts"] == 1 and resumed["env_steps"] >= steps + 100
    assert resumed["updates"] > counters["updates"]


def test_a_host_that_hangs_when_host_0_dies_is_ended():
    """As on GPUs, where a collective operation does not fail, and JAX aborts the process."""
    first, second = two_processes("time.sleep(600)")
    for process in (first, second):
        wait_for_line(process, "joined")
    first.kill()
    (_, status), (_, output) = finish([first, second])
    assert status == TRY_AGAIN and "jaxrl: error: another host was lost" in output and "--resume" in output, output


@pytest.mark.parametrize("late", [1, 0])
def test_a_host_that_is_late_at_the_end_is_waited_for(late):
    code = f"time.sleep(3 if host == {late} else 0); hosts.leave(); print('left', flush=True)"
    statuses, outputs = finish(two_processes(code))
    assert statuses == [0, 0], outputs
    assert all("left" in output for output in outputs)


def test_sums_do_not_stand_in_line_behind_what_came_later():
    """Of which a learner step is one: the sums are there while the devices are at work on it."""
    code = """
begun, summed, before = threading.Event(), threading.Event(), []

def wait(x):
    begun.set()
    before.append(summed.wait(60))
    return x

slow = jax.jit(lambda x: jax.pure_callback(wait, x, x))
late = threading.Thread(target=lambda: slow(np.float32(1)).block_until_ready())
hosts.totals([0], state)()  # compiled
sums = hosts.totals([host + 0.5, 2**53 - 1.0 - host], state)
late.start()
assert begun.wait(60) and sums().tolist() == [2.0, 2**54 - 3.0]
summed.set()
late.join()
assert before == [True], "the sums waited for the step"
print("summed", flush=True); hosts.leave()
"""
    statuses, outputs = finish(two_processes(LEARNER + code))
    assert statuses == [0, 0] and all("summed" in output for output in outputs), outputs


def test_sums_are_not_begun_beside_a_step():
    """A host with a thread a device would have none for both, and wait for another host that waits for it."""
    code = """
def hold(x):
    over.wait(60)
    return x

over, summed = threading.Event(), threading.Event()
split = dict(mesh=mesh, in_specs=PartitionSpec("batch"), out_specs=PartitionSpec("batch"))
step = jax.jit(jax.shard_map(lambda x: jax.pure_callback(hold, x, x), **split))
hosts.totals([0], state)()  # compiled
batch = step(batch)
sums = hosts.totals([1], state)
waiting = threading.Thread(target=lambda: (sums(), summed.set()))
waiting.start()
assert not summed.wait(2), "sums and a step at once"
over.set()
waiting.join()
print("summed", flush=True); hosts.leave()
"""
    # XLA's threads are enough here, so that they would show it at once.
    several = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "NPROC": "4"}
    statuses, outputs = finish(two_processes(LEARNER + code, **several))
    assert statuses == [0, 0] and all("summed" in output for output in outputs), outputs


def test_a_signal_to_one_host_ends_all_at_the_same_update(tmp_path):
    first, second = launch(tmp_path, ["--env_steps", "1_000_000_000"], 1, num_hosts=2)
    wait_for_line(first, "env steps (")
    second.send_signal(signal.SIGTERM)
    statuses, outputs = finish([first, second])
    assert statuses == [143, 143], outputs
    assert newest(tmp_path)[0]["updates"] >= 1


def test_under_slurm_a_process_has_all_devices_of_its_node():
    """JAX's own choice would be the GPU with the number of the task on its node, and no other."""
    code = (
        "import jax; from jaxrl.run import hosts; from jaxrl.config.sections import HostsConfig\n"
        "hosts.join(HostsConfig('auto'))\n"
        "print(jax.config.read('jax_cuda_visible_devices'), jax.process_count()); hosts.leave()"
    )
    step = {"JOB_ID": "1", "STEP_NODELIST": "localhost", "NTASKS": "1", "PROCID": "0", "LOCALID": "0"}
    slurm = {f"SLURM_{name}": value for name, value in step.items()}
    environment = {**os.environ, **slurm, "JAX_PLATFORMS": "cpu", "JAX_COORDINATOR_PORT": str(free_port())}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.stdout == "all 1\n", done


def test_settings_that_cannot_work():
    with pytest.raises(ConfigError, match=r"needs hosts\.coordinator"):
        hosts.join(HostsConfig(num_processes=2))
    with pytest.raises(ConfigError, match=r"process_id must be 0 to hosts\.num_processes - 1, got 2 of 2"):
        hosts.join(HostsConfig("localhost:1", num_processes=2, process_id=2))


def test_alone_nothing_is_sent():
    hosts.join(HostsConfig())
    assert hosts.totals([1, 2.5], jax.numpy.zeros(()))().tolist() == [1, 2.5]
    tree = {"a": object()}
    assert hosts.from_first(tree) is tree
    hosts.leave()


def test_what_tells_of_a_lost_host():
    assert hosts.is_loss(JaxRuntimeError("INTERNAL: anything"))
    assert hosts.is_loss(ValueError("UNKNOWN: Gloo AllGather failed: Connection closed by peer"))
    assert not hosts.is_loss(ValueError("operands could not be broadcast together"))
