"""What is watched in an unroll of the card game says what is in it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs.locm.actions import PASS
from jaxrl.envs.locm.cards import unpack
from jaxrl.envs.locm.deal import new_game
from jaxrl.envs.locm.state import V15
from jaxrl.locm.policy.watch import watch_decks, watch_stages
from jaxrl.locm.table import view_shapes
from jaxrl.types import EnvSpec, Trajectory

ROWS, COLUMNS = 4, 3


def unroll_of(picks: np.ndarray, in_battle: np.ndarray, **changes) -> Trajectory:
    """Rows of zeros with these decks [C, 30, 2] and stages [T + 1, C]."""
    blank = EnvSpec(view_shapes(), 145, 1).blank((ROWS + 1) * COLUMNS)
    view = jax.tree.map(lambda x: x.reshape(ROWS + 1, COLUMNS, *x.shape[1:]), blank)
    view = view._replace(picks=jnp.broadcast_to(picks, view.picks.shape), in_battle=jnp.asarray(in_battle))
    zero = np.zeros((ROWS, COLUMNS))
    rows = {"reward": zero, "discount": zero, "last": zero, "episode_return": zero, "episode_length": zero}
    rows |= {"action": zero.astype(int), "behaviour_logits": np.full((ROWS, COLUMNS, 145), -np.log(145)), **changes}
    first = rows.pop("first", np.zeros((ROWS + 1, COLUMNS), bool))
    return Trajectory(observation=view, first=first, legal=None, actor_state=(), extras=(), **rows)


def test_decks():
    """Of two decks in the battle and one that is still chosen; 14 pairs and two cards alone in each."""
    pool = np.asarray(new_game(jax.random.key(0), V15).pool)  # [2, 120]
    decks = [np.r_[np.repeat(np.arange(start, start + 14), 2), 100, 101] for start in (0, 40, 80)]
    picks = np.stack([pool[:, deck].T for deck in decks])
    battle = np.zeros((ROWS + 1, COLUMNS), np.float16)
    battle[-1, :2] = 1
    found = watch_decks(unroll_of(picks, battle))
    cards = unpack(jnp.asarray(pool))
    cost, kind = (np.asarray(x)[np.concatenate(decks[:2])] for x in (cards.cost, cards.type))
    assert float(found["selfplay/deck_cost"]) == pytest.approx(cost.mean(), abs=1e-4)
    assert float(found["selfplay/deck_pairs"]) == pytest.approx(28 / 30)
    for number, name in enumerate(("creatures", "green", "red", "blue")):
        assert float(found[f"selfplay/deck_{name}"]) == pytest.approx((kind == number).mean(), abs=1e-6)


def test_stages():
    """Each stage's entropy and the share of PASS, without the rows that a reset threw away."""
    battle = np.zeros((ROWS + 1, COLUMNS), np.float16)
    battle[2:] = 1
    logits = np.full((ROWS, COLUMNS, 145), -np.log(145))
    logits[2:] = -1e9
    logits[2:, :, :2] = -np.log(2)
    action = np.full((ROWS, COLUMNS), 7)
    action[2:, 0] = PASS
    action[2, 1] = PASS
    first = np.zeros((ROWS + 1, COLUMNS), bool)
    first[3, 1] = True  # row 2 of column 1 was thrown away
    found = watch_stages(
        unroll_of(np.zeros((COLUMNS, 30, 2), int), battle, behaviour_logits=logits, action=action, first=first)
    )
    assert float(found["selfplay/entropy_deck"]) == pytest.approx(np.log(145), rel=1e-5)
    assert float(found["selfplay/entropy_battle"]) == pytest.approx(np.log(2), rel=1e-5)
    assert float(found["selfplay/passes"]) == pytest.approx(2 / 5)
