"""A main thread that hangs where nothing can interrupt it ends with its process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120
PROGRAM = """
import time
from jaxrl.runtime import watchdog as module
module.COMPILING_S = {compiling}
with module.Watchdog({timeout}, "nothing came for a while", 75) as watchdog:
    time.sleep({before})
    for _ in range(4):
        watchdog.step()
        time.sleep(0.2)
    print("alive", flush=True)
    time.sleep({after})
print("ended", flush=True)
"""


def program(timeout, before, after, compiling=600.0):
    return [sys.executable, "-c", PROGRAM.format(timeout=timeout, before=before, after=after, compiling=compiling)]


@pytest.mark.parametrize(
    ("after", "status", "told"), [(600, 75, "jaxrl: error: nothing came for a while\n"), (0.1, 0, "")]
)
def test_silence_after_a_step_ends_the_process(after, status, told):
    words = program(3.0, 3.5, after)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stderr) == (status, told)
    assert done.stdout == ("alive\n" if status else "alive\nended\n")


def test_a_first_step_that_never_comes_ends_the_process_too():
    words = program(1.0, 600, 0, compiling=3.0)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stderr, done.stdout) == (
        75,
        "jaxrl: error: nothing came for a while (before a first step it waits 3 s)\n",
        "",
    )


def test_a_suspended_process_has_not_waited():
    process = subprocess.Popen(program(5.0, 0.0, 1.0), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "alive\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(6.0)
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(PATIENCE_S) == 0
