"""The memory task: the recurrent agent solves it, the feed-forward one cannot (proof in `jaxrl/envs/recall.py`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxrl.config.parsing import read_config
from jaxrl.run.evaluate import evaluate
from jaxrl.run.train import run_training

CONFIG = Path(__file__).parents[2] / "configs" / "recall.yaml"
EPISODES = 400  # of return 1 or -1: by chance the mean's standard deviation is 0.05


def score(runs_dir, *settings):
    config = read_config(CONFIG, ["--record.runs_dir", str(runs_dir), "--record.wandb", "off", *settings])
    status, run = run_training(config)
    assert status == 0
    return evaluate(run, episodes=EPISODES)["mean_return"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_with_memory_it_is_solved(tmp_path):
    assert score(tmp_path) > 0.95


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_without_memory_it_stays_at_chance(tmp_path):
    assert abs(score(tmp_path, "--network.core", "none")) < 0.25
