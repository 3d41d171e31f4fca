"""Several processes that train together over the network of this machine: equal to one, and never left hanging."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxrl import hosts
from jaxrl.config import ConfigError, HostsConfig
from jaxrl.io import checkpoint_folder

ROOT = Path(__file__).parents[1]
UPDATES, ROWS, ENVS = 20, 5, 4  # envs of each actor
SETTINGS = [
    *("--network.hidden_sizes", "[8]", "--agent.num_minibatches", "2", "--runtime.policy_lag", "1"),
    *("--runtime.envs_per_pool", str(ENVS // 2), "--runtime.unroll_length", str(ROWS)),
    *("--record.report_every", "1", "--record.wandb", "off", "--evaluation.episodes", "0"),
]
PATIENCE_S = 240  # the machine may be busy; what is tested ends by itself much earlier


def launch(runs_dir: Path, settings: list[str], num_devices: int, num_hosts: int = 1) -> list[subprocess.Popen[str]]:
    """The same command on every host, which are processes here."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    flags = f"--xla_force_host_platform_device_count={num_devices}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    command = [sys.executable, "-u", "-m", "jaxrl", "train", "configs/catch.yaml", *SETTINGS, *settings]
    command += ["--record.runs_dir", str(runs_dir)]
    command += ["--runtime.learner_devices", str(list(range(num_devices)))]
    if num_hosts > 1:
        command += ["--hosts.coordinator", f"localhost:{port}", "--hosts.num_processes", str(num_hosts)]
    return [
        subprocess.Popen(
            [*command, "--hosts.process_id", str(host)] if num_hosts > 1 else command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for host in range(num_hosts)
    ]


def finish(processes: list[subprocess.Popen[str]]) -> tuple[list[int], list[str]]:
    """Exit statuses and outputs; whatever still runs at the end is killed."""
    try:
        outputs = [process.communicate(timeout=PATIENCE_S)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], outputs


def wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    """Until the process prints `words`."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"the process ended without printing {words!r}")


def newest(runs_dir: Path) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Counters and arrays of the newest checkpoint of the only run."""
    (run,) = runs_dir.iterdir()
    *_, folder = sorted((run / "checkpoints").iterdir())
    counters, leaves = checkpoint_folder.read(folder)
    return counters, {leaf.path: leaf.array for leaf in leaves if leaf.array is not None}


def assert_many_are_one(tmp_path: Path, num_hosts: int, num_devices: int) -> None:
    """`num_hosts` with an actor each, beside one host with as many actors and devices in all."""
    steps = ["--env_steps", str(UPDATES * ROWS * ENVS * num_hosts * 9 // 10)]  # one row in ten is a reset
    statuses, outputs = finish(launch(tmp_path / "many", steps, num_devices, num_hosts))
    assert statuses == [0] * num_hosts, outputs
    (status,), outputs = finish(
        launch(tmp_path / "one", [*steps, "--runtime.num_actors", str(num_hosts)], num_hosts * num_devices)
    )
    assert status == 0, outputs
    many, one = newest(tmp_path / "many"), newest(tmp_path / "one")
    assert many[0]["env_steps"] == one[0]["env_steps"] and many[0]["updates"] == one[0]["updates"] >= UPDATES
    params = [path for path in one[1] if path.startswith("state/params")]
    assert len(params) >= 6
    for path in params:
        np.testing.assert_allclose(many[1][path], one[1][path], atol=1e-5, err_msg=path)


def test_two_hosts_of_two_devices_are_one_of_four(tmp_path):
    assert_many_are_one(tmp_path, num_hosts=2, num_devices=2)


@pytest.mark.slow
def test_four_hosts_are_one_of_four_devices(tmp_path):
    assert_many_are_one(tmp_path, num_hosts=4, num_devices=1)


def test_a_host_that_dies_ends_the_others_and_the_job_goes_on(tmp_path):
    settings = ["--env_steps", "1_000_000_000", "--record.checkpoint_every", "1", "--hosts.timeout_s", "30"]
    first, second = launch(tmp_path, settings, 1, num_hosts=2)
    wait_for_line(first, "env steps (")
    time.sleep(2)
    start = time.monotonic()
    second.kill()
    (status, _), (output, _) = finish([first, second])
    assert status == hosts.LOST and "another host was lost" in output and "--resume" in output, (status, output)
    assert time.monotonic() - start < 60
    counters, _ = newest(tmp_path)
    steps = int(counters["env_steps"])

    settings = ["--env_steps", str(steps + 100), "--resume"]
    statuses, outputs = finish(launch(tmp_path, settings, 1, num_hosts=2))
    assert statuses == [0, 0], outputs
    resumed, _ = newest(tmp_path)
    assert resumed["restarts"] == 1 and resumed["env_steps"] >= steps + 100
    assert resumed["updates"] > counters["updates"]


def test_a_signal_to_one_host_ends_all_at_the_same_update(tmp_path):
    first, second = launch(tmp_path, ["--env_steps", "1_000_000_000"], 1, num_hosts=2)
    wait_for_line(first, "env steps (")
    second.send_signal(signal.SIGTERM)
    statuses, outputs = finish([first, second])
    assert statuses == [143, 143], outputs
    assert newest(tmp_path)[0]["updates"] >= 1


def test_settings_that_cannot_work():
    with pytest.raises(ConfigError, match=r"needs hosts\.coordinator"):
        hosts.join(HostsConfig(num_processes=2))
    with pytest.raises(ConfigError, match=r"process_id must be 0 to hosts\.num_processes - 1, got 2 of 2"):
        hosts.join(HostsConfig("localhost:1", num_processes=2, process_id=2))


def test_alone_nothing_is_sent():
    hosts.join(HostsConfig())
    assert hosts.totals([1, 2.5]).tolist() == [1, 2.5]
    tree = {"a": object()}
    assert hosts.from_first(tree) is tree


def test_a_hanging_host_ends_the_process():
    code = (
        "import time; from jaxrl.hosts import Watch\n"
        "watch = Watch(0.5); watch.start()\n"
        "time.sleep(1.5)\n"  # before the first step anything may take its time
        "for _ in range(4): watch.progress(); time.sleep(0.2)\n"
        "print('alive', flush=True); time.sleep(60)"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == hosts.LOST and done.stdout == "alive\n"
    assert "another host was lost (no step for 0.5 s)" in done.stderr and time.monotonic() - start < 50
