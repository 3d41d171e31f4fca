"""How members of the pool are drawn, and when a copy of the policy joins them."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.selfplay.opponents import (
    Ledger,
    OpponentConfig,
    empty_ledger,
    end_period,
    opponent_distribution,
    record_games,
)


def ledger_of(score, games, size=None, waited=0, capacity=4):
    """A ledger with the first places filled."""
    fill = [0.0] * (capacity - len(score))
    size = len(score) if size is None else size
    return Ledger(jnp.float32([*score, *fill]), jnp.float32([*games, *fill]), jnp.int32(size), jnp.int32(waited))


@pytest.mark.parametrize("distribution", ["uniform", "squared", "softmin"])
def test_distributions(distribution):
    config = OpponentConfig(distribution=distribution)
    ledger = ledger_of([8.0, -5.0, 0.0], [10.0, 10.0, 0.0])  # win rates .9, .25 and nothing known
    weights = np.asarray(opponent_distribution(config, ledger), np.float64)
    expected = {
        "uniform": np.ones(3),
        "squared": np.array([0.1, 0.75, 0.5]) ** 2,
        "softmin": np.exp(-np.array([0.8, -0.5, 0.0]) / 0.1),
    }[distribution]
    np.testing.assert_allclose(weights, [*expected / expected.sum(), 0], atol=1e-5)
    assert not opponent_distribution(config, empty_ledger(4)).any()


def test_beaten_members_alone_still_make_a_distribution():
    """Every game won: (1 - win rate)^2 is 0 for all of them."""
    weights = opponent_distribution(OpponentConfig(distribution="squared"), ledger_of([9.0, 9.0], [9.0, 9.0]))
    np.testing.assert_allclose(weights, [0.5, 0.5, 0, 0])


def test_games_are_added_up_by_member():
    member, result = jnp.int32([1, 1, 0]), jnp.float32([1, -1, 1])
    ledger = record_games(ledger_of([0.0, 2.0], [1.0, 2.0]), member, result, jnp.ones(3))
    np.testing.assert_array_equal(ledger.score, [1, 2, 0, 0])
    np.testing.assert_array_equal(ledger.games, [2, 4, 0, 0])


def test_when_a_copy_is_frozen():
    config = OpponentConfig(threshold=0.7, patience=2)
    ledger, freeze, place = end_period(config, empty_ledger(4))
    assert freeze and place == 0 and ledger.size == 1 and ledger.waited == 0, "the first period fills the first place"
    for waited, expected in ((0, False), (2, False), (3, True)):
        _, freeze, _ = end_period(config, ledger_of([8.0, 6.0], [10.0, 10.0], waited=waited))
        assert bool(freeze) == expected
    ledger, freeze, place = end_period(config, ledger_of([8.0, 7.5], [10.0, 10.0]))
    assert freeze and place == 2 and ledger.size == 3
    assert not ledger.score.any() and not ledger.games.any()


def test_a_full_pool_gives_up_the_member_that_was_beaten_most():
    ledger = ledger_of([8.0, 9.5, 9.0, 8.0], [10.0] * 4)
    after, freeze, place = end_period(OpponentConfig(), ledger)
    assert freeze and place == 1 and after.size == 4
