"""The card generator of version 1.5: 120 cards a game, drawn from the referee's distribution.

A card has a budget b, at first its cost. Five properties take their share of it in a uniformly random
order: the area multiplies b by 1, 0.7 or 0.6; every keyword costs 1; draw and the two health changes
cost what `price` says. What would make b negative is left out. The rest makes the creature:
attack = int(b + U[1, 3)), defense = int(b + U'[1, 3)). The referee sorts the 120 cards by cost and
numbers them.

Here the 120 costs are drawn first, counted, and laid out in ascending order, and the rest of each card
is drawn given its cost. Cards are independent, so this is the distribution of the sorted pool without
a sort. Budgets are in tenths, hence exact.
"""

from itertools import combinations, permutations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxrl.envs.locm.cards import BLUE, CREATURE, RED, Cards

POOL_SIZE = 120
MAX_COST = 12
TYPE_WEIGHTS = (2, 1, 1, 1)
AREA_WEIGHTS = (2, 1, 1)
AREA_TENTHS = (10, 7, 6)
KEYWORD_COUNT_WEIGHTS = (10, 5, 3, 2, 1, 1, 1)
DRAW_WEIGHTS = (100, 50, 25, 25, 5)
HEALTH_WEIGHTS = (100, 50, 25, 25)

ORDERS = np.array(list(permutations(range(5))), np.int32)  # [120, 5]
AREA, KEYWORDS, DRAW, OWN_HEALTH, OPPONENT_HEALTH = range(5)

# All keyword sets by size, and where the sets of each size begin.
KEYWORD_SETS = np.array(
    [sum(1 << bit for bit in bits) for size in range(7) for bits in combinations(range(6), size)],
    np.int32,
)
SET_COUNTS = (1, 6, 15, 20, 15, 6, 1)


def weighted(uniform: Array, weights: tuple[int, ...]) -> Array:
    """The index drawn by uniform [0, 1) numbers with probabilities weights / sum(weights), int32."""
    scaled = uniform * sum(weights)
    borders = np.cumsum(weights)[:-1]
    return sum(((scaled >= int(border)).astype(jnp.int32) for border in borders), jnp.int32(0))


def sorted_costs(key: Array, batch: tuple[int, ...]) -> Array:
    """120 independent costs, uniform on 0..12, in ascending order: int32 `[120, *batch]`."""
    drawn = jax.random.randint(key, (POOL_SIZE, *batch), 0, MAX_COST + 1)
    position = jnp.arange(POOL_SIZE).reshape((POOL_SIZE,) + (1,) * len(batch))
    at_most = (jnp.sum(drawn <= cost, axis=0) for cost in range(MAX_COST))
    return sum(((position >= number).astype(jnp.int32) for number in at_most), jnp.int32(0))


def keyword_set(uniform: Array, size: Array) -> Array:
    """A uniformly drawn set of `size` of the six keywords, as bits."""
    start = sum(jnp.where(size > k, SET_COUNTS[k], 0) for k in range(6))
    count = sum(jnp.where(size == k, SET_COUNTS[k], 0) for k in range(7))
    return jnp.asarray(KEYWORD_SETS)[start + (uniform * count).astype(jnp.int32)]


def generate_cards(key: Array, cost: Array) -> Cards:
    """Cards of given costs int32 `[*shape]` -> fields int32 `[*shape]`."""
    uniform = jax.random.uniform(key, (10, *cost.shape))
    kind = weighted(uniform[0], TYPE_WEIGHTS)
    order = (uniform[1] * len(ORDERS)).astype(jnp.int32)
    wish_area = weighted(uniform[2], AREA_WEIGHTS)
    wish_keywords = jnp.where(kind == BLUE, 0, weighted(uniform[3], KEYWORD_COUNT_WEIGHTS))
    wish_draw = weighted(uniform[4], DRAW_WEIGHTS)
    wish_own = weighted(uniform[5], HEALTH_WEIGHTS)
    wish_opponent = weighted(uniform[6], HEALTH_WEIGHTS)

    budget = 10 * cost
    keywords = draw = own = opponent = jnp.zeros_like(cost)
    for step in range(5):
        turn = jnp.asarray(ORDERS[:, step])[order]

        def affordable(wish: Array, budget: Array = budget) -> Array:
            return jnp.where(10 * price(wish) <= budget, wish, 0)

        tenths = sum(jnp.where(wish_area == a, AREA_TENTHS[a], 0) for a in range(3))
        size = jnp.minimum(wish_keywords, budget // 10)
        now_draw, now_own = affordable(wish_draw), affordable(wish_own)
        now_opponent = affordable(wish_opponent)
        keywords = jnp.where(turn == KEYWORDS, size, keywords)
        draw = jnp.where(turn == DRAW, now_draw, draw)
        own = jnp.where(turn == OWN_HEALTH, now_own, own)
        opponent = jnp.where(turn == OPPONENT_HEALTH, now_opponent, opponent)
        spent = jnp.where(turn == KEYWORDS, size, 0)
        spent = jnp.where(turn == DRAW, price(now_draw), spent)
        spent = jnp.where(turn == OWN_HEALTH, price(now_own), spent)
        spent = jnp.where(turn == OPPONENT_HEALTH, price(now_opponent), spent)
        # The area comes once, and only it multiplies: cost * 10 * (7 or 6) / 10 stays whole, because
        # everything else takes off whole points.
        budget = jnp.where(turn == AREA, budget * tenths // 10, budget - 10 * spent)

    strength = budget.astype(jnp.float32) / 10 + 1
    attack = (strength + 2 * uniform[7]).astype(jnp.int32)
    defense = (strength + 2 * uniform[8]).astype(jnp.int32)
    sign = jnp.where((kind == RED) | (kind == BLUE), -1, 1)
    return Cards(
        type=kind,
        cost=cost,
        attack=jnp.where(kind == BLUE, 0, sign * attack),
        defense=sign * jnp.where(kind == CREATURE, jnp.maximum(defense, 1), defense),
        keywords=keyword_set(uniform[9], keywords),
        own_health=own,
        opponent_health=-opponent,
        draw=draw,
        area=wish_area,
    )


def price(value: Array) -> Array:
    """What drawing cards or changing health by 0, 1, 2, 3, 4 takes from the budget: 0, 0, 1, 1, 2."""
    return (value >= 2).astype(jnp.int32) + (value >= 4).astype(jnp.int32)


def generate_pool(key: Array, batch: tuple[int, ...] = ()) -> Cards:
    """The 120 cards of a game by ascending cost: fields int32 `[120, *batch]`."""
    cost_key, card_key = jax.random.split(key)
    return generate_cards(card_key, sorted_costs(cost_key, batch))
