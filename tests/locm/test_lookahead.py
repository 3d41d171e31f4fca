"""One-step lookahead: all legal actions of every game are tried, and the best is taken."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.envs.locm.actions import PASS
from jaxrl.envs.locm.legal import battle_legal
from jaxrl.envs.locm.state import V15, State
from jaxrl.locm.lookahead import best_action
from jaxrl.locm.players import only
from tests.envs.locm.table import JITTED, Creature, blue, creature, lay, red


def liking(numbers):
    """A value that singles out an outcome: a number drawn by what the board and the healths are."""
    mix = jnp.asarray(numbers, jnp.float32)

    def value(state: State, player: jax.Array, game: jax.Array) -> jax.Array:
        board = jnp.stack([state.board.attack, state.board.defense, state.board.keywords]).astype(jnp.float32)
        features = jnp.concatenate([board.reshape((36, -1)), state.health.astype(jnp.float32)])
        return jnp.sin(mix @ features)

    return value


def test_it_is_the_argmax_over_the_legal_actions_of_each_game():
    states = [
        lay(),
        lay(hand=[creature(2, 3), red(-1, -2)], own=[Creature(3, 3)], enemy=[Creature(2, 2), Creature(1, 4, "G")]),
        lay(hand=[blue(-3), creature(1, 1, "C", area=2)], own=[Creature(5, 1, lane=1), Creature(2, 2)]),
        lay(hand=[creature(1, 9, cost=12)] * 8, mana=[3, 0]),
    ]
    batch = jax.tree.map(lambda *x: jnp.stack(x, axis=-1), *states)
    mine = jnp.array([True, False, True, False])
    choose = jax.jit(lambda state, numbers: best_action(state, V15, liking(numbers)))
    choose_mine = jax.jit(lambda state, numbers: best_action(only(state, mine), V15, liking(numbers)))
    for seed in range(5):
        numbers = np.random.default_rng(seed).normal(size=38)
        value, chosen = liking(numbers), choose(batch, numbers)
        for game, state in enumerate(states):
            worth = {}
            for action in np.flatnonzero(battle_legal(state)):
                after = state if action == PASS else JITTED[V15](state, jnp.int32(action))
                worth[int(action)] = float(value(jax.tree.map(lambda x: x[..., None], after), state.player, game)[0])
            best = max(worth, key=lambda action: worth[action])
            assert worth[int(chosen[game])] >= worth[best] - 1e-4
        alone = choose(states[1], numbers)
        assert alone.shape == () and alone == chosen[1]
        np.testing.assert_array_equal(choose_mine(batch, numbers), jnp.where(mine, chosen, PASS))
