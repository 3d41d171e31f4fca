"""One episode of a trained agent from inside: what it saw, preferred, expected and did, row by row."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl import ops
from jaxrl.agents.base import apply_network
from jaxrl.experiment import EVALUATION_KEY, Experiment, make_evaluation_env, make_evaluation_screen
from jaxrl.io.rundir import RunDir
from jaxrl.networks.build import make_network
from jaxrl.scoring import member_states, restore
from jaxrl.sebulba.actor import make_act
from jaxrl.types import TimeStep


class Inspection(NamedTuple):
    """T rows of one episode. `picture[t]` is what a person saw when `action[t]` was chosen; `reward[t]` followed."""

    name: str
    picture: np.ndarray  # uint8 [T, H, W, 3]
    preferences: np.ndarray  # float32 [T, A]: A of CASA, logits of IMPALA; only differences mean something
    policy: np.ndarray  # float32 [T, A], probabilities that the action was drawn with
    action: np.ndarray  # int32 [T]
    value: np.ndarray  # float32 [T], in the learner's reward scale
    temperature: np.ndarray  # float32 [T], at which such a sample would be learnt
    reward: np.ndarray  # float32 [T], raw
    episode_return: float  # so far: the episode may have been longer than `max_steps`


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


def entropy_at(preferences: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """Entropy [K, T] in nats of `softmax(preferences / temperature)` for preferences [T, A] and K temperatures."""
    logits = preferences[None] / np.asarray(temperatures)[:, None, None]
    logits = logits - logits.max(-1, keepdims=True)
    policy = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return -np.sum(policy * np.log(np.maximum(policy, 1e-30)), -1)


def moments(inspection: Inspection, count: int = 4) -> list[int]:
    """Rows worth a look, in order: where the value changes most, well apart from each other."""
    change = np.abs(np.diff(inspection.value, append=inspection.value[-1:]))
    apart, chosen = max(1, len(change) // (4 * count)), []
    for row in np.argsort(-change, kind="stable"):
        if all(abs(row - other) >= apart for other in chosen):
            chosen.append(int(row))
        if len(chosen) == count:
            break
    return sorted(chosen)
