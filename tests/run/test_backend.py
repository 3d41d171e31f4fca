"""A machine on which JAX cannot start as asked: one sentence, whatever JAX does by itself."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from jaxrl.cli import commands
from jaxrl.errors import ConfigError
from jaxrl.run import backend


def run(words, **environment):
    command = [sys.executable, "-m", "jaxrl", *words]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), **environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("platform", ["nonsense", "cuda", "cpu,tpu"])
def test_a_platform_that_is_not_here_is_one_sentence(platform, tmp_path):
    status, lines = run(["train", "configs/catch.yaml", f"--record.runs_dir={tmp_path}"], JAX_PLATFORMS=platform)
    assert status == 2 and len(lines) == 1 and not list(tmp_path.iterdir()), lines
    assert lines[0].startswith(f"jaxrl: error: JAX cannot start with JAX_PLATFORMS={platform}: ")
    assert "set JAX_PLATFORMS=cpu" in lines[0]
    with pytest.raises(ConfigError, match=f"JAX cannot start with JAX_PLATFORMS={platform}: "):
        backend.check_platform({**os.environ, "JAX_PLATFORMS": platform})


def test_a_flag_that_xla_does_not_know_is_one_sentence():
    """XLA would abort the process; the doctor says so too."""
    status, lines = run(["doctor"], XLA_FLAGS="--xla_nonsense=1")
    assert (status, len(lines)) == (2, 1), lines
    assert lines[0] == (
        "jaxrl: error: XLA does not take XLA_FLAGS='--xla_nonsense=1': Unknown flag in XLA_FLAGS: --xla_nonsense=1; "
        "correct it or unset it"
    )
    with pytest.raises(ConfigError, match="XLA does not take XLA_FLAGS='--xla_force_host_platform_device_count=x': "):
        backend.check_flags({**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=x"})


# As the plugin of an accelerator: a platform that JAX finds by itself and starts with an XLA of its own.
PLUGIN = """
import os, sys
from jax._src import xla_bridge

def start():
    print("F0101 00:00:00 1 flags.cc:1] Unknown flag in XLA_FLAGS:", os.environ["XLA_FLAGS"], file=sys.stderr)
    sys.stderr.flush()
    os.abort()

def initialize():
    xla_bridge.register_backend_factory("fake", start, priority=400)
"""


def test_a_flag_that_only_a_plugin_does_not_know_is_one_sentence(tmp_path):
    folder = tmp_path / "jax_plugins" / "fake"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(PLUGIN)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "XLA_FLAGS": "--xla_gpu_autotune_level=0"}
    backend.check_flags({**environment, "JAX_PLATFORMS": "cpu"})
    with pytest.raises(
        ConfigError, match=r"^XLA does not take .*: Unknown flag in XLA_FLAGS: --xla_gpu_autotune_level"
    ):
        backend.check_flags({**environment, "JAX_PLATFORMS": ""})


def test_what_everybody_sets_is_not_tried(monkeypatch):
    def refuse(environment):
        raise AssertionError("tried")

    monkeypatch.setattr(backend, "_trial", refuse)
    backend.check_flags({})
    backend.check_flags({"XLA_FLAGS": "--xla_force_host_platform_device_count=4 --xla_cpu_multi_thread_eigen=false"})
    for platform in ("", "cpu"):
        backend.check_platform({"JAX_PLATFORMS": platform})
    with pytest.raises(AssertionError, match="tried"):
        backend.check_flags({"XLA_FLAGS": "--xla_dump_to=/tmp"})


def test_what_finds_no_memory_is_said_whole(monkeypatch, capsys):
    def greedy(words):
        try:
            jax.block_until_ready(jnp.zeros(10**15))
        except Exception as error:
            raise RuntimeError("an actor has ended") from error

    monkeypatch.setitem(commands.COMMANDS, "doctor", commands.COMMANDS["doctor"]._replace(run=greedy))
    assert commands.main(["doctor"]) == 1
    *where, said = capsys.readouterr().err.splitlines()
    assert where[0] == "Traceback (most recent call last):"
    assert said.startswith(
        "jaxrl: error: there is no memory for this (Out of memory allocating 4000000000000000 bytes);"
    )
    assert backend.memory_fault(MemoryError()) and not backend.memory_fault(ValueError("x"))
