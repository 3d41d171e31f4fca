"""Importing any module starts neither a JAX backend nor a thread."""

import json
import subprocess
import sys

SCRIPT = """
import importlib, json, pkgutil, sys, threading
import jaxrl
names = [module.name for module in pkgutil.walk_packages(jaxrl.__path__, "jaxrl.") if module.name != "jaxrl.__main__"]
before = threading.enumerate()
guilty = []
from jax._src import xla_bridge
for name in names:
    importlib.import_module(name)
    if xla_bridge.backends_are_initialized() or threading.enumerate() != before:
        guilty.append(name)
print(json.dumps([names, guilty]))
"""


def test_importing_does_nothing():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    names, guilty = json.loads(done.stdout)
    assert len(names) > 40 and "jaxrl.run.train" in names and "jaxrl.runtime.sebulba" in names
    assert guilty == []


def test_the_command_line_does_not_import_jax():
    modules = "jaxrl.cli.commands, jaxrl.config.sections, jaxrl.errors, jaxrl.record.metrics"
    code = f"import sys, {modules}; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr
