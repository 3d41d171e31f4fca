"""Batches joined in actor order, and the learner on two devices and on another device than the actors."""

import subprocess
import sys
from pathlib import Path

import jax
import numpy as np

from jaxrl.runtime.learner import copy_to, make_mesh, make_publish, place_batch, place_state
from jaxrl.types import Trajectory
from tests.support.parts import experiment_of, small_config

ROOT = Path(__file__).parents[2]


def trajectory(actor, num_envs):
    def rows(length):
        return np.full((length, num_envs), actor, np.float32)

    return Trajectory(
        observation={"board": rows(4)[..., None], "hand": rows(4)},
        first=rows(4) > 5,
        legal=None,
        action=rows(3),
        behaviour_logits=rows(3)[..., None],
        reward=rows(3),
        discount=rows(3),
        last=rows(3) > 5,
        episode_return=rows(3),
        episode_length=rows(3),
        actor_state=(np.full((num_envs, 2), actor, np.float32),),
        extras=(),
    )


def test_a_batch_holds_the_actors_side_by_side():
    batch = place_batch([trajectory(1, 2), trajectory(0, 3)], make_mesh(jax.devices()[:1]))
    assert np.asarray(batch.reward).tolist() == [[1, 1, 0, 0, 0]] * 3
    assert np.asarray(batch.observation["hand"]).tolist() == [[1, 1, 0, 0, 0]] * 4
    assert batch.observation["board"].shape == (4, 5, 1)
    assert np.asarray(batch.actor_state[0]).tolist() == [[1, 1], [1, 1], [0, 0], [0, 0], [0, 0]]


def test_copies_share_no_memory():
    """`donate_argnums` deletes what it is given; a published copy must live on."""
    device = jax.devices()[0]
    original = jax.device_put(np.arange(4.0), device)
    copy = copy_to(original, device)
    original.delete()
    assert np.asarray(copy).tolist() == [0, 1, 2, 3]

    experiment = experiment_of(small_config())
    fresh = experiment.agent.init(jax.random.key(0))
    state = place_state(fresh, make_mesh([device]))
    (published,) = make_publish(experiment.agent, [device, device])(state).values()
    for leaf in jax.tree.leaves(state.params):
        leaf.delete()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((published, fresh.params)))


TWO_DEVICES = """
import os
os.environ["XLA_FLAGS"] += " --xla_force_host_platform_device_count=2"
import jax
import numpy as np
from tests.support.parts import assert_same_bits, make_sebulba, small_config, state_after, to_host

zero, one = jax.devices()
config = small_config(policy_lag=1)
alone = state_after(config, 6)
assert_same_bits(state_after(config, 6, actor_devices=[zero, zero], learner_devices=[one]), alone)
assert_same_bits(state_after(config, 6, actor_devices=[zero, one], learner_devices=[one]), alone)

with make_sebulba(config, actor_devices=[one, zero], learner_devices=[zero, one]) as runtime:
    for update in runtime.updates():
        spread = {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(runtime.state)}
        assert spread == {2}, spread
        for params in runtime.standing().history:
            assert all(len(leaf.sharding.device_set) == 1 for leaf in jax.tree.leaves(params))
        if runtime.updates_done == 6:
            break
    both = to_host(runtime.state)
for (path, x), y in zip(jax.tree.leaves_with_path(alone.params), jax.tree.leaves(both.params), strict=True):
    np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-5, err_msg=jax.tree_util.keystr(path))
assert alone.updates == both.updates == 6 and (alone.key == both.key).all()
"""


def test_two_devices_equal_one():
    done = subprocess.run([sys.executable, "-c", TWO_DEVICES], cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
