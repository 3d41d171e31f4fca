"""The jitted programs of a training and what they are given, without making or computing anything.

Lowered for a platform they are what will run there: a machine without an accelerator can say what an accelerator would
be given (tests/bench/test_programs.py), and how much has to be sent to it (`jaxrl.bench.traffic`).
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import export

from jaxrl.agents.replay_buffer import blank_timestep, unroll_like
from jaxrl.envs import batched
from jaxrl.run.experiment import Experiment
from jaxrl.runtime.actor import Recent, make_act
from jaxrl.runtime.anakin import Lane, drive
from jaxrl.runtime.learner import make_learner_step, make_mesh
from jaxrl.types import PyTree


class Program(NamedTuple):
    """A jitted function and the shapes of its arguments."""

    function: Any  # jitted
    arguments: tuple[PyTree, ...]  # leaves are `ArraySpec`s or Python scalars
    donated: tuple[int, ...] = ()  # positions of the arguments whose memory the results take over

    def lower(self, platform: str) -> str:
        """The program for `cuda`, `tpu`, `rocm` or `cpu`, as StableHLO; the platform need not be here."""
        text = export.export(self.function, platforms=[platform])(*self.arguments).mlir_module()
        return re.sub(r"^#loc.*\n| loc\(.*?\)(?=[,)\s]|$)", "", text, flags=re.MULTILINE)  # where in the source it was


def _send_once(timestep: PyTree, acting: PyTree) -> tuple[Recent, PyTree]:
    return Recent(acting, timestep.observation[:, :-1]), timestep._replace(observation=timestep.observation[:, -1])


def programs(experiment: Experiment) -> dict[str, Program]:
    """`act` and `update`, and `unroll`, Anakin's, where the environment is one of JAX."""
    agent, plan, runtime = experiment.agent, experiment.plan, experiment.config.runtime
    state = jax.eval_shape(agent.init, jax.random.key(0))
    params = jax.eval_shape(agent.publish, state)
    acting = jax.eval_shape(partial(agent.initial_actor_state, runtime.envs_per_pool))
    timestep = jax.eval_shape(partial(blank_timestep, experiment.spec, runtime.envs_per_pool))
    key = jax.eval_shape(partial(jax.random.key, 0))
    trajectory = unroll_like(agent, experiment.spec, runtime.unroll_length, plan.num_envs)
    once = experiment.spec.frame_stack > 1  # as to an accelerator
    if once:
        acting, timestep = jax.eval_shape(_send_once, timestep, acting)
    there = {
        "act": Program(make_act(agent.act, once), (params, acting, timestep, key, 0, 0)),
        "update": Program(make_learner_step(agent, make_mesh(jax.devices()[:1])), (state, trajectory), donated=(0,)),
    }
    if not hasattr(experiment.env, "make_pool"):
        env: Any = experiment.env
        envs, timestep = jax.eval_shape(partial(batched.begin, env, runtime.envs_per_pool), key)
        play = jax.jit(partial(drive, agent.act, partial(batched.step, env), runtime.unroll_length))
        there["unroll"] = Program(play, (params, Lane(acting, envs, timestep), key, jnp.int32(0)))
    return there
