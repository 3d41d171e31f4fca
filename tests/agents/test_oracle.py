"""A network that reads the answer from the observation.

What must vanish at the solution does, through the real actor, queue and loss. A row shifted by one, a boundary crossed
or a discount forgotten, and it does not.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.agents import casa, impala
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.networks.heads import NetworkOutput
from jaxrl.runtime.actor import Actor, make_act
from jaxrl.runtime.exchange import StopSignal, TrajectoryQueue
from jaxrl.runtime.learner import make_mesh, place_batch
from jaxrl.types import Agent, Trajectory, Unroll
from tests.support.oracle_env import OracleEnv, read_advantages, read_value

TEMPERATURE, SCALE, ROWS = 0.5, 0.25, 24


class ReadingNetwork:
    """Copies the observation to its heads; `gain` makes the actors' policy another one than the learner's."""

    def init(self, rngs: Any, observation: jax.Array) -> dict[str, Any]:
        return {"params": {"gain": jnp.ones(())}}

    def initial_memory(self, num_envs: int) -> tuple[()]:
        return ()

    def apply(self, variables: dict[str, Any], observation: jax.Array) -> NetworkOutput:
        return NetworkOutput(
            variables["params"]["gain"] * read_advantages(observation) / SCALE, read_value(observation)
        )


class StubbornNetwork(ReadingNetwork):
    """Prefers the same actions everywhere: with equal advantages no policy is wrong."""

    def apply(self, variables: dict[str, Any], observation: jax.Array) -> NetworkOutput:
        preferences = jnp.arange(observation.shape[-1] - 1.0)
        rows = jnp.broadcast_to(variables["params"]["gain"] * preferences, (observation.shape[0], len(preferences)))
        return NetworkOutput(rows, read_value(observation))


def collect(agent: Agent, env: OracleEnv, gain: float) -> Trajectory:
    """Two actors with two pools each, their second unrolls joined: nothing starts at an episode's start."""
    state = agent.init(jax.random.key(0))
    behaviour = agent.publish(state)._replace(params={"gain": jnp.float32(gain)})
    act, queue = make_act(agent.act), TrajectoryQueue(2, 2, StopSignal(), timeout_s=60.0)
    for actor_id in range(2):
        pools = [BatchedJaxEnv(env, 4, jax.random.key(10 * actor_id + pool)) for pool in range(2)]
        actor = Actor(pools, act, agent.initial_actor_state, ROWS)
        for index in range(2):
            trajectory, timings = actor.unroll(behaviour, jax.random.key(100 * actor_id + index))
            queue.put(Unroll(trajectory, actor_id, index, 0, actor.snapshot(), timings))
        actor.close()
    queue.get_batch()
    trajectory = place_batch([unroll.trajectory for unroll in queue.get_batch()], make_mesh(jax.devices()[:1]))
    assert trajectory.mask.shape == (ROWS, 16)
    assert (~trajectory.mask).sum() > 40 and (trajectory.discount == 0).sum() > 20
    assert (trajectory.last & (trajectory.discount == 1)).sum() > 20
    return trajectory


@pytest.mark.parametrize("gain", [1.0, 0.3, -0.5])
def test_casa(gain):
    """v = V and q = Q in every row, so that the policy gradient's advantage is rho times the true one.

    The head holds the advantages themselves, as it does not once it has settled between both losses: hence `head`.
    """
    env = OracleEnv(temperature=TEMPERATURE)
    hypers = casa.Hypers(discount_factor=0.5, temperature=TEMPERATURE, advantage_scale=SCALE, rho_clip=1.2)
    config, network = casa.Config(hypers, reward_transform="identity", trace_q="head"), ReadingNetwork()
    agent = casa.make(config, network, env.spec, 1)
    trajectory = collect(agent, env, gain)
    loss = jax.jit(partial(casa.loss, config=config, network=network))
    _, metrics = loss(agent.init(jax.random.key(0)).params, hypers, trajectory)
    assert float(metrics["loss/value"]) < 1e-10 and float(metrics["loss/q"]) < 1e-10

    trajectory = jax.device_get(trajectory)
    advantages = np.asarray(read_advantages(trajectory.observation)[:-1], np.float64)
    log_policy = advantages / TEMPERATURE - np.log(np.exp(advantages / TEMPERATURE).sum(-1, keepdims=True))
    taken = trajectory.action[..., None]
    log_pi, log_mu = (np.take_along_axis(x, taken, -1)[..., 0] for x in (log_policy, trajectory.behaviour_logits))
    ratio = np.exp(log_pi - log_mu)
    improvement = np.minimum(ratio, 1.2) * np.take_along_axis(advantages, taken, -1)[..., 0]
    expected = -(improvement * log_pi)[trajectory.mask].mean()
    assert float(metrics["loss/policy"]) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert abs(expected) > 0.01
    assert (np.abs(ratio - 1).max() < 1e-4) == (gain == 1.0)


@pytest.mark.parametrize("gain", [1.0, -0.5])
def test_impala(gain):
    """Actions alike: v = V and no advantage anywhere. Every number is a small multiple of 1/8, so 0 is exact."""
    env = OracleEnv(advantage_scale=0.0)
    hypers = impala.Hypers(discount_factor=0.5)
    config, network = impala.Config(hypers, reward_transform="identity"), StubbornNetwork()
    agent = impala.make(config, network, env.spec, 1)
    trajectory = collect(agent, env, gain)
    loss = jax.jit(partial(impala.loss, config=config, network=network))
    _, metrics = loss(agent.init(jax.random.key(0)).params, hypers, trajectory)
    assert float(metrics["loss/value"]) == 0 and float(metrics["loss/policy"]) == 0
    assert float(metrics["policy/entropy"]) > 0.5
    assert (abs(float(metrics["trace/rho_mean"]) - 1) < 1e-4) == (gain == 1.0)


@pytest.mark.parametrize("change", ["reward", "discount_factor", "first"])
def test_the_oracle_notices(change):
    """A reward out of place, another discount factor, a forgotten boundary: each shows in both of CASA's errors."""
    env = OracleEnv(temperature=TEMPERATURE)
    hypers = casa.Hypers(discount_factor=0.5, temperature=TEMPERATURE, advantage_scale=SCALE)
    config, network = casa.Config(hypers, reward_transform="identity", trace_q="head"), ReadingNetwork()
    agent = casa.make(config, network, env.spec, 1)
    trajectory = jax.device_get(collect(agent, env, 0.3))
    if change == "reward":
        trajectory = trajectory._replace(reward=np.roll(trajectory.reward, 1, axis=0))
    elif change == "first":
        trajectory = trajectory._replace(first=np.zeros_like(trajectory.first))
    else:
        hypers = casa.Hypers(discount_factor=0.6, temperature=TEMPERATURE, advantage_scale=SCALE)
    loss = jax.jit(partial(casa.loss, config=config, network=network))
    _, metrics = loss(agent.init(jax.random.key(0)).params, hypers, trajectory)
    assert float(metrics["loss/value"]) > 1e-3 and float(metrics["loss/q"]) > 1e-3
