"""Matrix games: exact iterations against known numbers, and what each way to draw opponents leads to."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.selfplay.kuhn import BET, expected_value, nash_conv
from jaxrl.selfplay.matrix import (
    BIASED_ROCK_PAPER_SCISSORS,
    ROCK_PAPER_SCISSORS,
    Iteration,
    duality_gap,
    iterate,
    mean_result,
    practical,
)
from jaxrl.selfplay.opponents import OpponentConfig

RANDOM = np.random.default_rng(0).uniform(-1, 1, (20, 5, 5))
EXACT: list[tuple[Iteration, float]] = [
    ("fp", 0.1),
    ("smooth", 0.1),
    ("optimistic", 0.1),
    ("optimistic", 0.5),
    ("fixed", 0.1),
]
# The gap of the last iterate. Rock-paper-scissors' smooth iterates go round, and where they are at the end depends on
# where they began: not asked for. The mean over random games is that of the slowest few among them, so others' 20 games
# have another one; hence the wide bounds.
LAST = {
    "rps": (ROCK_PAPER_SCISSORS, 10_000, (2.0, None, 2e-9, 1e-16, 1e-4)),
    "biased": (BIASED_ROCK_PAPER_SCISSORS, 1_000, (1.33, 0.46, 0.27, 1.3e-4, 0.079)),
    "random": (RANDOM, 10_000, (1.03, 0.62, 0.031, 3.7e-4, 0.079)),
}


def test_gap_of_known_policies():
    middle = np.array([0.2, 0.6, 0.2])
    assert duality_gap(BIASED_ROCK_PAPER_SCISSORS, middle, middle) == pytest.approx(0, abs=1e-15)
    rock, paper = np.eye(3)[:2]
    assert duality_gap(ROCK_PAPER_SCISSORS, rock, rock) == 2
    assert duality_gap(ROCK_PAPER_SCISSORS, paper, rock) == 2


@pytest.mark.parametrize("name", LAST)
def test_last_iterates(name):
    payoff, steps, expected = LAST[name]
    gaps = [iterate(payoff, kind, steps, eta=eta) for kind, eta in EXACT]
    last = [float(gap[-1].mean()) for gap in gaps]
    print(name, [f"{gap:.3g}" for gap in last])
    assert last[0] > 0.5 and last[1] > 0.3, "these two do not settle"
    for gap, known in zip(last, expected, strict=True):
        if known is None:
            continue
        if known < 1e-12:
            assert gap < 1e-12
        elif known < 1e-6:
            assert gap < 1e-7
        else:
            factor = 5 if name == "random" else 2.5
            assert known / factor < gap < factor * known


def test_the_average_of_fictitious_play_settles():
    """Only the last iterate goes round: Robinson's theorem."""
    rows = np.zeros(3)
    sums, row, column = [np.zeros(3), np.zeros(3)], np.eye(3)[0], np.eye(3)[1]
    columns = np.zeros(3)
    for _ in range(4000):
        rows, columns = rows + row, columns + column
        sums = [sums[0] + ROCK_PAPER_SCISSORS @ column, sums[1] - row @ ROCK_PAPER_SCISSORS]
        row, column = np.eye(3)[sums[0].argmax()], np.eye(3)[sums[1].argmax()]
    assert duality_gap(ROCK_PAPER_SCISSORS, rows / 4000, columns / 4000) < 0.06


ARMS = {
    "self-play": OpponentConfig(self_play=1.0, capacity=40),
    "uniform pool": OpponentConfig(self_play=0.0, distribution="uniform", capacity=40),
    "squared": OpponentConfig(distribution="squared", capacity=40),
    "softmin": OpponentConfig(distribution="softmin", capacity=40),
    "softmin alone": OpponentConfig(self_play=0.0, distribution="softmin", capacity=40),
}


def gaps(payoff: jax.Array, logits: jax.Array, config: OpponentConfig) -> jax.Array:
    """Duality gap after each of 200 learning periods."""
    policy = practical(partial(mean_result, payoff), logits, config, num_periods=200)
    return jnp.max(policy[:, 1] @ payoff.T, axis=-1) - jnp.min(policy[:, 0] @ payoff, axis=-1)


@pytest.fixture(scope="module")
def practical_gaps():
    """Mean gap over the last 50 of 200 learning periods, by arm and game."""
    games = {
        "rps": np.stack([ROCK_PAPER_SCISSORS] * 4),
        "biased": np.stack([BIASED_ROCK_PAPER_SCISSORS] * 4),
        "random": RANDOM[:10],
    }
    found = {}
    for arm, config in ARMS.items():
        run = jax.jit(jax.vmap(partial(gaps, config=config)))
        for game, payoff in games.items():
            logits = np.random.default_rng(1).normal(size=(len(payoff), 2, payoff.shape[-1]))
            found[arm, game] = float(run(jnp.float32(payoff), jnp.float32(logits))[:, -50:].mean())
    print({f"{arm}, {game}": f"{gap:.3g}" for (arm, game), gap in found.items()})
    return found


@pytest.mark.parametrize("game", ["rps", "random"])
def test_practical_loop_needs_pool_and_self_play(practical_gaps, game):
    """Pools drawn uniformly go round, self-play alone goes round, and the two together with a choosy f settle."""
    gap = {arm: practical_gaps[arm, game] for arm in ARMS}
    assert gap["uniform pool"] > 0.8 and gap["self-play"] > 0.3
    assert gap["softmin"] < gap["squared"] < 0.2
    assert gap["softmin"] < 0.05
    assert gap["softmin alone"] > 0.3


def test_practical_loop_on_the_biased_game(practical_gaps):
    """Self-play's entropy bonus is enough here; a uniform pool goes round even so."""
    assert practical_gaps["uniform pool", "biased"] > 0.5
    for arm in ("self-play", "squared", "softmin"):
        assert practical_gaps[arm, "biased"] < 0.03


def test_kuhn_poker_with_exact_gradients():
    """Last policies of 60 learning periods: the pool settles, self-play alone goes round."""

    def result(policy, other):
        own, others = policy[..., BET], other[..., BET]
        return (expected_value(own, others) - expected_value(others, own)) / 2

    def last(config):
        run = jax.jit(partial(practical, result, config=config, num_periods=60, step_size=2.0))
        policies = np.asarray(run(jnp.zeros((3, 4, 2))), np.float64)
        return np.mean([nash_conv(policy[..., BET]) for policy in policies[-15:]])

    assert last(OpponentConfig(softmin_temperature=0.03, patience=0, capacity=64)) < 0.02
    assert last(OpponentConfig(self_play=1.0, capacity=1)) > 0.1
