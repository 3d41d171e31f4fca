"""Scores: equal shares per environment, greedy, and numbers that are known beforehand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.catch import COLUMNS, Catch
from jaxrl.runtime.actor import make_act
from jaxrl.runtime.episodes import act_randomly, play_episodes, summary
from jaxrl.types import ActorOutput, ArraySpec, EnvSpec, TimeStep
from tests.support.parts import experiment_of, small_config

CATCH_RANDOM = 2 / COLUMNS - 1  # the ball falls in each column as often, wherever the paddle went


class Metronome:
    """Environment i has episodes of i + 1 steps, which pay i: short episodes are worth less."""

    spec = EnvSpec(ArraySpec((1,), "float32"), num_actions=2, frame_skip=1)

    def __init__(self, num_envs):
        self.num_envs = num_envs
        self._row = 0

    def reset(self):
        return self._timestep(np.zeros(self.num_envs, int))

    def step(self, action):
        self._row += 1
        lengths = np.arange(self.num_envs) + 1
        return self._timestep(self._row % (lengths + 1))  # 0 is the reset row

    def _timestep(self, age):
        last = age == np.arange(self.num_envs) + 1
        zeros = np.zeros(self.num_envs, np.float32)
        returns = np.where(last, np.arange(self.num_envs), 0).astype(np.float32)
        return TimeStep(zeros[:, None], zeros, zeros + 1, age == 0, last, None, returns, age.astype(np.int32))


def act_uniformly(num_actions):
    return partial(act_randomly, num_actions=num_actions)


@pytest.mark.parametrize(("episodes", "expected"), [(8, [2, 2, 2, 2]), (10, [3, 3, 2, 2]), (3, [1, 1, 1, 0])])
def test_equal_shares(episodes, expected):
    """The first to finish would mostly be the short ones."""
    finished = []
    returns, lengths = play_episodes(
        make_act(act_uniformly(2)), (), (), Metronome(4), episodes, jax.random.key(0), progress=finished.append
    )
    assert np.bincount(returns.astype(int), minlength=4).tolist() == expected
    assert (lengths == returns + 1).all() and returns.dtype == np.float32 and lengths.dtype == np.int32
    assert finished == list(range(1, episodes + 1))


def test_a_random_policy_on_catch():
    env = BatchedJaxEnv(Catch(), 50, jax.random.key(1))
    returns, lengths = play_episodes(make_act(act_uniformly(3)), (), (), env, 1000, jax.random.key(2))
    assert set(returns) == {-1.0, 1.0} and (lengths == 9).all()
    assert abs(returns.mean() - CATCH_RANDOM) < 5 * returns.std() / np.sqrt(1000)


def test_a_perfect_policy_on_catch():
    def follow(params, state, timestep, key):
        board = timestep.observation
        ball, paddle = board[:, :-1].sum(1).argmax(-1), board[:, -1].argmax(-1)
        action = jnp.sign(ball - paddle).astype(jnp.int32) + 1
        return state, ActorOutput(action, jnp.zeros((len(action), 3)), ())

    env = BatchedJaxEnv(Catch(), 7, jax.random.key(1))
    returns, _ = play_episodes(make_act(follow), (), (), env, 4 * COLUMNS, jax.random.key(2))
    assert (returns == 1).all()


def test_random_actions_are_legal():
    legal = jnp.asarray([[True, False, True, False]] * 500)
    timestep = TimeStep(*[jnp.zeros(500)] * 8)._replace(legal=legal, first=jnp.zeros(500, bool))
    _, output = act_randomly((), (), timestep, jax.random.key(0), num_actions=4)
    counts = np.bincount(output.action, minlength=4)
    assert counts[1] == counts[3] == 0 and 200 < counts[0] < 300
    np.testing.assert_allclose(np.exp(output.behaviour_logits[0]), [0.5, 0, 0.5, 0], atol=1e-6)


def test_greedy_takes_the_most_probable_action():
    """The same `act`, other parameters: greedy play has no chance left, and it is the mode of the sampled policy."""
    agent = experiment_of(small_config()).agent
    state = agent.init(jax.random.key(3))
    timestep = BatchedJaxEnv(Catch(), 8, jax.random.key(0)).reset()

    def actions(params):
        outputs = [agent.act(params, agent.initial_actor_state(8), timestep, jax.random.key(k))[1] for k in range(20)]
        return np.stack([output.action for output in outputs]), np.asarray(outputs[0].behaviour_logits)

    sampled, logits = actions(agent.publish(state))
    greedy, _ = actions(agent.publish_greedy(state))
    assert (greedy == logits.argmax(-1)).all()
    assert len(np.unique(sampled[:, 0])) > 1


def test_summary():
    result = summary(np.asarray([1.0, 2.0, 6.0], np.float32), np.asarray([4, 5, 6], np.int32))
    assert result == {
        "episodes": 3,
        "mean_return": 3.0,
        "standard_error": pytest.approx(np.sqrt(7 / 3)),
        "min_return": 1.0,
        "median_return": 2.0,
        "max_return": 6.0,
        "mean_length": 5.0,
    }
    assert summary(np.asarray([1.0]), np.asarray([4]))["standard_error"] == 0.0
