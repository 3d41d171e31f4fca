"""A look inside a policy: what is shown is what acted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from jaxrl.agents import a2c
from jaxrl.analysis.figures.policy import course_figure, entropy_figure, moments_figure
from jaxrl.analysis.inspection import Inspection, entropy_at, moments
from jaxrl.networks import mlp
from jaxrl.run.inspect import inspect
from jaxrl.run.train import run_training
from tests.support import own_agent
from tests.support.small_runs import make_config


@pytest.fixture(scope="module", params=["casa", "casa with a core", "a2c", "own"])
def inspection(request, tmp_path_factory):
    config = make_config(tmp_path_factory.mktemp("runs"))
    core = "lstm" if request.param == "casa with a core" else "none"
    agent = {"a2c": a2c.Config(), "own": own_agent.Config()}.get(request.param, config.agent)
    network = mlp.Config((16,), core=core, core_size=8)
    status, run = run_training(dataclasses.replace(config, agent=agent, network=network, env_steps=200))
    assert status == 0
    return inspect(run)


def test_an_episode_of_catch_from_inside(inspection):
    assert inspection.picture.shape[0] == inspection.action.shape[0] == 9, "the length of an episode"
    assert inspection.reward.sum() == inspection.episode_return and abs(inspection.episode_return) == 1
    shown = [picture[..., 0].astype(int).sum() for picture in inspection.picture]
    assert shown[0] == 2 * 255, "a ball and a paddle"
    assert len(np.unique(inspection.picture.reshape(9, -1), axis=0)) == 9, "the ball falls"


def test_what_is_shown_is_what_acted(inspection):
    """The policy follows from the preferences at the temperature, with the memory of that moment."""
    logits = inspection.preferences / inspection.temperature[:, None]
    policy = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(inspection.policy, policy, rtol=1e-4, atol=1e-6)
    entropy = -np.sum(inspection.policy * np.log(inspection.policy), -1)
    np.testing.assert_allclose(entropy_at(inspection.preferences, inspection.temperature[:1])[0], entropy, rtol=1e-4)
    assert len(np.unique(inspection.value)) > 1


def test_figures(inspection):
    names = ["left", "stay", "right"]
    figures = course_figure(inspection), moments_figure(inspection, [0, 8], names), entropy_figure(inspection)
    for figure in figures:
        figure.canvas.draw()
    assert len(figures[1].axes) == 6
    labels = [label.get_text() for label in figures[1].axes[2].get_xticklabels()]
    assert labels == names
    board = figures[1].axes[0]
    assert board.axison and all(spine.get_visible() for spine in board.spines.values()), "a frame round the board"
    assert figures[1].get_suptitle().startswith(inspection.name)


def test_an_episode_without_rewards_can_be_drawn(recwarn):
    blank = np.full((5, 2), 0.5)
    inspection = Inspection(
        "x", np.zeros((5, 4, 4, 3)), blank, blank, blank[:, 0] * 0, *[blank[:, 0]] * 2, np.zeros(5), 0.0
    )
    course_figure(inspection).canvas.draw()
    assert len(recwarn) == 0


def test_moments_are_where_the_value_jumps_and_apart():
    value = np.zeros(160)
    value[20:] += 1
    value[22:] -= 0.9  # too near to the first to be another moment
    value[100:] += 2
    blank = np.zeros((160, 2))
    inspection = Inspection("x", blank, blank, blank, blank[:, 0], value, blank[:, 0], blank[:, 0], 0.0)
    assert moments(inspection, count=2) == [19, 99]


def test_entropy_at_the_ends():
    preferences = np.array([[1.0, 0.0, -1.0], [0.2, 0.2, 0.1]])
    cold, hot = entropy_at(preferences, np.array([1e-4, 1e5]))
    np.testing.assert_allclose(hot, np.log(3), rtol=1e-6)
    np.testing.assert_allclose(cold, [0, np.log(2)], atol=1e-6)
