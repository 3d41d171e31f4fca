"""vmap, auto-reset and saving of pure-JAX environments."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs.base import EnvError
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.cartpole import MAX_STEPS, CartPole
from jaxrl.envs.catch import Catch
from jaxrl.envs.episode import Episode, advance, begin, to_timestep
from jaxrl.types import ArraySpec, EnvSpec
from tests.envs.contract import assert_same, check_env, play, stack


class CoinState(NamedTuple):
    key: jax.Array  # a typed key inside the state: saving must cope with it
    episode: Episode


class Coin:
    """Pays a random number drawn from a key in its state; ends with probability 1/4."""

    spec = EnvSpec(ArraySpec((1,), "float32"), num_actions=2, frame_skip=1)

    def init(self, key):
        return CoinState(key, begin())

    def step(self, state, action, key):
        reward = jax.random.uniform(state.key)
        ended = jax.random.bernoulli(key, 0.25)
        return CoinState(jax.random.fold_in(state.key, action), advance(state.episode, reward, ended))

    def timestep(self, state):
        return to_timestep(state.episode, jax.random.uniform(state.key, (1,)))


def test_keys_in_the_state():
    check_env(lambda: BatchedJaxEnv(Coin(), 5, jax.random.key(0)), 60)


def test_a_state_survives_a_checkpoint(tmp_path):
    env = BatchedJaxEnv(Coin(), 3, jax.random.key(1))
    play(env, 10)
    np.savez(tmp_path / "state.npz", **env.save_state())
    with np.load(tmp_path / "state.npz") as file:
        saved = dict(file)
    other = BatchedJaxEnv(Coin(), 3, jax.random.key(99))  # never reset
    other.load_state(saved)
    for t in range(20):
        action = np.full(3, t % 2, np.int32)
        assert_same(env.step(action), other.step(action))


def test_states_of_others_are_refused():
    saved = BatchedJaxEnv(Catch(), 3, jax.random.key(1))
    saved.reset()
    with pytest.raises(EnvError, match="does not fit"):
        BatchedJaxEnv(Catch(), 4, jax.random.key(1)).load_state(saved.save_state())
    with pytest.raises(EnvError, match="another kind"):
        BatchedJaxEnv(CartPole(), 3, jax.random.key(1)).load_state(saved.save_state())


def test_resets_differ():
    env = BatchedJaxEnv(CartPole(), 2, jax.random.key(1))
    assert (env.reset().observation != env.reset().observation).any()


def test_catch_rewards_the_catcher():
    env = BatchedJaxEnv(Catch(), 16, jax.random.key(0))
    timestep = env.reset()
    for _ in range(9):
        ball, paddle = timestep.observation[:, :-1].max(1).argmax(-1), timestep.observation[:, -1].argmax(-1)
        timestep = env.step(1 + np.sign(ball - paddle))
    assert timestep.last.all() and (timestep.episode_return == 1).all() and (timestep.discount == 0).all()
    assert (timestep.episode_length == 9).all()


def test_a_cap_truncates_and_a_termination_at_the_cap_stays_one():
    free = stack(play(BatchedJaxEnv(Catch(), 4, jax.random.key(0)), 9))
    capped = stack(play(BatchedJaxEnv(Catch(max_episode_steps=5), 4, jax.random.key(0)), 9))
    assert capped.last[5].all() and (capped.discount[:6] == 1).all() and capped.first[6].all()
    np.testing.assert_array_equal(capped.observation[:6], free.observation[:6])
    exact = stack(play(BatchedJaxEnv(Catch(max_episode_steps=9), 4, jax.random.key(0)), 9))
    assert_same(exact, free)
    assert (exact.discount[9] == 0).all()


def balance(observation):
    """A hand-made controller: push towards where the pole falls."""
    return (observation @ np.array([0.1, 0.5, 1.0, 1.0]) > 0).astype(np.int32)


def test_cartpole_is_truncated_after_500_steps():
    env = BatchedJaxEnv(CartPole(), 8, jax.random.key(0))
    timestep = env.reset()
    for _ in range(MAX_STEPS):
        assert not timestep.last.any()
        timestep = env.step(balance(timestep.observation))
    assert timestep.last.all() and (timestep.discount == 1).all() and (timestep.episode_return == MAX_STEPS).all()


def test_cartpole_moves_like_gymnasium():
    import gymnasium

    reference: gymnasium.Env = gymnasium.make("CartPole-v1").unwrapped
    env, random = CartPole(), np.random.default_rng(0)
    step = jax.jit(env.step)
    for episode in range(5):
        state = env.init(jax.random.key(episode))
        reference.reset(seed=0)
        reference.state = np.asarray(state.physics, np.float64)
        ended = False
        while not ended:
            action = int(random.integers(2))
            state = step(state, action, jax.random.key(0))
            observation, reward, ended, _, _ = reference.step(action)
            np.testing.assert_allclose(state.physics, observation, rtol=1e-4, atol=1e-5)
            assert bool(state.episode.last) == ended and float(state.episode.reward) == reward
        assert float(state.episode.discount) == 0.0


def test_a_single_environment_is_pure():
    env = Catch()
    state = env.step(env.init(jax.random.key(0)), jnp.int32(2), jax.random.key(1))
    assert_same(env.timestep(state), env.timestep(state))
    assert env.timestep(state).episode_length == 1
