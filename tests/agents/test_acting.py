"""What an agent does with an observation while training and while it is scored."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl import ops
from jaxrl.agents import a2c, casa, impala
from jaxrl.agents.acting import Acting
from jaxrl.agents.exploration import Drawn
from jaxrl.types import TimeStep
from tests.support.linear import ACTIONS, FEATURES, SPEC, LinearNetwork

WIDTH = 20_000
STATE = Acting(Drawn(np.zeros(WIDTH, np.float32)))  # worth nothing: every environment starts an episode here
AGENTS = {
    "a2c": (a2c, a2c.Config(a2c.Hypers(temperature=1.3)), 1 / 1.3),
    "casa": (casa, casa.Config(casa.Hypers(temperature=0.7, advantage_scale=0.4)), 0.4 / 0.7),
    "impala": (impala, impala.Config(impala.Hypers(temperature=1.3)), 1 / 1.3),
}


def timestep(legal: np.ndarray | None = None) -> TimeStep:
    """The same observation everywhere, so that the batch is a sample."""
    observation = np.random.default_rng(0).normal(size=FEATURES).astype(np.float32)
    zero = np.zeros(WIDTH, np.float32)
    legal = None if legal is None else np.tile(legal, (WIDTH, 1))
    return TimeStep(np.tile(observation, (WIDTH, 1)), zero, zero + 1, zero == 0, zero > 0, legal, zero, zero)


def build(name: str):
    module, config, sharpness = AGENTS[name]
    agent = module.make(config, LinearNetwork(), SPEC, 10)
    state = agent.init(jax.random.key(0))
    preferences = timestep().observation[0] @ state.params["policy"] + state.params["bias"]
    return agent, state, np.asarray(preferences, np.float64), sharpness


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("legal", [None, np.array([True, False, True, True])])
def test_actions_come_from_the_recorded_policy(name, legal):
    agent, state, preferences, sharpness = build(name)
    acting, output = jax.jit(agent.act)(agent.publish(state), STATE, timestep(legal), jax.random.key(3))
    weight = np.exp(preferences * sharpness) * (1 if legal is None else legal)
    policy = weight / weight.sum()
    np.testing.assert_array_equal(acting.drawn.temperature, output.extras.temperature)
    assert output.action.dtype == jnp.int32 and output.behaviour_logits.dtype == jnp.float32
    np.testing.assert_allclose(np.exp(output.behaviour_logits[0]), policy, atol=1e-5)
    np.testing.assert_allclose(np.exp(output.behaviour_logits).sum(-1), 1, atol=1e-5)
    frequency = (np.asarray(output.action)[:, None] == np.arange(ACTIONS)).mean(0)
    assert (np.abs(frequency - policy) <= 5 * np.sqrt(policy * (1 - policy) / WIDTH)).all()
    assert policy.max() < 0.95  # so that the frequencies mean something
    if legal is not None:
        assert legal[np.asarray(output.action)].all()
    np.testing.assert_array_equal(output.extras.temperature, np.full(WIDTH, AGENTS[name][1].hypers.temperature, "f4"))


@pytest.mark.parametrize("name", AGENTS)
def test_the_greedy_policy_takes_the_best_legal_action(name):
    agent, state, preferences, _ = build(name)
    act = jax.jit(agent.act)
    _, output = act(agent.publish_greedy(state), STATE, timestep(), jax.random.key(0))
    best = int(preferences.argmax())
    assert set(np.asarray(output.action).tolist()) == {best}
    legal = np.arange(ACTIONS) != best
    _, output = act(agent.publish_greedy(state), STATE, timestep(legal), jax.random.key(0))
    assert set(np.asarray(output.action).tolist()) == {int(np.where(legal, preferences, -np.inf).argmax())}
    _, output = act(agent.publish(state), STATE, timestep(), jax.random.key(0))
    assert len(set(np.asarray(output.action).tolist())) == ACTIONS


@pytest.mark.parametrize("name", AGENTS)
def test_a_look_shows_what_acts_and_the_value_in_units_of_reward(name):
    module, config, sharpness = AGENTS[name]
    agent = module.make(replace(config, value_transform="rescale"), LinearNetwork(), SPEC, 10)
    state = agent.init(jax.random.key(0))
    shown, value = agent.look(agent.publish(state), STATE, timestep())
    _, output = agent.act(agent.publish(state), STATE, timestep(), jax.random.key(0))
    logits = jax.nn.log_softmax(shown / output.extras.temperature[:, None])
    np.testing.assert_allclose(logits, output.behaviour_logits, atol=1e-5)
    np.testing.assert_allclose(shown[0], build(name)[2] * sharpness * config.hypers.temperature, rtol=1e-4)
    head = timestep().observation @ state.params["value"][:, 0]
    np.testing.assert_allclose(value, ops.expand_value(head, "rescale"), rtol=1e-4)


def test_keys_decide_the_actions():
    agent, state, _, _ = build("casa")
    act = jax.jit(agent.act)
    first, again, other = (act(agent.publish(state), STATE, timestep(), jax.random.key(i))[1].action for i in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (np.asarray(first) != np.asarray(other)).any()
