"""The bandits' vote: equal to the slow twin, its probabilities, optimism, equal values, several updates at once."""

from __future__ import annotations

from functools import partial
from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.ops import bandits
from jaxrl.ops.bandits import BanditSpec
from tests.reference.bandits import Bandit, Vote

X = BanditSpec(0.0, float(np.log(51)), 50)
SMALL = BanditSpec(0.0, 1.0, 4, num_bandits=1, num_candidates=2, widths=(1,), max_offset=0)
SPECS = {
    "temperature": X,
    "epsilon": BanditSpec(0.0, 1.0, 10),
    "several tilings": BanditSpec(-1.0, 2.0, 17, num_bandits=4, num_candidates=2, num_tilings=3, ucb=0.5),
    "offsets beyond the range": BanditSpec(0.0, 3.0, 12, num_bandits=3, widths=(1, 5), max_offset=15),
}


def twin_of(spec: BanditSpec, state: bandits.BanditState) -> Vote:
    """The twin with the settings that `init` drew."""
    settings = zip(state.argmax, state.learning_rate, state.width, state.offset, strict=True)
    return Vote(
        [
            Bandit(
                argmax=bool(argmax),
                low=spec.low,
                high=spec.high,
                lr=float(rate),
                d=spec.num_candidates,
                num_blocks=spec.num_blocks,
                widths=[float(w) * spec.acc for w in width],
                offsets=[float(o) * spec.acc for o in offset],
                ucb=spec.ucb,
            )
            for argmax, rate, width, offset in settings
        ]
    )


def episode_return(step, x, noise):
    """A best x that drifts and jumps, and stretches in which every return is 0 or negative."""
    best = 1 + jnp.sin(step / 150) + (step // 700 % 2)
    return jnp.where(step // 400 % 3 == 1, -3.0, 20.0) * jnp.exp(-jnp.square(x - best)) * (step > 40) + noise


def record(spec, num_steps):
    """Draw, update, draw, ...: the random numbers, what was drawn and returned, and the state at the end."""
    start = bandits.init(spec, jax.random.key(3))

    @jax.jit
    def run(state):
        def step(state, t):
            key = jax.random.fold_in(jax.random.key(4), t)
            noise = bandits.make_noise(spec, key)
            x = bandits.draw(spec, state, key)
            luck = jnp.round(jax.random.normal(key), 1) * (t % 5 == 0)
            returned = episode_return(t, x, luck)
            return bandits.update(spec, state, x, returned), (noise, x, returned)

        return jax.lax.scan(step, state, jnp.arange(num_steps))

    return start, *run(start)


@pytest.mark.parametrize(
    ("name", "num_steps"),
    [("temperature", 10_000), ("epsilon", 1000), ("several tilings", 1000), ("offsets beyond the range", 1000)],
)
def test_equal_to_the_slow_twin(double, name, num_steps):
    """Every draw from the recorded random numbers, and every weight and count at the end."""
    spec = SPECS[name]
    start, end, (noise, xs, returns) = record(spec, num_steps)
    twin = twin_of(spec, start)
    noise, xs, returns = jax.device_get((noise, xs, returns))
    for t in range(num_steps):
        x = twin.draw(noise.gumbel[t], noise.within[t], int(noise.vote[t]))
        np.testing.assert_allclose(xs[t], x, rtol=0, atol=1e-12)
        twin.update(xs[t], returns[t])
    for m, bandit in enumerate(twin.bandits):
        for k, (weights, counts) in enumerate(zip(bandit.weights, bandit.counts, strict=True)):
            np.testing.assert_allclose(end.weight[m, k], weights[: spec.num_tiles], rtol=0, atol=1e-9)
            assert end.count[m, k].tolist() == counts[: spec.num_tiles].tolist()
            assert counts.sum() == num_steps


@pytest.mark.parametrize("name", SPECS)
def test_blocks_and_tiles_are_those_of_the_formulas(double, name):
    """Also at both ends and beyond them."""
    spec = SPECS[name]
    state = bandits.init(spec, jax.random.key(0))
    twin = twin_of(spec, state)
    span = spec.high - spec.low
    xs = np.concatenate([np.random.default_rng(0).uniform(spec.low - span, spec.high + span, 300),
                         [spec.low, spec.high]])  # fmt: skip
    blocks = bandits.block(spec, jnp.asarray(xs))
    tiles = bandits.tile(spec, state, blocks)
    assert tiles.max() < spec.num_tiles and tiles.min() == 0
    for m, bandit in enumerate(twin.bandits):
        assert blocks.tolist() == [bandit.block(x) for x in xs]
        inside = xs < spec.high  # at the right end itself the printed formula opens one more tile
        for k in range(spec.num_tilings):
            expected = np.array([bandit.tile(x, k) for x in xs])
            np.testing.assert_array_equal(tiles[m, k][inside], expected[inside])


def test_vmap_and_jit_change_nothing():
    """Eight sets with settings of their own, together and one by one; the last one also without jit."""
    keys = jax.random.split(jax.random.key(1), 8)
    x, returns = jnp.linspace(0, 3.9, 8), jnp.arange(8.0)

    def live(key, x, episode_return):
        state = bandits.update(X, bandits.init(X, key), x, episode_return)
        return state, bandits.draw(X, state, key)

    together = jax.jit(jax.vmap(live))(keys, x, returns)
    one = jax.jit(live)
    for i in range(8):
        alone = one(keys[i], x[i], returns[i])
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-6), together, alone)
    with jax.disable_jit():
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), live(keys[7], x[7], returns[7]), alone)


