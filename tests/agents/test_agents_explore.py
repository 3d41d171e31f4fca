"""Every behaviour family with every agent, through the real actor and the real update."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import get_args

import jax
import numpy as np
import pytest

from jaxrl.agents import a2c, casa, impala
from jaxrl.agents.exploration import ExplorationConfig, Family
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.catch import Catch
from jaxrl.networks import mlp
from jaxrl.runtime.actor import Actor, make_act
from tests.reference.bandits import policy_of

AGENTS = {"a2c": a2c, "casa": casa, "impala": impala}
TEMPERATURE, NUM_ENVS, LENGTH = 0.3, 8, 25  # Catch's episodes last 9 steps, 10 with the reset row
SOFTMAX = ("plain", "fixed", "bandit")  # families whose behaviour is a softmax at the sample's temperature
each_agent = pytest.mark.parametrize("name", AGENTS)
each_family = pytest.mark.parametrize("family", get_args(Family))


@cache
def learnt(name, family):
    """(state before, trajectory, state after, metrics, preferences [T, B, A]) of one unroll and one update."""
    module = AGENTS[name]
    hypers = replace(module.Hypers(), temperature=TEMPERATURE)
    config = module.Config(hypers=hypers, exploration=ExplorationConfig(family))
    network = mlp.make(mlp.Config((16,)), Catch().spec)
    agent = module.make(config, network, Catch().spec, 10)
    state = agent.init(jax.random.key(0))
    head = state.params["policy"]["kernel"]
    state.params["policy"]["kernel"] = jax.random.normal(jax.random.key(1), head.shape)  # a lively policy
    pools = [BatchedJaxEnv(Catch(), NUM_ENVS // 2, jax.random.key(i)) for i in range(2)]
    actor = Actor(pools, make_act(agent.act), agent.initial_actor_state, LENGTH)
    trajectory, _ = actor.unroll(agent.publish(state), jax.random.key(2))
    after, metrics = jax.jit(agent.update)(state, trajectory)
    flat = trajectory.observation[:-1].reshape(-1, *Catch().spec.observation.shape)
    scale = hypers.advantage_scale if name == "casa" else 1.0
    preferences = scale * network.apply({"params": state.params}, flat).policy
    return state, trajectory, after, metrics, np.asarray(preferences).reshape(LENGTH, NUM_ENVS, -1)


@each_agent
@each_family
def test_the_recorded_behaviour_is_the_family_on_the_agents_preferences(name, family):
    _, trajectory, _, _, preferences = learnt(name, family)
    expected = policy_of(family, preferences, trajectory.extras.coordinates, TEMPERATURE)
    np.testing.assert_allclose(np.exp(trajectory.behaviour_logits), expected, rtol=1e-3, atol=1e-5)


@each_agent
@each_family
def test_a_sample_is_learnt_at_the_temperature_that_acted(name, family):
    """With fresh parameters nothing is off policy but a ladder, which is no softmax and is learnt as one; a mixture is
    learnt as the mixture."""
    _, trajectory, _, metrics, _ = learnt(name, family)
    assert (abs(float(metrics["trace/rho_mean"]) - 1) < 1e-5) == (family in (*SOFTMAX, "mixture"))
    spread = float(metrics["behaviour/inverse_temperature_std"])
    voted = family in ("bandit", "mixture")
    assert (spread > 0.1) == voted and (len(np.unique(trajectory.extras.temperature)) > 1) == voted


@each_agent
@each_family
def test_the_controller_lives_in_the_train_state_and_learns_in_the_update(name, family):
    before, trajectory, after, metrics, _ = learnt(name, family)
    assert len(after.agent_state) == {"bandit": 1, "mixture": 3}.get(family, 0)
    for bandits, old in zip(after.agent_state, before.agent_state, strict=True):
        assert not old.count.any()
        per_bandit = np.asarray(bandits.count).sum((1, 2)) / bandits.count.shape[1]
        assert trajectory.last.any() and (per_bandit == trajectory.last.sum()).all()
    for leaf, old in zip(jax.tree.leaves(after.params), jax.tree.leaves(before.params), strict=True):
        assert np.isfinite(leaf).all() and (np.asarray(leaf) != np.asarray(old)).any()
    assert all(np.isfinite(value) for value in metrics.values())
