"""A trained agent as a function from observations to actions, for programs of your own."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxrl.record.rundir import RunDir
from jaxrl.run.experiment import EVALUATION_KEY
from jaxrl.run.trained import member_states, restore
from jaxrl.runtime.actor import make_act
from jaxrl.types import TimeStep


class Policy:
    """Chooses actions in `num_envs` environments that somebody else steps.

    Args:
        agent: a run folder, `latest`, a file that `jaxrl export` wrote, or `zoo:NAME`.
        greedy: the most probable action instead of sampling; None for what the config says.
        member: of a population; the first unless given.

    Raises:
        UserError: there is no such agent, or it cannot be read.
    """

    def __init__(
        self,
        agent: RunDir | str,
        num_envs: int = 1,
        *,
        greedy: bool | None = None,
        member: int | None = None,
        seed: int = 0,
    ) -> None:
        trained = restore(agent, ["--seed", str(seed)])
        experiment = trained.experiment
        greedy = experiment.config.evaluation.greedy if greedy is None else greedy
        state = member_states(experiment, trained.state, member)[0]
        one = experiment.member
        self.spec = experiment.spec
        self.num_envs = num_envs
        self._act = make_act(one.act)
        self._params = jax.device_put((one.publish_greedy if greedy else one.publish)(state))
        self._state = one.initial_actor_state(num_envs)
        self._key, self._row = experiment.key(EVALUATION_KEY), 0

    def __call__(self, observation: Any, first: np.ndarray | bool, legal: np.ndarray | None = None) -> np.ndarray:
        """Actions int32 [B].

        Args:
            observation: like `spec.observation`, leaves with a leading axis B.
            first: bool [B], or one for all: the first observation of an episode, where a memory begins anew.
            legal: bool [B, A], where the environment masks actions.

        Raises:
            ValueError: the shape is another.
        """
        shapes = jax.tree.map(lambda x: (self.num_envs, *x.shape), self.spec.observation)
        seen = jax.tree.map(lambda x: tuple(np.shape(x)), observation)
        if seen != shapes:
            raise ValueError(f"observations must have the shape {shapes}, not {seen}")
        observation = jax.tree.map(lambda x, spec: np.asarray(x, spec.dtype), observation, self.spec.observation)
        zeros = np.zeros(self.num_envs, np.float32)
        begins = np.broadcast_to(np.asarray(first, bool), (self.num_envs,))
        never = np.zeros(self.num_envs, bool)
        timestep = TimeStep(observation, zeros, zeros + 1, begins, never, legal, zeros, zeros.astype(np.int32))
        self._state, output = self._act(self._params, self._state, timestep, self._key, self._row, 0)
        self._row += 1
        return np.asarray(output.action)
