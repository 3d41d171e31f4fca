"""New games: everything that chance decides is drawn here, before the first pick."""

import jax
import jax.numpy as jnp
from jax import Array

from jaxrl.envs.locm.cards import Cards, pack
from jaxrl.envs.locm.generator import generate_pool
from jaxrl.envs.locm.state import DECK_SIZE, SIDES, V12, V15, State, Version, empty_state


def random_ranks(key: Array, shape: tuple[int, ...], axis: int) -> Array:
    """Uniform random permutations of 0 .. n-1 along an axis, int16: ranks of random 32-bit numbers.

    Counting smaller numbers costs n^2 comparisons, which for n = 30 beats a sort that works on one
    game at a time.
    """
    numbers = jnp.moveaxis(jax.random.bits(key, shape, jnp.uint32), axis, 0)
    index = jnp.arange(len(numbers)).reshape((-1,) + (1,) * (numbers.ndim - 1))
    # In [rival, number, ...]: equal numbers keep their order.
    before = (numbers[:, None] < numbers) | ((numbers[:, None] == numbers) & (index[:, None] < index))
    return jnp.moveaxis(jnp.sum(before, axis=0, dtype=jnp.int16), 0, axis)


def distinct_three(key: Array, shape: tuple[int, ...], size: int) -> list[Array]:
    """Three different numbers of 0 .. size-1, uniform and in random order, each int32 `[*shape]`."""
    keys = jax.random.split(key, 3)
    a, b, c = (jax.random.randint(k, shape, 0, size - i) for i, k in enumerate(keys))
    b = b + (b >= a)
    low, high = jnp.minimum(a, b), jnp.maximum(a, b)
    c = c + (c >= low)
    return [a, b, c + (c >= high)]


def new_game(key: Array, version: Version, batch: tuple[int, ...] = (), card_list: Cards | None = None) -> State:
    """Games before their first pick `[..., *batch]`.

    1.5: a generated pool of 120 cards. 1.2: 60 different cards of `card_list` (fields `[160]`), and 30
    triples of different cards among them, independent of each other. Both: where in its deck each
    pick will lie, a uniform permutation for each player.
    """
    pool_key, offer_key, place_key = jax.random.split(key, 3)
    if version == V15:
        pool = pack(generate_pool(pool_key, batch))
    elif card_list is None:
        raise ValueError("version 1.2 needs a card list: load_card_list(path)")
    else:
        listed = pack(card_list)
        bits = jax.random.bits(pool_key, (listed.shape[1], *batch), jnp.uint32)
        pool = listed[:, jnp.argsort(bits, axis=0)[: version.pool_size]]
    state = empty_state(pool, version)
    if version == V12:
        triples = distinct_three(offer_key, (DECK_SIZE, *batch), version.pool_size)
        state = state._replace(offers=jnp.stack(triples, axis=1).astype(jnp.int16))
    return state._replace(place=random_ranks(place_key, (SIDES, DECK_SIZE, *batch), axis=1))
