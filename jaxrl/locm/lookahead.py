"""One-step lookahead: the action whose outcome is worth most, without looking at hidden cards.

Games differ in how many actions are legal, from one to some fifty. So the trials of all games form one
list, game by game, and a loop takes as many of them at a time as there are games: nearly no trial is
wasted, where a loop over the k-th action of every game would run up to the largest number.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxrl.envs.locm.actions import NUM_BATTLE_ACTIONS, PASS
from jaxrl.envs.locm.arrays import highest, take
from jaxrl.envs.locm.battle import act
from jaxrl.envs.locm.legal import battle_legal
from jaxrl.envs.locm.sampling import nth_true
from jaxrl.envs.locm.state import HAND_SLOTS, State, Version

Value = Callable[[State, Array, Array], Array]  # states [n], the seats to please [n], their games [n] -> float32 [n]


def without_deck(state: State) -> State:
    """What a trial of an action needs, games `[n]`: cards are numbered by their slot in the hand."""
    index = jnp.maximum(state.hand[0], 0).astype(jnp.int32)
    slots = jnp.arange(HAND_SLOTS, dtype=jnp.int16)[:, None]
    return state._replace(
        pool=jnp.stack([take(words, index) for words in state.pool]),
        hand=jnp.stack([jnp.where(state.hand[0] >= 0, slots, -1), state.hand[1]]),
        offers=(),
        copies=(),
        place=(),
        deck=(),
    )


def best_action(state: State, version: Version, value: Value) -> Array:
    """The legal action after which `value` is highest, int16 `[*batch]`; PASS if none improves it.

    In the states that `value` is given, a creature's card tells only whether it is there.
    """
    batch = state.winner.shape
    games = math.prod(batch)
    flat = jax.tree.map(lambda x: x.reshape((*x.shape[: x.ndim - len(batch)], games)), state)
    worth = worths(without_deck(flat), battle_legal(flat), version, value)
    return highest(worth).reshape(batch)


def worths(here: State, legal: Array, version: Version, value: Value) -> Array:
    """What `value` is after each legal action of games `[n]`, float32 `[145, n]`; -inf for the others.

    PASS stands for the state as it is, so no card is drawn in a trial.
    """
    games = here.winner.shape[0]
    count = jnp.sum(legal, axis=0, dtype=jnp.int32) - 1  # PASS is not tried
    ends = jnp.cumsum(count)
    every = jnp.arange(games)

    def trials(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        first, worth = carry
        number = first + every
        game = jnp.minimum(jnp.sum(ends[:, None] <= number, axis=0), games - 1)  # few enough to look at all
        kth = number - ends[game] + count[game] + 1
        real = number < ends[-1]
        before = jax.tree.map(lambda x: x[..., game], here)
        action = jnp.where(real, nth_true(legal[:, game], kth.astype(jnp.int16)), PASS)
        after = act(before, action, version, with_turn=False)
        row = jnp.where(real, action, NUM_BATTLE_ACTIONS)  # past the end: dropped
        return first + games, worth.at[row, game].set(value(after, before.player, game), mode="drop")

    worth = jnp.full((NUM_BATTLE_ACTIONS, games), -jnp.inf).at[PASS].set(value(here, here.player, every))
    return lax.while_loop(lambda carry: carry[0] < ends[-1], trials, (jnp.int32(0), worth))[1]
