"""More env steps for a run: what the schedule does is said, and a rate that had reached 0 rises only when asked to."""

import dataclasses

import pytest

from jaxrl.cli.commands import main
from jaxrl.run.train import run_training
from tests.support.small_runs import interrupt_after, make_config, rows

pytestmark = pytest.mark.usefixtures("one_agent_no_thread")


def linear_config(runs_dir):
    config = make_config(runs_dir)
    optimiser = dataclasses.replace(config.agent.optimiser, schedule="linear")
    return dataclasses.replace(config, agent=dataclasses.replace(config.agent, optimiser=optimiser), env_steps=300)


def test_a_rate_that_reached_0_rises_only_when_asked_to(tmp_path, capsys):
    status, run = run_training(linear_config(tmp_path))
    words = ["train", str(run.config), "--resume", str(run), "--env_steps=600"]
    before = run.metrics.read_bytes()
    assert status == 0 and main(words) == 2
    error = capsys.readouterr().err
    assert (
        f"the learning rate of {run} has reached 0 at update" in error and "600 env steps would raise it to 0." in error
    )
    assert run.metrics.read_bytes() == before and not run.resumptions.exists()
    assert main([*words, "--agent.optimiser.schedule=linear"]) == 0
    assert "the learning rate goes from 0 to 0." in capsys.readouterr().out
    assert rows(run.metrics)[-1]["env_steps"] >= 600
    assert rows(run.resumptions)[0]["changes"] == {"env_steps": [300, 600]}


def test_a_rate_above_0_follows_the_new_length_and_it_is_said(tmp_path, monkeypatch, capsys):
    config = linear_config(tmp_path)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)
        _, run = run_training(config)
    assert run_training(dataclasses.replace(config, env_steps=600), run)[0] == 0
    assert "agent.optimiser.schedule linear now ends with 600 env steps, and ended with 300" in capsys.readouterr().out
