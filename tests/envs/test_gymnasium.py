"""What Gymnasium's environments show, what they lack, and their pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from jaxrl.envs.base import EnvError
from jaxrl.envs.build import make_env
from jaxrl.envs.gymnasium import Gymnasium
from jaxrl.envs.screen import make_screen
from jaxrl.envs.spaces import Observer, flatten
from tests.envs.contract import assert_same, play, stack
from tests.support.host_runs import ROOT

WORDY = "tests/Wordy-v0"


class Wordy(gymnasium.Env):
    """A number and a word are shown; the reward is the number less the action, and the fifth step the last."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 7}  # noqa: RUF012
    observation_space = spaces.Dict({"number": spaces.Box(0, 9, (2,), np.float64), "word": spaces.Text(5)})
    action_space = spaces.Discrete(3)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._observation(), {}

    def step(self, action):
        reward, self.steps = self.number - action, self.steps + 1
        return self._observation(), reward, self.steps == 5, False, {}

    def render(self):
        return np.full((4, 6, 3), 20 * int(self.number), np.uint8)

    def _observation(self):
        self.number = float(self.np_random.integers(9))
        return {"number": np.full(2, self.number), "word": "word"}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gymnasium.register(WORDY, Wordy)
    yield
    del gymnasium.registry[WORDY]


def test_a_text_is_refused_with_what_could_be_seen():
    with pytest.raises(
        EnvError, match=r"shows word of the kind Text, which is no array; name in env.parts .* \[number\]"
    ):
        _ = Gymnasium(WORDY).spec
    spec = Gymnasium(WORDY, parts=("number",)).spec
    assert (spec.observation.shape, spec.observation.dtype, spec.num_actions) == ((2,), "float32", 3)


def test_seeds_decide():
    config = Gymnasium(WORDY, parts=("number",))
    first, again, other = (
        stack(play(make_env(config, 3, seed=1, stream=stream), 12)) for stream in ((0, 0), (0, 0), (0, 1))
    )
    assert_same(first, again)
    assert (first.observation != other.observation).any()
    assert first.last[5].all() and first.first[6].all() and (first.discount[5] == 0).all()
    assert (first.observation[0] != first.observation[6]).any()  # the next episode is another one


def test_pictures_are_of_the_same_game():
    config = Gymnasium(WORDY, parts=("number",))
    env = make_env(config, 2, seed=3, stream=(1,))
    screen = make_screen(config, config.spec, 2, 3, (1,))
    timestep, action = env.reset(), np.array([2, 0], np.int32)
    pictures, numbers = [screen.draw(timestep)], [timestep.observation[0, 0]]
    for _ in range(8):
        timestep = env.step(action)
        pictures.append(screen.draw(timestep, action))
        numbers.append(timestep.observation[0, 0])
    np.testing.assert_array_equal([picture[0, 0, 0] for picture in pictures], 20 * np.array(numbers))
    assert pictures[0].shape == (4, 6, 3) and screen.fps == 7
    with pytest.raises(EnvError, match="drawn for the video no longer plays the same"):
        for _ in range(3):
            screen.draw(env.step(action), action + 1)


@pytest.mark.parametrize(
    ("env_id", "module", "extra"),
    [("MiniGrid-Empty-5x5-v0", "minigrid", "minigrid"), ("LunarLander-v3", "Box2D", "gymnasium")],
)
def test_what_is_not_installed_is_one_sentence(monkeypatch, env_id, module, extra):
    for name in [name for name in sys.modules if name.startswith((module, "gymnasium.envs.box2d"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    sentence = rf"^{env_id} needs a package that is not installed; pip install 'jaxrl\[{extra}\]'$"
    with pytest.raises(EnvError, match=sentence):
        _ = Gymnasium(env_id).spec


def test_every_kind_of_array():
    """A number becomes a one among zeros, a picture gets its channels first, floats are float32, bytes stay bytes."""
    space = spaces.Dict(
        {
            "a": spaces.Tuple([spaces.Discrete(3, start=1), spaces.MultiDiscrete([2, 3])]),
            "b": spaces.Box(0, 255, (6, 5, 3), np.uint8),
            "c": spaces.MultiBinary(2),
            "d": spaces.Box(-1, 1, (), np.float64),
        }
    )
    observer = Observer(flatten(space), (), "Kinds-v0")
    batch = {
        "a": (np.array([1, 3]), np.array([[0, 2], [1, 0]])),
        "b": np.arange(180, dtype=np.uint8).reshape(2, 6, 5, 3),
        "c": np.array([[0, 1], [1, 1]], np.int8),
        "d": np.array([0.5, -0.5]),
    }
    seen = observer(flatten(batch))
    np.testing.assert_array_equal(seen["a.0"], [[1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(seen["a.1"], [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]])
    np.testing.assert_array_equal(seen["b"], batch["b"].transpose(0, 3, 1, 2))
    for name, spec in observer.spec.items():
        assert seen[name].dtype == spec.dtype and seen[name].shape == (2, *spec.shape), name


# Signals reach the whole group; the fifth step hangs; then the run ends as a watchdog ends it.
RUN = """
import os, signal, time
import numpy as np
from jaxrl.envs.gymnasium import Gymnasium

if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
    env = Gymnasium("tests.support.sleepy:tests/Sleepy-v0", processes=True).make_pool(2, 1, 0, (1,))
    env.reset()
    for number in ({signals}):
        os.killpg(0, number)
        env.send(np.zeros(2, int))
        env.recv()
    for _ in range(4 - len([{signals}])):
        env.send(np.zeros(2, int))
        env.recv()
    env.send(np.zeros(2, int))
    time.sleep(0.5)
    {end}
"""
ENDS = ["pass", "env.close(); os._exit(0)", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"]


@pytest.mark.parametrize("signals", ["signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1", ""])
@pytest.mark.parametrize("end", ENDS)
def test_processes_outlive_signals_but_not_their_run(tmp_path: Path, end: str, signals: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(RUN.format(end=end, signals=signals))
    done = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in (0, -9), done.stderr  # its output ends when all who hold it have ended
