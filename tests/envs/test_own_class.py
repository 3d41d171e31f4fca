"""The class that docs/environments.md works through is an environment, and its commands are settings that exist."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrl.config.parsing import read_config
from jaxrl.envs.batched import BatchedJaxEnv
from tests.envs.contract import check_env

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "environments.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, with the page's file in it."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my_game.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_game", raising=False)
    return tmp_path


def test_the_class_keeps_the_contract_and_pays_what_the_page_says(folder):
    config = read_config(ROOT / "configs" / "catch.yaml", ["--env.name", "my_game:Fetch"])
    check_env(lambda: BatchedJaxEnv(config.env, 4, jax.random.key(0)), 60, ends=False)
    env = BatchedJaxEnv(config.env, 2, jax.random.key(1))
    timestep = env.reset()
    while not timestep.last.all():
        right, carries = timestep.observation["task"].T > 0.5
        timestep = env.step(np.where(right != carries, 1, 0))
        assert timestep.episode_length.max() < 20
    np.testing.assert_allclose(timestep.episode_return, 0.94, rtol=1e-5)
    np.testing.assert_array_equal(timestep.episode_length, 6)


def test_every_command_of_the_page_can_be_read(folder):
    commands = [shlex.split(line, comments=True) for line in re.findall(r"^jaxrl train .*$", PAGE, re.MULTILINE)]
    assert len(commands) >= 3
    for _, _, config, *words in commands:
        words = [word for word in words if word != "--help"]
        assert read_config(ROOT / config, words).env
