"""Actions that the environment draws at the start of an episode."""

import numpy as np

from jaxrl.envs.build import make_env
from jaxrl.envs.envpool.emulators import EnvPool
from jaxrl.envs.envpool.random_starts import RandomStarts

ALL = np.array([True, True])


def play(starts, steps):
    return np.stack([starts.choose(np.array([7, 7], np.int32)) for _ in range(steps)])


def test_the_first_actions_are_drawn_and_no_others():
    starts = RandomStarts([11, 12], 3, 50)
    starts.begin(ALL)
    played = play(starts, 52)
    assert played.dtype == np.int32 and (np.bincount(played[:50].ravel(), minlength=3)[:3] > 15).all()
    assert (played[:50] < 3).all() and (played[50:] == 7).all()
    starts.begin(np.array([False, True]))
    again = play(starts, 50)
    assert (again[:, 0] == 7).all() and (again[:, 1] != played[:50, 1]).any()


def test_an_environment_draws_by_its_own_seed():
    """Whatever its neighbours are, and when they begin."""
    both, alone = RandomStarts([11, 12], 3, 9), RandomStarts([12], 3, 9)
    both.begin(np.array([True, False]))
    play(both, 4)
    both.begin(np.array([False, True]))
    alone.begin(np.array([True]))
    np.testing.assert_array_equal(play(both, 9)[:, 1], [alone.choose(np.array([7]))[0] for _ in range(9)])


def test_what_the_agent_chose_is_left_alone():
    starts, chosen = RandomStarts([11, 12], 3, 2), np.array([7, 7])
    starts.begin(ALL)
    starts.choose(chosen)
    assert (chosen == 7).all()
    idle = RandomStarts([11, 12], 3, 0)
    idle.begin(ALL)
    assert idle.choose(chosen) is chosen


def test_a_pool_plays_them_in_every_episode():
    """Two pools of one seed, whose agents differ in what the environment draws instead, see the same games."""
    config = EnvPool("Pong-v5", protocol="cpu", random_starts=5, max_episode_steps=8)
    pools = [make_env(config, 2, seed=3, stream=(0,)) for _ in range(2)]
    rows = [pool.reset() for pool in pools]
    for step in range(27):  # three episodes of 8, and the ignored rows between them
        np.testing.assert_array_equal(rows[0].observation, rows[1].observation)
        other = 3 if step % 9 < 5 else 2
        rows = [pool.step(np.full(2, action, np.int32)) for pool, action in zip(pools, (2, other), strict=True)]
    for pool in pools:
        pool.close()
