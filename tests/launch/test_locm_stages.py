"""The searches in the study of the card game's stages find a won game where there is one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs.locm.actions import attack_action
from launch.studies.locm_stages import make_look, tilted, turns
from tests.envs.locm.table import FACE, Creature, lay, quick_jit
from tests.support.card_policy import random_weights


@pytest.mark.slow  # most of it is compiling
def test_a_win_at_hand_and_one_behind_a_guard():
    """The first game is won by an attack at the face; in the second one attack clears the way for the other."""
    open_face = lay(own=[Creature(5, 1)], enemy=[Creature(1, 9, lane=1)], health=[30, 4])
    guarded = lay(own=[Creature(5, 1), Creature(3, 3)], enemy=[Creature(0, 2, "G")], health=[30, 3])
    games = jax.tree.map(lambda *x: jnp.stack(x, axis=-1), open_face, guarded)
    look = make_look(random_weights(embedding=4, width=8, core_size=0))
    by_action = np.asarray(quick_jit(tilted(look, 1e6))(jax.random.key(0), games))
    by_turn = np.asarray(quick_jit(turns(look, 64))(jax.random.key(0), games))
    assert by_action[0] == by_turn[0] == attack_action(0, 0, FACE)
    assert by_turn[1] in (attack_action(0, 0, 0), attack_action(0, 1, 0))
