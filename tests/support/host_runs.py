"""Trainings over several processes of this machine, and the same one in a single process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

from jaxrl.record import store

ROOT = Path(__file__).parents[2]
UPDATES, ROWS, ENVS = 20, 5, 4  # envs of each actor
SETTINGS = [
    *("--network.hidden_sizes", "[8]", "--agent.num_minibatches", "2", "--runtime.policy_lag", "1"),
    *("--runtime.envs_per_pool", str(ENVS // 2), "--runtime.unroll_length", str(ROWS)),
    *("--record.report_every", "1", "--record.wandb", "off", "--evaluation.episodes", "0"),
]
PATIENCE_S = 240  # the machine may be busy; what is tested ends by itself much earlier


def command(runs_dir: Path, settings: list[str], num_devices: int) -> list[str]:
    """What every host is started with."""
    words = [sys.executable, "-u", "-m", "jaxrl", "train", "configs/catch.yaml", *SETTINGS, *settings]
    return [*words, "--record.runs_dir", str(runs_dir), "--runtime.learner_devices", str(list(range(num_devices)))]


def environment(num_devices: int) -> dict[str, str]:
    """This process's, with so many virtual devices."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={num_devices}"
    return {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def launch(runs_dir: Path, settings: list[str], num_devices: int, num_hosts: int = 1) -> list[subprocess.Popen[str]]:
    """The same command on every host, which are processes here."""
    words = command(runs_dir, settings, num_devices)
    if num_hosts > 1:
        words += ["--hosts.coordinator", f"localhost:{free_port()}", "--hosts.num_processes", str(num_hosts)]
    return [
        subprocess.Popen(
            [*words, "--hosts.process_id", str(host)] if num_hosts > 1 else words,
            cwd=ROOT,
            env=environment(num_devices),
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


def length(num_hosts: int) -> list[str]:
    """The settings of a training of `UPDATES` updates at least, on `num_hosts` with an actor each."""
    return ["--env_steps", str(UPDATES * ROWS * ENVS * num_hosts * 9 // 10)]  # one row in ten is a reset


def train_in_one_process(runs_dir: Path, num_hosts: int, num_devices: int) -> None:
    """A single host with as many actors and devices as `num_hosts` have in all."""
    settings = [*length(num_hosts), "--runtime.num_actors", str(num_hosts)]
    (status,), outputs = finish(launch(runs_dir, settings, num_hosts * num_devices))
    assert status == 0, outputs


def newest(runs_dir: Path) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Counters and arrays of the newest checkpoint of the only run."""
    (run,) = runs_dir.iterdir()
    *_, folder = sorted((run / "checkpoints").iterdir())
    counters, leaves = store.read(folder)
    return counters, {leaf.path: leaf.array for leaf in leaves if leaf.array is not None}


def assert_same_end(many_dir: Path, one_dir: Path) -> None:
    """The only runs of both folders did as many steps, and have the same parameters up to rounding."""
    many, one = newest(many_dir), newest(one_dir)
    assert many[0]["env_steps"] == one[0]["env_steps"] and many[0]["updates"] == one[0]["updates"] >= UPDATES
    params = [path for path in one[1] if path.startswith("state/params")]
    assert len(params) >= 6
    for path in params:
        np.testing.assert_allclose(many[1][path], one[1][path], atol=1e-5, err_msg=path)
