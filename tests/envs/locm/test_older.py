"""Commands that were modules once are found under their old names."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("module", "command"), [("play", "play"), ("view", "view"), ("speed", "bench")])
def test_an_older_spelling_is_the_command(module, command):
    words = [sys.executable, "-m", f"jaxrl.envs.locm.{module}", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and f"usage: jaxrl {command} " in done.stdout and "locm" in done.stdout, done.stderr
