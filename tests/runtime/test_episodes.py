"""Scores: equal shares per environment, greedy, and numbers that are known beforehand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.catch import COLUMNS, Catch
from jaxrl.runtime.actor import make_act
from jaxrl.runtime.episodes import Played, act_randomly, play_episodes, summary
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
    return partial(act_randomly, spec=EnvSpec(None, num_actions, 1))


@pytest.mark.parametrize(("episodes", "expected"), [(8, [2, 2, 2, 2]), (10, [3, 3, 2, 2]), (3, [1, 1, 1, 0])])
def test_equal_shares(episodes, expected):
    """The first to finish would mostly be the short ones."""
    finished = []
    returns, lengths, games, cut, missing = play_episodes(
        make_act(act_uniformly(2)), (), (), Metronome(4), episodes, jax.random.key(0), progress=finished.append
    )
    assert np.bincount(returns.astype(int), minlength=4).tolist() == expected
    assert (lengths == returns + 1).all() and returns.dtype == np.float32 and lengths.dtype == np.int32
    assert finished == list(range(1, episodes + 1))
    assert (cut, missing) == (0, 0) and len(games) == episodes


def test_an_evaluation_that_cannot_end_is_cut_and_says_so():
    """Environments 2 and 3 do not fit 3 steps: they count with what they had, and the short ones are no favourites."""
    played = play_episodes(make_act(act_uniformly(2)), (), (), Metronome(4), 8, jax.random.key(0), steps_per_episode=2)
    # Shares of two, so budgets of 4 steps: environment 1 ends twice, 2 once (3 steps) and is cut in its second, 3 once.
    assert np.bincount(played.lengths).tolist() == [0, 3, 2, 1, 1]
    assert (played.cut, played.missing, len(played.returns)) == (1, 1, 7)


def test_the_clock_cuts_too():
    late = iter([False] * 3 + [True] * 100)
    played = play_episodes(
        make_act(act_uniformly(2)), (), (), Metronome(4), 8, jax.random.key(0), is_late=lambda: next(late)
    )
    assert (played.cut, played.missing) == (1, 8 - len(played.returns)) and 8 > len(played.returns) > 0


def test_equal_games_are_told_from_different_ones():
    """The same chances give the same digests; another action in one environment another digest there only."""

    def games(first_action):
        def act(params, state, timestep, key):
            action = jnp.where(timestep.first, first_action, 0).astype(jnp.int32)
            return state, ActorOutput(action, jnp.zeros((2, 3)), ())

        return play_episodes(
            make_act(act), (), (), BatchedJaxEnv(Catch(), 2, jax.random.key(1)), 2, jax.random.key(2)
        ).games

    same, again, other = games(jnp.asarray([0, 0])), games(jnp.asarray([0, 0])), games(jnp.asarray([0, 2]))
    assert (same == again).all() and (same == other).tolist() == [True, False]


def test_a_random_policy_on_catch():
    env = BatchedJaxEnv(Catch(), 50, jax.random.key(1))
    returns, lengths, *_ = play_episodes(make_act(act_uniformly(3)), (), (), env, 1000, jax.random.key(2))
    assert set(returns) == {-1.0, 1.0} and (lengths == 9).all()
    assert abs(returns.mean() - CATCH_RANDOM) < 5 * returns.std() / np.sqrt(1000)


def test_a_perfect_policy_on_catch():
    def follow(params, state, timestep, key):
        board = timestep.observation
        ball, paddle = board[:, :-1].sum(1).argmax(-1), board[:, -1].argmax(-1)
        action = jnp.sign(ball - paddle).astype(jnp.int32) + 1
        return state, ActorOutput(action, jnp.zeros((len(action), 3)), ())

    env = BatchedJaxEnv(Catch(), 7, jax.random.key(1))
    returns, *_ = play_episodes(make_act(follow), (), (), env, 4 * COLUMNS, jax.random.key(2))
    assert (returns == 1).all()


def test_random_actions_are_legal():
    legal = jnp.asarray([[True, False, True, False]] * 500)
    timestep = TimeStep(*[jnp.zeros(500)] * 8)._replace(legal=legal, first=jnp.zeros(500, bool))
    _, output = act_randomly((), (), timestep, jax.random.key(0), spec=EnvSpec(None, 4, 1))
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
    result = summary(played([1, 2, 6], "abc", cut=1))
    assert result == {
        "episodes": 3,
        "games": 3,
        "cut_episodes": 1,
        "missing_episodes": 0,
        "mean_return": 3.0,
        "standard_error": pytest.approx(np.sqrt(7 / 3)),
        "min_return": 1.0,
        "median_return": 2.0,
        "max_return": 6.0,
        "mean_length": 5.0,
    }
    assert summary(played([1], "a"))["standard_error"] == 0.0


def test_a_game_played_again_is_no_new_evidence():
    """Every game four times is the same score with the same error; one of three played more often weighs more."""
    once, often = summary(played([1, 2, 6], "abc")), summary(played([1, 2, 6] * 4, "abc" * 4))
    assert (often["episodes"], often["games"]) == (12, 3)
    assert often["standard_error"] == pytest.approx(once["standard_error"]) == pytest.approx(np.sqrt(7 / 3))
    assert summary(played([1, 1, 1, 5], "aaab"))["mean_return"] == 2
    assert summary(played([3] * 9, "a" * 9))["games"] == 1


def played(returns, games, cut=0):
    lengths = np.arange(4, 4 + len(returns), dtype=np.int32)
    return Played(np.asarray(returns, np.float32), lengths, np.asarray([g.encode() for g in games]), cut)
