"""configs/atari/casa_paper.yaml builds as it stands, and learns when everything but its structure is made small."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrl.agents.replay_buffer import unroll_like
from jaxrl.config.parsing import read_config
from jaxrl.run.experiment import build, make_actors

CONFIG = Path(__file__).parents[2] / "configs" / "atari" / "casa_paper.yaml"
SMALL = {
    "env.frame_size": 16,
    "network.hidden_sizes": "[8]",
    "network.core_size": 8,
    "runtime.num_actors": 1,
    "runtime.pools_per_actor": 1,
    "runtime.envs_per_pool": 5,
    "runtime.threads_per_pool": 1,
    "runtime.unroll_length": 5,
    "agent.burn_in": 2,
}


def test_it_builds_and_an_update_fits():
    """Shapes only: nothing of that size is computed."""
    experiment = build(read_config(CONFIG))
    plan, config = experiment.plan, experiment.config
    assert plan.num_envs == 160 and plan.samples_per_update == 160 * 120
    assert plan.num_envs * (1 + config.agent.replay.per_fresh) / config.agent.num_minibatches == 64
    assert plan.num_updates > config.agent.optimiser.warmup_updates
    state = jax.eval_shape(experiment.agent.init, jax.random.key(0))
    assert state.params["core"]["recurrent_kernel"].shape == (256, 1024)
    assert state.replay.observation.frames.shape == (4, 3 + 121, 160, 84, 84)  # every frame once
    unroll = unroll_like(experiment.agent, experiment.spec, 120, 160)
    after, metrics = jax.eval_shape(experiment.agent.update, state, unroll)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    jax.tree.map(lambda a, b: np.testing.assert_equal((a.shape, a.dtype), (b.shape, b.dtype)), after, state)
    assert all(metric.shape == () for metric in metrics.values())


def test_every_setting_says_where_it_is_from():
    """A line with a value has a comment that says printed or ours, or stands under one."""
    said = False
    for line in CONFIG.read_text(encoding="utf-8").splitlines()[3:]:
        setting, _, comment = line.partition("#")
        here = "printed" in comment or "ours" in comment
        if setting.strip() and not setting.rstrip().endswith(":"):
            assert here or said or re.match(r"\s*name: ", line), line
        said = not setting.strip() and (here or said)


@pytest.mark.slow
def test_a_small_one_learns():
    experiment = build(read_config(CONFIG, [word for k, v in SMALL.items() for word in (f"--{k}", str(v))]))
    agent = experiment.agent
    (actor,) = make_actors(experiment)
    state, update = agent.init(jax.random.key(0)), jax.jit(agent.update)
    before = state.params
    for k in range(2):
        trajectory, _ = actor.unroll(agent.publish(state), jax.random.key(k))
        state, metrics = update(state, trajectory)
        assert all(np.isfinite(value) for value in metrics.values())
    actor.close()
    assert np.array_equal(state.replay.observation.frames[1], trajectory.observation.frames)
    moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), before, state.params)
    assert moved["core"]["kernel"] and moved["policy"]["kernel"] and moved["torso"]["section_0"]["kernel"]
