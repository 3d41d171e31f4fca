"""One episode of a trained agent from inside: what it saw, preferred, expected and did, row by row."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np

from jaxrl import ops
from jaxrl.agents.base import apply_network
from jaxrl.analysis.inspection import Inspection
from jaxrl.networks.build import make_network
from jaxrl.record.rundir import RunDir
from jaxrl.run.build import EVALUATION_KEY, Experiment, make_evaluation_env, make_evaluation_screen
from jaxrl.run.evaluate import member_states, restore
from jaxrl.runtime.actor import make_act
from jaxrl.types import TimeStep


def inspect(run: RunDir | str, *, max_steps: int = 3000, greedy: bool = False, member: int | None = None) -> Inspection:
    """Play the first evaluation episode of the newest checkpoint and keep everything.

    Args:
        run: a run folder, or `latest`.
        max_steps: rows kept at most.
        greedy: take the most probable action instead of sampling.
        member: of a population, which one; the first unless given.

    Raises:
        UserError: the run has no checkpoint or `member` does not fit it, or there is no picture of its observations.
    """
    experiment, restored = restore(run)
    agent = experiment.single
    state = member_states(experiment, restored.state, member)[0]
    published = (agent.publish_greedy if greedy else agent.publish)(state)
    look, act = jax.jit(partial(_look, experiment)), make_act(agent.act)
    env, screen = make_evaluation_env(experiment, 1), make_evaluation_screen(experiment, 1)
    key, acting, rows = experiment.key(EVALUATION_KEY), agent.initial_actor_state(1), []
    try:
        timestep = env.reset()
        picture = screen.reset(timestep)
        for row in range(max_steps):
            preferences, value = look(published, acting, timestep)
            acting, output = act(published, acting, timestep, key, row, 0)
            seen = {
                "picture": picture,
                "preferences": np.asarray(preferences),
                "policy": np.exp(output.behaviour_logits[0]),
                "action": np.asarray(output.action)[0],
                "value": np.asarray(value),
                "temperature": np.asarray(output.extras.temperature)[0],
            }
            action = np.asarray(output.action)
            timestep = env.step(action)
            rows.append({**seen, "reward": timestep.reward[0]})
            picture = screen.step(action, timestep)
            if timestep.last[0]:
                break
    finally:
        env.close()
        screen.close()
    names = ("picture", "preferences", "policy", "action", "value", "temperature", "reward")
    columns = {name: np.stack([row[name] for row in rows]) for name in names}
    return Inspection(name=experiment.config.env.id, episode_return=float(timestep.episode_return[0]), **columns)


def _look(experiment: Experiment, published: Any, acting: Any, timestep: TimeStep) -> tuple[jax.Array, jax.Array]:
    """Preferences [A] and value [] of the only environment."""
    config = experiment.config
    network = make_network(config.network, experiment.spec)
    first, observation = timestep.first[:, None], timestep.observation
    output = apply_network(network, published.params, observation, first, acting.memory)
    value = ops.expand_value(output.value, config.agent.value_transform)
    return published.scale * output.policy[0], value[0]
