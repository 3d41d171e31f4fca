"""The exact distribution of the card generator, by enumeration: what the sampled cards are tested against.

Every order of the five properties and every wish is walked through with its probability, following the
list of weights and effects of the referee; nothing is shared with the generator under test.
"""

from collections import defaultdict
from itertools import permutations, product

import numpy as np

AREAS = ((0, 0.5, 10), (1, 0.25, 7), (2, 0.25, 6))
KEYWORD_WEIGHTS = (10, 5, 3, 2, 1, 1, 1)
DRAW_WEIGHTS = (100, 50, 25, 25, 5)
HEALTH_WEIGHTS = (100, 50, 25, 25)
PRICE = (0, 0, 1, 1, 2)


def by_price(weights: tuple[int, ...]) -> dict[int, dict[int, float]]:
    """Wishes of one price behave alike: {price: {value: probability}}."""
    groups: dict[int, dict[int, float]] = defaultdict(dict)
    for value, weight in enumerate(weights):
        groups[PRICE[value]][value] = weight / sum(weights)
    return dict(groups)


def walk(cost: int, order: tuple[int, ...], tenths: int, keywords: int, prices: tuple[int, ...]) -> tuple[int, ...]:
    """Keywords and the three other properties bought (1) or not (0), and the budget left, in tenths."""
    budget = 10 * cost
    number, bought = 0, [0, 0, 0]
    for item in order:
        if item == 0:
            assert budget * tenths % 10 == 0
            budget = budget * tenths // 10
        elif item == 1:
            while number < keywords and budget - 10 >= 0:
                budget -= 10
                number += 1
        elif budget - 10 * prices[item - 2] >= 0:
            budget -= 10 * prices[item - 2]
            bought[item - 2] = 1
    return (number, *bought, budget)


def exact(cost: int, blue: bool) -> dict[tuple[int, ...], float]:
    """Probabilities of (keywords, area, draw, own, opponent, budget in tenths) given cost and whether blue."""
    weights = (1,) if blue else KEYWORD_WEIGHTS
    draws, healths = by_price(DRAW_WEIGHTS), by_price(HEALTH_WEIGHTS)
    outcomes: dict[tuple[int, ...], float] = defaultdict(float)
    for prices in product(draws, healths, healths):
        for order in permutations(range(5)):
            for (area, share, tenths), (wish, weight) in product(AREAS, enumerate(weights)):
                key = (area, *prices, *walk(cost, order, tenths, wish, prices))
                outcomes[key] += share * weight / sum(weights) / 120
    table: dict[tuple[int, ...], float] = defaultdict(float)
    for (area, *rest), chance in outcomes.items():
        prices, number, bought, left = rest[:3], rest[3], rest[4:7], rest[7]
        groups = (draws[prices[0]], healths[prices[1]], healths[prices[2]])
        for choice in product(*(group.items() for group in groups)):
            got = (value * had for (value, _), had in zip(choice, bought, strict=True))
            odds = choice[0][1] * choice[1][1] * choice[2][1]
            table[(number, area, *got, left)] += chance * odds
    return table


def strength(budget: int) -> dict[int, float]:
    """Probabilities of int(b + U[1, 3)) for a budget in tenths."""
    low, parts = budget // 10, budget % 10
    return {low + 1: (10 - parts) / 20, low + 2: 0.5, low + 3: parts / 20}


def chi_square_z(counts: np.ndarray, probabilities: np.ndarray, smallest: float = 20.0) -> float:
    """(chi2 - df) / sqrt(2 df) of counts against exact probabilities; rare cells are put together."""
    counts, expected = np.asarray(counts, float), np.asarray(probabilities, float) * counts.sum()
    assert counts[expected == 0].sum() == 0, "something impossible was drawn"
    rare = expected < smallest
    rows = [(counts[~rare], expected[~rare])]
    if expected[rare].sum() > 0:
        rows.append((counts[rare].sum(keepdims=True), expected[rare].sum(keepdims=True)))
    observed, wanted = (np.concatenate(column) for column in zip(*rows, strict=True))
    statistic = ((observed - wanted) ** 2 / np.maximum(wanted, 1e-9)).sum()
    freedom = len(wanted) - 1
    return float((statistic - freedom) / np.sqrt(2 * freedom))
