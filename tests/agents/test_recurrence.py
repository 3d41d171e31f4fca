"""A recurrent agent through the real actor: what the learner unrolls is what the actor did."""

from __future__ import annotations

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl import ops
from jaxrl.agents import casa, impala
from jaxrl.agents.unrolling import unroll_network, warm_up
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.recall import Recall
from jaxrl.networks import mlp
from jaxrl.runtime.actor import Actor, make_act

ENV, LENGTH, NUM_ENVS = Recall(delay=2), 11, 4  # episodes of 4 steps, 5 with the reset row
NETWORK = mlp.make(mlp.Config((8,), core="lstm", core_size=6), ENV.spec)
CONFIG = casa.Config(casa.Hypers(temperature=0.3, advantage_scale=0.3))


@cache
def played():
    """(params, agent, two consecutive trajectories of two pools, the actor's state after them)."""
    agent = casa.make(CONFIG, NETWORK, ENV.spec, 10)
    state = agent.init(jax.random.key(0))
    head = state.params["policy"]["kernel"]
    state.params["policy"]["kernel"] = jax.random.normal(jax.random.key(1), head.shape)  # a lively policy
    pools = [BatchedJaxEnv(ENV, NUM_ENVS // 2, jax.random.key(i)) for i in range(2)]
    actor = Actor(pools, make_act(agent.act), agent.initial_actor_state, LENGTH)
    trajectories = [actor.unroll(agent.publish(state), jax.random.key(2 + i))[0] for i in range(2)]
    return state.params, agent, trajectories, actor.snapshot().actor_state


unroll = jax.jit(partial(unroll_network, NETWORK))


def policy_of(params, trajectory):
    head, _ = unroll(params, trajectory)
    return ops.softmax_policy(CONFIG.hypers.advantage_scale * head, trajectory.extras.temperature)


def test_the_learner_unrolls_what_the_actor_did():
    """Over two unrolls, the second of which starts in the middle of an episode; resets in both."""
    params, _, trajectories, _ = played()
    assert not trajectories[1].first[0].any() and all(t.first[1:].any() for t in trajectories)
    for trajectory in trajectories:
        np.testing.assert_allclose(policy_of(params, trajectory), trajectory.behaviour_logits, rtol=1e-5, atol=1e-5)
    forgetful = trajectories[1]._replace(
        actor_state=trajectories[1].actor_state._replace(memory=NETWORK.initial_memory(NUM_ENVS))
    )
    difference = np.abs(policy_of(params, forgetful) - forgetful.behaviour_logits).max((0, 2))
    assert difference.min() > 1e-3, "the stored state matters in every environment"


def test_the_memory_is_recorded_before_row_0():
    params, agent, (one, two), after = played()
    for before, memory in ((one, agent.initial_actor_state(NUM_ENVS).memory), (two, None)):
        recorded = before.actor_state.memory
        assert [leaf.shape for leaf in recorded] == [(NUM_ENVS, 6)] * 2
        if memory is not None:
            jax.tree.map(np.testing.assert_array_equal, recorded, memory)
    flat = one.observation[:-1].swapaxes(0, 1).reshape(NUM_ENVS * LENGTH, 2)
    reached = NETWORK.apply({"params": params}, flat, one.first[:-1].T, one.actor_state.memory).memory
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), two.actor_state.memory, reached)
    assert len(after) == 2 and after[0].memory.hidden.shape == (NUM_ENVS // 2, 6)


@pytest.mark.parametrize("poison", [np.nan, 1e6])
def test_what_came_before_an_episode_has_no_influence(poison):
    """Row 5 of the first unroll starts the second episode of every environment."""
    params, _, (trajectory, _), _ = played()
    start = 5
    assert trajectory.first[start].all()
    observation = trajectory.observation.copy()
    observation[:start] = poison
    memory = jax.tree.map(lambda x: np.full_like(x, poison), trajectory.actor_state.memory)
    dirty = trajectory._replace(observation=observation, actor_state=trajectory.actor_state._replace(memory=memory))
    for a, b in zip(unroll(params, trajectory), unroll(params, dirty), strict=True):
        np.testing.assert_array_equal(a[start:], b[start:])
        assert not np.array_equal(a[:start], b[:start])


@pytest.mark.parametrize("module", [casa, impala])
def test_burn_in_has_no_loss_and_no_gradient(module):
    """The gradient is that of the remaining rows from a constant memory, and nothing leaks from the rows before."""
    params, _, (_, trajectory), _ = played()
    burn_in, config = 4, module.Config()
    loss = partial(module.loss, config=config, network=NETWORK)

    def after_burn_in(params, memory):
        acting = trajectory.actor_state._replace(memory=memory)
        warmed = warm_up(NETWORK, params, trajectory._replace(actor_state=acting), burn_in)
        return loss(params, config.hypers, warmed)[0]

    total, (gradient, through) = jax.jit(jax.value_and_grad(after_burn_in, argnums=(0, 1)))(
        params, trajectory.actor_state.memory
    )
    flat = trajectory.observation[:burn_in].swapaxes(0, 1).reshape(NUM_ENVS * burn_in, 2)
    first = trajectory.first[:burn_in].T
    memory = NETWORK.apply({"params": params}, flat, first, trajectory.actor_state.memory).memory
    rest = jax.tree.map(lambda x: x[burn_in:], trajectory._replace(actor_state=()))
    rest = rest._replace(actor_state=trajectory.actor_state._replace(memory=memory))
    expected, by_hand = jax.jit(jax.value_and_grad(lambda p: loss(p, config.hypers, rest)[0]))(params)
    assert rest.action.shape == (LENGTH - burn_in, NUM_ENVS) and rest.first.shape[0] == LENGTH - burn_in + 1
    assert float(total) == pytest.approx(float(expected), rel=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), gradient, by_hand)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(through))
    assert any(np.any(leaf) for leaf in jax.tree.leaves(by_hand["core"]))
    whole = loss(params, config.hypers, trajectory)[0]
    assert abs(float(whole) - float(total)) > 1e-6, "rows were left out"


