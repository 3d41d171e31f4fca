"""A2C is what V-trace becomes when the acting policy has not changed since."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrl.agents import a2c, impala
from jaxrl.config.parsing import read_config
from jaxrl.run.experiment import build, make_actors

CONFIG = Path(__file__).parents[2] / "configs" / "catch_a2c.yaml"


@pytest.fixture
def experiment():
    return build(read_config(CONFIG))


@pytest.fixture
def trajectory(experiment):
    """A whole unroll on Catch, reset rows included, with the parameters of key 0."""
    (actor,) = make_actors(experiment)
    trajectory, _ = actor.unroll(experiment.agent.publish(experiment.agent.init(jax.random.key(0))), jax.random.key(1))
    actor.close()
    assert not trajectory.mask.all()
    return trajectory


def test_on_policy_it_is_impala(experiment, trajectory):
    params = experiment.agent.init(jax.random.key(0)).params
    gradients = []
    for agent in (a2c, impala):
        hypers = replace(agent.Hypers(), value_cost=0.5, entropy_cost=0.01, discount_factor=0.99)
        gradient = jax.jit(
            jax.grad(partial(agent.loss, config=agent.Config(), network=experiment.network), has_aux=True)
        )
        gradients.append(gradient(params, hypers, trajectory)[0])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), *gradients)


def test_rows_of_the_next_episode_change_nothing_before_it(experiment, trajectory):
    """Poison where the action was thrown away must not reach the loss."""
    params = experiment.agent.init(jax.random.key(0)).params
    loss = jax.jit(partial(a2c.loss, config=a2c.Config(), network=experiment.network))
    poisoned = trajectory._replace(reward=np.where(trajectory.mask, trajectory.reward, np.float32(9999.9)))
    assert loss(params, a2c.Hypers(), trajectory)[0] == loss(params, a2c.Hypers(), poisoned)[0]
