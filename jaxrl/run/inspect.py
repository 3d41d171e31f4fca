"""One episode of a trained agent from inside: what it saw, preferred, expected and did, row by row."""

from __future__ import annotations

from contextlib import closing

import jax
import numpy as np

from jaxrl.analysis.inspection import Inspection
from jaxrl.config.registry import env_title
from jaxrl.errors import ConfigError
from jaxrl.record.rundir import RunDir
from jaxrl.run.experiment import EVALUATION_KEY, make_evaluation_env, make_evaluation_screen
from jaxrl.run.trained import member_states, restore
from jaxrl.runtime.actor import make_act


def inspect(run: RunDir | str, *, max_steps: int = 3000, greedy: bool = False, member: int | None = None) -> Inspection:
    """Play the first evaluation episode of the newest checkpoint and keep everything.

    Args:
        run: a run folder, `latest`, an exported file, or `zoo:NAME`.
        max_steps: rows kept at most.
        greedy: take the most probable action instead of sampling.
        member: of a population, which one; the first unless given.

    Raises:
        UserError: the run has no checkpoint or `member` does not fit it, its actions are continuous, or there is no
            picture of its observations.
    """
    _, experiment, trained, *_ = restore(run)
    if experiment.spec.bounds is not None:
        raise ConfigError("an episode is shown from inside where actions are discrete; this run's are continuous")
    agent = experiment.member
    state = member_states(experiment, trained, member)[0]
    published = (agent.publish_greedy if greedy else agent.publish)(state)
    look, act = jax.jit(agent.look), make_act(agent.act)
    key, acting, rows = experiment.key(EVALUATION_KEY), agent.initial_actor_state(1), []
    with closing(make_evaluation_env(experiment, 1)) as env, closing(make_evaluation_screen(experiment, 1)) as screen:
        timestep = env.reset()
        picture = screen.draw(timestep)
        for row in range(max_steps):
            preferences, value = look(published, acting, timestep)
            acting, output = act(published, acting, timestep, key, row, 0)
            action = np.asarray(output.action)
            seen = {
                "picture": picture,
                "preferences": np.asarray(preferences)[0],
                "policy": np.exp(output.behaviour_logits[0]),
                "action": action[0],
                "value": np.asarray(value)[0],
                "temperature": np.asarray(getattr(output.extras, "temperature", np.ones(1, np.float32)))[0],
            }
            timestep = env.step(action)
            rows.append({**seen, "reward": timestep.reward[0]})
            picture = screen.draw(timestep, action)
            if timestep.last[0]:
                break
    columns = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    name = env_title(experiment.config.env)
    return Inspection(name=name, episode_return=float(timestep.episode_return[0]), **columns)
