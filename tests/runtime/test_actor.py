"""Time is aligned as `jaxrl.types` says, through pools, boundaries and both kinds of environments."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.build import make_env
from jaxrl.envs.catch import Catch
from jaxrl.runtime.actor import Actor, make_act, stack
from jaxrl.types import ActorOutput, TimeStep
from tests.support.parts import CARTPOLE, CATCH, assert_same_bits


def uniform(num_actions):
    """An `act` whose state counts the steps, so that states can be told apart."""

    def act(params, state, timestep, key):
        logits = jnp.full((*timestep.first.shape, num_actions), -jnp.log(num_actions))
        return state + 1, ActorOutput(jax.random.categorical(key, logits).astype(jnp.int32), logits, {"count": state})

    return act


def make_actor(pools, num_actions, length, act=None):
    act = make_act(uniform(num_actions)) if act is None else act
    return Actor(pools, act, lambda num_envs: jnp.zeros(num_envs, jnp.int32), length)


def pool(stream, config=CATCH, num_envs=3):
    return make_env(config, num_envs, seed=1, stream=stream)


def hand_made_timestep(observation, reward, discount, first, last, episode_return, length):
    one = lambda x, dtype: np.asarray([x], dtype)  # noqa: E731
    return TimeStep(
        observation=one(observation, np.float32),
        reward=one(reward, np.float32),
        discount=one(discount, np.float32),
        first=one(first, bool),
        last=one(last, bool),
        legal=None,
        episode_return=one(episode_return, np.float32),
        episode_length=one(length, np.int32),
    )


def test_stack_aligns_a_hand_made_example():
    """An episode of two steps that terminates, the reset row, and one step of the next episode."""
    timesteps = [
        hand_made_timestep(10, 0, 1, True, False, 0, 0),
        hand_made_timestep(11, 5, 1, False, False, 5, 1),  # after action 0
        hand_made_timestep(12, 7, 0, False, True, 12, 2),  # after action 1: terminated
        hand_made_timestep(20, 0, 1, True, False, 0, 0),  # action 2 was thrown away
        hand_made_timestep(21, 9, 1, False, False, 9, 1),  # after action 3
    ]
    outputs = [
        ActorOutput(np.asarray([t], np.int32), np.full((1, 2), -t, np.float32), {"row": np.asarray([100 + t])})
        for t in range(4)
    ]
    trajectory = stack([timesteps], [outputs], [{"memory": np.asarray([3.0])}])

    def row(leaf):
        return np.asarray(leaf)[:, 0].tolist()

    assert row(trajectory.observation) == [10, 11, 12, 20, 21]
    assert row(trajectory.first) == [True, False, False, True, False]
    assert row(trajectory.action) == [0, 1, 2, 3]
    assert row(trajectory.behaviour_logits[..., 0]) == [0, -1, -2, -3]
    assert row(trajectory.reward) == [5, 7, 0, 9]
    assert row(trajectory.discount) == [1, 0, 1, 1]
    assert row(trajectory.last) == [False, True, False, False]
    assert row(trajectory.mask) == [True, True, False, True]
    assert row(trajectory.episode_return) == [5, 12, 0, 9]
    assert row(trajectory.episode_length) == [1, 2, 0, 1]
    assert row(trajectory.extras["row"]) == [100, 101, 102, 103]
    assert trajectory.actor_state == {"memory": np.asarray([3.0])}
    assert trajectory.legal is None


def test_stack_puts_pools_side_by_side():
    """Pools of different widths, in order; the legal mask is seen, not followed."""
    spec = TimeStep(*[np.zeros(0)] * 8)

    def timestep(pool, width, row):
        fill = lambda dtype: np.full(width, 10 * pool + row, dtype)  # noqa: E731
        return spec._replace(
            observation=np.full((width, 2), 10 * pool + row, np.uint8),
            reward=fill(np.float32),
            discount=fill(np.float32),
            first=fill(bool),
            last=fill(bool),
            legal=np.full((width, 4), row % 2, bool),
            episode_return=fill(np.float32),
            episode_length=fill(np.int32),
        )

    widths = [2, 3]
    timesteps = [[timestep(p, w, row) for row in range(3)] for p, w in enumerate(widths)]
    outputs = [
        [ActorOutput(np.full(w, 10 * p + row, np.int32), np.zeros((w, 4), np.float32), ()) for row in range(2)]
        for p, w in enumerate(widths)
    ]
    trajectory = stack(timesteps, outputs, [np.full(w, p) for p, w in enumerate(widths)])
    assert trajectory.action.tolist() == [[0, 0, 10, 10, 10], [1, 1, 11, 11, 11]]
    assert trajectory.reward.tolist() == [[1, 1, 11, 11, 11], [2, 2, 12, 12, 12]]
    assert trajectory.observation.dtype == np.uint8
    assert trajectory.observation[..., 0].tolist() == [[0, 0, 10, 10, 10], [1, 1, 11, 11, 11], [2, 2, 12, 12, 12]]
    assert trajectory.legal is not None and trajectory.legal.shape == (3, 5, 4)
    assert trajectory.legal[:, 0, 0].tolist() == [False, True, False]
    assert trajectory.actor_state.tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("config", [CATCH, CARTPOLE], ids=["jax", "envpool"])
def test_two_pools_equal_two_actors_of_one_pool(config):
    num_actions = pool((9,), config).spec.num_actions
    both = make_actor([pool((0,), config), pool((1,), config)], num_actions, 12)
    act = make_act(uniform(num_actions))
    apart = [
        make_actor(
            [pool((p,), config)],
            num_actions,
            12,
            lambda params, state, timestep, key, row, _, p=p: act(params, state, timestep, key, row, p),
        )
        for p in range(2)
    ]
    for k in range(2):  # the second unroll goes on where the first stopped
        key = jax.random.key(k)
        joined, timings = both.unroll((), key)
        parts = [actor.unroll((), key)[0] for actor in apart]
        rows = jax.tree.map(lambda *x: np.concatenate(x, axis=1), *(t._replace(actor_state=()) for t in parts))
        assert_same_bits(joined._replace(actor_state=()), rows)
        assert joined.actor_state.tolist() == [12 * k] * 6
        assert joined.extras["count"][:, 0].tolist() == list(range(12 * k, 12 * k + 12))
        assert set(timings) == {"env", "inference"} and min(timings.values()) > 0
    for actor in (both, *apart):
        actor.close()


def replay(trajectories):
    """What the observations of several unrolls say, read as one long line."""
    for before, after in pairwise(trajectories):
        assert before.observation[-1].tobytes() == after.observation[0].tobytes()
    return [np.concatenate([getattr(t, name) for t in trajectories]) for name in Conventions]


Conventions = ("mask", "last", "discount", "reward", "episode_return", "episode_length")


@pytest.mark.parametrize("cap", [None, 4])
def test_boundaries_of_catch(cap):
    """Nine steps and the end terminates; capped at 4, it is truncated and the discount stays 1."""
    actor = make_actor([BatchedJaxEnv(Catch(max_episode_steps=cap), 4, jax.random.key(0))], 3, 7)
    trajectories = [actor.unroll((), jax.random.key(k))[0] for k in range(6)]
    mask, last, discount, reward, episode_return, length = replay(trajectories)
    steps = 9 if cap is None else cap
    rows = np.arange(len(mask)) % (steps + 1)  # the episode's steps, then the reset row
    assert (mask == (rows != steps)[:, None]).all()
    assert (last == (rows == steps - 1)[:, None]).all()
    assert (length == np.where(rows == steps, 0, rows + 1)[:, None]).all()
    if cap is None:
        assert (discount == 1 - last).all()
        assert (np.abs(reward) == last).all() and (episode_return[last] == reward[last]).all()
    else:
        assert (discount == 1).all() and (reward == 0).all()


def test_a_truncated_episode_shows_its_true_last_observation():
    """The observation after the cap is the one to bootstrap from, not the next episode's first."""
    actor = make_actor([BatchedJaxEnv(Catch(max_episode_steps=4), 4, jax.random.key(0))], 3, 10)
    trajectory, _ = actor.unroll((), jax.random.key(0))
    ball_row = trajectory.observation[:, :, :9].sum(3).argmax(2)  # [T+1, B]; the paddle has the tenth row
    assert ball_row[:, 0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0]
    assert trajectory.first[:, 0].tolist() == [row == 0 for row in ball_row[:, 0]]


