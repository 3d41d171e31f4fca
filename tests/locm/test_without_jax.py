"""The bot whose rules NumPy computes plays the game that it would play with JAX, message by message."""

import shlex
import subprocess
import sys

import jax
import pytest

from jaxrl.cli.contenders import read_weights
from jaxrl.envs.locm.state import V15
from jaxrl.locm.bot import Bot
from jaxrl.locm.contest import conduct
from jaxrl.locm.match import mirrored_games
from jaxrl.locm.outside import Outside
from jaxrl.locm.policy.chooser import PolicyChooser
from jaxrl.locm.referee import Referee, game_bases
from jaxrl.locm.wire import message_lines

# As `jaxrl bot` does, but for a turn's time, which a busy machine may need.
PROGRAM = """
from jaxrl.locm.policy.without_jax import stand_in
stand_in()
import sys
from jaxrl.cli.contenders import read_weights
from jaxrl.envs.locm.state import V15
from jaxrl.locm.bot import Bot, serve
from jaxrl.locm.policy.chooser import PolicyChooser
chooser = PolicyChooser(read_weights("champion"), V15)
serve(Bot(chooser, V15, turn_seconds=float("inf")), sys.stdin, sys.stdout, sys.stderr)
"""


@pytest.mark.parametrize("seat", [0, 1])
def test_it_answers_as_the_bot_with_jax_does(seat):
    pair = jax.device_get(mirrored_games(jax.random.key(seat), V15, 1, None))
    game = jax.tree.map(lambda x: x[..., 0], pair)
    referee, weights = Referee(game, game_bases(game, V15, None), V15), read_weights("champion")
    bots = [Bot(PolicyChooser(weights, V15), V15, turn_seconds=float("inf")) for _ in range(2)]
    answered = []
    with Outside(shlex.join([sys.executable, "-c", PROGRAM])) as outside:

        def ask(mover, message, limit):
            answer = bots[mover].answer(message)
            if mover == seat:
                line = outside.ask(message_lines(message, V15), 120.0)
                assert line == answer
                answered.append(line)
            return answer

        outcome = conduct(referee, ask)
    assert len(answered) > 3 and any("ATTACK" in line for line in answered) and outcome.winner is not None
    assert outcome.illegal == [0, 0] and outcome.fault is None


def test_jax_is_not_imported():
    program = "import sys; from jaxrl.cli.commands import main; main(['bot', 'locm', 'champion']); "
    program += "print(hasattr(sys.modules['jax'], '__file__'), 'jaxlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.stdout == "False False\n", done.stderr
