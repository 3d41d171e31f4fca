"""The card generator against its exact distribution, with enough cards to notice an error of 1 %."""

from functools import cache

import jax
import numpy as np
import pytest

from jaxrl.envs.locm.cards import BLUE, Cards, pack, unpack
from jaxrl.envs.locm.generator import POOL_SIZE, generate_pool
from tests.envs.locm.generator_reference import chi_square_z, exact, strength

POOLS = 8192  # 983,040 cards
LIMIT = 4.5  # z scores; the seeds are fixed, so a pass stays a pass


@pytest.fixture(scope="module")
def cards() -> Cards:
    pool = jax.jit(lambda key: generate_pool(key, (POOLS,)))(jax.random.key(5))
    return jax.tree.map(np.asarray, pool)


@cache
def tables(cost: int, blue: bool):
    return exact(cost, blue)


def frequencies(values: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(values.ravel(), minlength=size)


def keyword_counts(cards: Cards) -> np.ndarray:
    return sum((cards.keywords >> bit) & 1 for bit in range(6))


def test_a_pool_is_sorted_by_cost_and_packs_into_two_words(cards):
    assert cards.cost.shape == (POOL_SIZE, POOLS)
    assert (np.diff(cards.cost, axis=0) >= 0).all()
    few = Cards(*(field[:, :50] for field in cards))
    assert all(np.array_equal(a, b) for a, b in zip(unpack(pack(few)), few, strict=True))


def test_costs_are_independent_and_uniform(cards):
    counts = np.stack([(cards.cost == cost).sum(0) for cost in range(13)])  # [13, pools]: multinomial
    assert abs(chi_square_z(counts.sum(1), np.full(13, 1 / 13))) < LIMIT
    variance = POOL_SIZE / 13 * 12 / 13
    spread = counts.var(axis=1, ddof=1) / variance
    assert np.abs(spread - 1).max() < LIMIT * np.sqrt(2 / POOLS)


def test_types(cards):
    assert abs(chi_square_z(frequencies(cards.type, 4), np.array([0.4, 0.2, 0.2, 0.2]))) < LIMIT


def property_cells(cards: Cards, blue: bool) -> tuple[np.ndarray, np.ndarray]:
    """Counts and probabilities of (cost, keywords, area, draw, own, opponent)."""
    shape = (13, 7, 3, 5, 4, 4)
    chosen = (cards.type == BLUE) == blue
    columns = (cards.cost, keyword_counts(cards), cards.area, cards.draw, cards.own_health, -cards.opponent_health)
    index = np.ravel_multi_index(tuple(column[chosen] for column in columns), shape)
    probabilities = np.zeros(shape)
    for cost in range(13):
        for cell, chance in tables(cost, blue).items():
            probabilities[(cost, *cell[:5])] += chance / 13
    return np.bincount(index, minlength=probabilities.size), probabilities.ravel()


@pytest.mark.parametrize("blue", [False, True])
def test_properties_together(cards, blue):
    assert abs(chi_square_z(*property_cells(cards, blue))) < LIMIT


@pytest.mark.parametrize("blue", [False, True])
def test_attack_and_defense_given_the_cost(cards, blue):
    chosen = (cards.type == BLUE) == blue
    shape = (13, 16, 16)
    attack, defense = np.abs(cards.attack[chosen]), np.abs(cards.defense[chosen])
    counts = np.bincount(np.ravel_multi_index((cards.cost[chosen], attack, defense), shape), minlength=np.prod(shape))
    probabilities = np.zeros(shape)
    for cost in range(13):
        for cell, chance in tables(cost, blue).items():
            values = strength(cell[5])
            for body, p in values.items():
                for power, q in ({0: 1.0} if blue else values).items():
                    probabilities[cost, power, body] += chance * p * q / 13
    assert abs(chi_square_z(counts, probabilities.ravel())) < LIMIT


def test_signs(cards):
    harmful = cards.type >= 2
    assert (cards.attack[harmful] <= 0).all() and (cards.defense[harmful] < 0).all()
    assert (cards.attack[~harmful] > 0).all() and (cards.defense[~harmful] > 0).all()
    assert (cards.attack[cards.type == BLUE] == 0).all() and (cards.keywords[cards.type == BLUE] == 0).all()
    assert np.abs(cards.attack).max() <= 14 and np.abs(cards.defense).max() <= 14


def test_every_set_of_keywords_of_a_size_is_as_likely(cards):
    size = keyword_counts(cards)
    for number in range(1, 6):
        sets = [bits for bits in range(64) if bits.bit_count() == number]
        drawn = frequencies(cards.keywords[size == number], 64)[sets]
        assert abs(chi_square_z(drawn, np.full(len(sets), 1 / len(sets)))) < LIMIT


def test_the_published_marginals(cards):
    """The figures measured on the referee's own generator, given to three decimals."""
    creatures = cards.type == 0
    normal = cards.type != BLUE
    by_cost = [cards.attack[creatures & (cards.cost == cost)].mean() for cost in range(13)]
    means = [1.50, 1.76, 2.06, 2.57, 3.16, 3.84, 4.55, 5.36, 6.17, 6.94, 7.76, 8.60, 9.41]
    np.testing.assert_allclose(by_cost, means, atol=0.06)
    share = frequencies(keyword_counts(cards)[normal], 7) / normal.sum()
    np.testing.assert_allclose(share, [0.507, 0.221, 0.121, 0.072, 0.035, 0.026, 0.019], atol=0.003)
    draws = frequencies(cards.draw, 5) / cards.draw.size
    np.testing.assert_allclose(draws, [0.534, 0.244, 0.102, 0.102, 0.018], atol=0.003)
    each = [((cards.keywords[normal] >> bit) & 1).mean() for bit in range(6)]
    np.testing.assert_allclose(each, 0.176, atol=0.003)


def marginal_z(cards: Cards) -> dict[str, float]:
    """z scores of the properties of cards that are not blue, one by one: these notice the smallest errors."""
    shape = (13, 7, 3, 5, 4, 4)
    counts, probabilities = property_cells(cards, blue=False)
    axes = ("cost", "keywords", "area", "draw", "own", "opponent")
    tables = [array.reshape(shape) for array in (counts, probabilities)]
    sums = {
        name: [table.sum(tuple(other for other in range(6) if other != axis)) for table in tables]
        for axis, name in enumerate(axes)
    }
    return {name: chi_square_z(*pair) for name, pair in sums.items()}


def test_properties_one_by_one(cards):
    assert max(abs(z) for z in marginal_z(cards).values()) < LIMIT


def test_an_error_of_one_per_cent_would_be_noticed(cards):
    """Of the cards that draw 1, one in a hundred draws nothing: .2415 instead of .2439 of all."""
    rng = np.random.default_rng(0)
    spoilt = (cards.draw == 1) & (rng.random(cards.draw.shape) < 0.01)
    assert marginal_z(cards._replace(draw=np.where(spoilt, 0, cards.draw)))["draw"] > LIMIT
    spoilt = (cards.area == 1) & (rng.random(cards.draw.shape) < 0.01)
    assert marginal_z(cards._replace(area=np.where(spoilt, 2, cards.area)))["area"] > LIMIT