def test_envpool_unroll():
    """CartPole-v1 through the actor; its actions come as read-only views of JAX arrays, which EnvPool refuses."""
    sent = []
    env = pool((0,), CARTPOLE, num_envs=8)
    send = env.send
    env.send = lambda action: (sent.append(action.flags.writeable), send(action))[1]
    actor = make_actor([env], 2, 10)
    trajectories = [actor.unroll((), jax.random.key(k))[0] for k in range(6)]
    mask, last, discount, reward, episode_return, length = replay(trajectories)
    assert not any(sent), "the test no longer sees the case that it is for"
    assert trajectories[0].observation.shape == (11, 8, 4) and trajectories[0].action.shape == (10, 8)
    assert (reward == mask).all()  # one point a step, none for the reset row
    assert (episode_return == length).all()
    assert (mask[1:] == ~last[:-1]).all() and mask[0].all()
    assert last.any() and (discount == 1 - last).all()  # a random policy falls over long before the cap
    actor.close()


def test_snapshot_goes_on_exactly():
    actor = make_actor([pool((0,)), pool((1,))], 3, 5)
    actor.unroll((), jax.random.key(0))
    snapshot = actor.snapshot()
    expected, _ = actor.unroll((), jax.random.key(1))
    other = make_actor([pool((5,)), pool((6,))], 3, 5)
    other.load(snapshot)
    assert_same_bits(other.unroll((), jax.random.key(1))[0], expected)


def test_a_snapshot_of_envpool_starts_new_episodes():
    actor = make_actor([pool((0,), CARTPOLE)], 2, 5)
    actor.unroll((), jax.random.key(0))
    assert actor.snapshot().env_state is None
    other = make_actor([pool((0, 1), CARTPOLE)], 2, 5)
    other.load(actor.snapshot())
    trajectory, _ = other.unroll((), jax.random.key(1))
    assert trajectory.first[0].all()
    assert trajectory.actor_state.tolist() == [0, 0, 0]  # the policy remembers nothing of episodes that are gone
    for each in (actor, other):
        each.close()