def test_no_burn_in_is_nothing():
    params, _, (trajectory, _), _ = played()
    assert warm_up(NETWORK, params, trajectory, 0) is trajectory


@pytest.mark.parametrize("module", [casa, impala])
def test_updates_reach_the_core(module):
    _, _, trajectories, _ = played()
    config = module.Config(num_minibatches=2, burn_in=3, value_transform="rescale")
    agent = module.make(config, NETWORK, ENV.spec, 10)
    before = agent.init(jax.random.key(0))
    after, metrics = jax.jit(agent.update)(before, trajectories[1])
    moved = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), after.params["core"], before.params["core"])
    assert all(moved.values()) and all(np.isfinite(value) for value in metrics.values())


def test_questions_look_alike():
    """The premise of the proof in `jaxrl/envs/recall.py`, and that the cue was shown: half the episodes have each."""
    env = BatchedJaxEnv(Recall(), 200, jax.random.key(0))
    timesteps = [env.reset()]
    for _ in range(11):
        timesteps.append(env.step(np.ones(200, np.int32)))
    cue = timesteps[0].observation[:, 0]
    assert set(cue) == {-1.0, 1.0} and 70 < (cue == 1).sum() < 130
    assert all(not timestep.observation.any() for timestep in timesteps[1:-1])
    assert (timesteps[-1].observation == [0.0, 1.0]).all() and not timesteps[-1].last.any()
    answered = env.step((np.arange(200) % 2).astype(np.int32))
    assert answered.last.all() and (answered.discount == 0).all()
    np.testing.assert_array_equal(answered.reward, np.where((cue > 0) == (np.arange(200) % 2 == 1), 1, -1))
