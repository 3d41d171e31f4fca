"""Every agent learns five tiny problems through real actors, queue and learner.

The first that fails tells what is wrong: see `tests/support/probe_envs.py`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from jaxrl.agents import a2c, casa, impala, ppo
from jaxrl.agents.optimiser import OptimiserConfig
from jaxrl.config.sections import RuntimeConfig
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.networks import mlp
from jaxrl.runtime.actor import Actor, make_act
from jaxrl.runtime.sebulba import Sebulba
from jaxrl.types import Agent
from tests.support.probe_envs import PROBES

UPDATES, DISCOUNT_FACTOR = 200, 0.8
RUNTIME = RuntimeConfig(pools_per_actor=2, envs_per_pool=8, unroll_length=8, policy_lag=1, timeout_s=240.0)
SPEC = PROBES[0].spec
NETWORK = mlp.make(mlp.Config((16,)), SPEC)
OPTIMISER = OptimiserConfig(schedule="linear")
CONFIGS: dict[str, Any] = {
    "a2c": a2c.Config(a2c.Hypers(learning_rate=0.02, discount_factor=DISCOUNT_FACTOR, entropy_cost=0.001), OPTIMISER),
    "casa": casa.Config(casa.Hypers(learning_rate=0.02, discount_factor=DISCOUNT_FACTOR), OPTIMISER),
    "impala": impala.Config(
        impala.Hypers(learning_rate=0.02, discount_factor=DISCOUNT_FACTOR, entropy_cost=0.001), OPTIMISER
    ),
    "ppo": ppo.Config(
        ppo.Hypers(learning_rate=0.01, discount_factor=DISCOUNT_FACTOR, entropy_cost=0.001), reward_transform="identity"
    ),
}


class Parts(NamedTuple):
    agent: Agent
    act: Any
    apply: Any


@cache
def build(name: str) -> Parts:
    """Once per agent, so that its five probes share what was compiled."""
    agent = {"a2c": a2c, "casa": casa, "impala": impala, "ppo": ppo}[name].make(CONFIGS[name], NETWORK, SPEC, UPDATES)
    return Parts(agent, make_act(agent.act), jax.jit(NETWORK.apply))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: type(probe).__name__)
def test_probe(name, probe):
    agent, act, apply = build(name)
    pools = [BatchedJaxEnv(probe, RUNTIME.envs_per_pool, jax.random.key(i)) for i in range(RUNTIME.pools_per_actor)]
    actor = Actor(pools, act, agent.initial_actor_state, RUNTIME.unroll_length)
    device, state = jax.devices()[:1], agent.init(jax.random.key(0))
    settings = replace(RUNTIME, policy_lag=0) if name in ("a2c", "ppo") else RUNTIME  # on-policy
    runtime = Sebulba(agent, [actor], state, jax.random.key(1), settings, actor_devices=device, learner_devices=device)
    with runtime:
        for _ in runtime.updates():
            if runtime.updates_done == UPDATES:
                break
    for observation, value, action in probe.answers(DISCOUNT_FACTOR):
        output = apply({"params": runtime.state.params}, np.array([observation], np.float32))
        assert float(output.value[0]) == pytest.approx(value, abs=0.1)
        if action is not None:
            assert int(output.policy[0].argmax()) == action
