"""What a runtime tells of a learner step."""

from jaxrl.runtime.seam import describe
from jaxrl.types import Episode
from tests.runtime.test_learner import trajectory


def test_rows_are_counted_and_episodes_come_in_order_of_actor_and_time():
    one, two = trajectory(0, 2), trajectory(1, 3)
    two.first[2, 1] = True  # row 1 of this environment was thrown away
    for part, row, env, score, length in ((two, 2, 0, 8.0, 3), (two, 0, 1, 7.0, 11), (one, 1, 1, 5.0, 2)):
        part.last[row, env] = True
        part.episode_return[row, env], part.episode_length[row, env] = score, length
    update = describe({}, [one, two], lag=1.0, seconds={})
    assert update.env_steps == 3 * 5 - 1
    assert update.episodes == [Episode(0, 1, 5.0, 2), Episode(1, 1, 7.0, 11), Episode(1, 0, 8.0, 3)]
