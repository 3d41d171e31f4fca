"""A policy in somebody else's loop: the page about it runs, memory begins with an episode, wrong shapes are refused."""

import re
from pathlib import Path

import numpy as np
import pytest

from jaxrl.run.trained_policy import Policy

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)


def test_several_environments_and_shapes():
    policy = Policy("zoo:catch", num_envs=3, greedy=True)
    boards = np.zeros((3, *policy.spec.observation.shape), policy.spec.observation.dtype)
    assert policy(boards, True).shape == (3,) and policy(boards, False).dtype == np.int32
    with pytest.raises(ValueError, match="must have the shape"):
        policy(boards[:2], True)