def test_settings_are_drawn_from_the_printed_ones():
    states = jax.jit(jax.vmap(partial(bandits.init, X)))(jax.random.split(jax.random.key(0), 300))
    assert states.weight.shape == (300, 7, 1, 25) and not states.weight.any() and not states.count.any()
    for values, expected in (
        (states.learning_rate, [0.05, 0.1, 0.2]),
        (states.width, [2, 3, 4]),
        (states.offset, [0, 1, 2, 3]),
    ):
        found, counts = np.unique(np.asarray(values), return_counts=True)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        share, total = 1 / len(expected), counts.sum()
        assert (np.abs(counts / total - share) < 5 * np.sqrt(share * (1 - share) / total)).all()
    assert states.argmax[0].tolist() == [True, False] * 3 + [True]


small_scores = jax.jit(partial(bandits.scores, SMALL))


def small_state(weight, count, argmax) -> bandits.BanditState:
    state = bandits.init(SMALL, jax.random.key(0))
    return state._replace(weight=jnp.asarray(weight, float).reshape(1, 1, 4),
                          count=jnp.asarray(count).reshape(1, 1, 4), argmax=jnp.asarray([argmax]))  # fmt: skip


def block_frequencies(state, draws=40_000):
    keys = jax.random.split(jax.random.key(5), draws)
    x = jax.jit(jax.vmap(partial(bandits.draw, SMALL, state)))(keys)
    return np.bincount(bandits.block(SMALL, x), minlength=4) / draws, np.asarray(x)


def test_the_vote_of_random_mode_has_the_probabilities_of_its_scores():
    """Two of four blocks without replacement with the scores as logits, then one of both."""
    state = small_state([1.0, -2.0, 0.5, 0.0], [3, 0, 9, 1], argmax=False)
    weight = np.exp(np.asarray(small_scores(state)[0], np.float64))
    expected = np.zeros(4)
    for first, second in permutations(range(4), 2):
        probability = weight[first] / weight.sum() * weight[second] / (weight.sum() - weight[first])
        expected[[first, second]] += probability / 2
    frequency, x = block_frequencies(state)
    assert (np.abs(frequency - expected) < 5 * np.sqrt(expected * (1 - expected) / len(x))).all()
    place = x * 4 % 1  # uniform inside a block
    assert abs(place.mean() - 0.5) < 0.01 and abs(place.var() - 1 / 12) < 0.01


def test_the_vote_of_argmax_mode_is_among_the_best_blocks():
    state = small_state([1.0, -2.0, 0.5, 0.0], [5, 5, 5, 5], argmax=True)
    frequency, _ = block_frequencies(state)
    assert frequency[[1, 3]].tolist() == [0, 0] and abs(frequency[0] - 0.5) < 0.015


def test_fresh_argmax_bandits_break_ties_at_random():
    frequency, _ = block_frequencies(small_state([0.0] * 4, [0] * 4, argmax=True))
    np.testing.assert_allclose(frequency, 0.25, atol=0.015)


def test_the_unvisited_is_preferred():
    """Equal values: fewer visits, higher score."""
    score = np.asarray(small_scores(small_state([0.3] * 4, [7, 0, 2, 50], argmax=True))[0])
    assert np.argsort(-score).tolist() == [1, 2, 0, 3]
    np.testing.assert_allclose(score, np.sqrt(np.log(60) / (1 + np.array([7, 0, 2, 50]))), rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -21.0, 1e30, 1e-30])
def test_equal_values_have_no_std_to_divide_by(value):
    score = np.asarray(small_scores(small_state([value] * 4, [1, 1, 1, 1], argmax=True))[0])
    np.testing.assert_allclose(score, np.sqrt(np.log(5) / 2), rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_scale_of_returns_does_not_matter(scale):
    values = np.array([1.0, -2.0, 0.5, 0.0])
    score = np.asarray(small_scores(small_state(values * scale, [0] * 4, argmax=True))[0])
    np.testing.assert_allclose(score, (values - values.mean()) / values.std(), rtol=1e-5)


def test_many_rows_are_updates_one_after_the_other():
    """By time, then by environment; masked rows, poison in them included, do nothing."""
    rng = np.random.default_rng(0)
    x, returns, mask = rng.uniform(0, 3.9, (6, 5)), rng.normal(size=(6, 5)), rng.random((6, 5)) < 0.4
    returns[~mask], x[~mask] = np.nan, np.nan
    start = jax.jit(partial(bandits.init, X))(jax.random.key(2))
    expected, one = start, jax.jit(partial(bandits.update, X))
    for t, b in np.argwhere(mask):
        expected = one(expected, jnp.float32(x[t, b]), jnp.float32(returns[t, b]))
    arrays = (jnp.asarray(x, jnp.float32), jnp.asarray(returns, jnp.float32))
    update_rows = jax.jit(partial(bandits.update_rows, X))
    got = update_rows(start, *arrays, mask)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), got, expected)
    assert got.count.sum() == mask.sum() * 7

    def scanned(state, row):  # the same with a mask, every row at full price
        new = bandits.update(X, state, row[0], row[1])
        return jax.tree.map(lambda a, b: jnp.where(row[2], a, b), new, state), None

    by_scan, _ = jax.lax.scan(scanned, start, tuple(jnp.asarray(a).reshape(-1) for a in (*arrays, mask)))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), got, by_scan)
    nothing = update_rows(start, *arrays, np.zeros_like(mask))
    jax.tree.map(np.testing.assert_array_equal, nothing, start)


def test_settings_that_cannot_work_are_refused():
    for wrong in ({"low": 2.0}, {"num_candidates": 5}, {"widths": (0,)}, {"max_offset": -1}):
        with pytest.raises(ValueError):
            BanditSpec(**{"low": 0.0, "high": 1.0, "num_blocks": 4} | wrong)
