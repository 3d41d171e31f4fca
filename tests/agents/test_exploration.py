"""Behaviour families: exact log-probabilities, one draw per episode, learning from finished episodes, greedy acting."""

from __future__ import annotations

from functools import cache, partial
from typing import NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl import ops
from jaxrl.agents import casa, exploration
from jaxrl.agents.exploration import Drawn, ExplorationConfig, Family, make_exploration
from jaxrl.envs.batched import BatchedJaxEnv
from jaxrl.envs.catch import Catch
from jaxrl.errors import ConfigError
from jaxrl.networks import mlp
from jaxrl.ops import bandits
from jaxrl.runtime.actor import Actor, make_act
from jaxrl.types import ActorOutput
from tests.reference.bandits import policy_of, softmax

FAMILIES = get_args(Family)
SOFTMAX = ("plain", "fixed", "bandit")  # families whose behaviour is a softmax at the sample's temperature
TEMPERATURE = 0.3  # of the hypers
PREFERENCES = np.array([0.4, -0.2, 0.9, 0.1], np.float32)
LEGAL = np.array([True, True, False, True])
NUM_ENVS, LENGTH = 6, 25  # Catch's episodes last 9 steps, 10 with the reset row
X, EPSILON = bandits.BanditSpec(0.0, float(np.log(51)), 50), bandits.BanditSpec(0.0, 1.0, 10)
each_family = pytest.mark.parametrize("name", FAMILIES)


@cache
def family_of(name):
    return make_exploration(ExplorationConfig(name))


# A tiny agent: a linear policy on Catch


class Published(NamedTuple):
    weight: jax.Array  # [50, 3]
    controller: exploration.Controller
    temperature: jax.Array
    greedy: jax.Array = np.array(False)


def act(family, published, state, timestep, key):
    preferences = timestep.observation.reshape(timestep.first.shape[0], -1) @ published.weight
    drawn = exploration.redraw(family, published.controller, published.temperature, state, timestep.first, key)
    logits = exploration.behave(family, preferences, drawn, timestep.legal, published.greedy)
    return drawn, ActorOutput(ops.sample(key, logits), logits, drawn)


@cache
def published_by(name) -> Published:
    weight = jax.random.normal(jax.random.key(7), (50, 3))
    return Published(weight, jax.jit(family_of(name).init)(jax.random.key(8)), jnp.float32(TEMPERATURE))


@cache
def unrolls_of(name):
    """Two unrolls, one after the other, of two pools."""
    family = family_of(name)
    pools = [BatchedJaxEnv(Catch(), NUM_ENVS // 2, jax.random.key(i)) for i in range(2)]
    actor = Actor(pools, make_act(partial(act, family)), partial(exploration.initial_drawn, family), LENGTH)
    return [actor.unroll(published_by(name), jax.random.key(9 + i))[0] for i in range(2)]


@each_family
def test_parameters_are_drawn_where_an_episode_starts_and_stay_until_it_ends(name):
    one, two = unrolls_of(name)
    first = np.concatenate([one.first[:-1], two.first[:-1]])
    assert first[0].all() and first.sum() > 4 * NUM_ENVS
    for leaf_one, leaf_two in zip(jax.tree.leaves(one.extras), jax.tree.leaves(two.extras), strict=True):
        assert leaf_one.shape == (LENGTH, NUM_ENVS) and leaf_one.dtype == np.float32
        rows = np.concatenate([leaf_one, leaf_two])
        assert (rows[1:] == rows[:-1])[~first[1:]].all()
        if name in ("bandit", "mixture"):
            starts = rows[first]
            assert len(set(starts.tolist())) == len(starts), "every episode has its own"
        else:
            assert (rows == rows[0]).all()
    carried = zip(jax.tree.leaves(one.extras), jax.tree.leaves(two.actor_state), strict=True)
    assert all((extras[-1] == state).all() for extras, state in carried)


@each_family
def test_recorded_behaviour_is_the_analytic_policy(name):
    for trajectory in unrolls_of(name):
        preferences = trajectory.observation[:-1].reshape(LENGTH, NUM_ENVS, 50) @ np.asarray(published_by(name).weight)
        expected = policy_of(name, preferences, trajectory.extras.coordinates, TEMPERATURE)
        np.testing.assert_allclose(np.exp(trajectory.behaviour_logits), expected, rtol=1e-4, atol=1e-6)
        learnt = family_of(name).learnt(jnp.asarray(preferences), trajectory.extras, None)
        on_policy = np.allclose(np.exp(learnt), expected, atol=1e-5)
        assert on_policy == (name != "ladder"), "a sample is learnt as what acted"
        softmax = ops.softmax_policy(jnp.asarray(preferences), trajectory.extras.temperature)
        assert np.allclose(np.exp(softmax), expected, atol=1e-5) == (name in SOFTMAX)
        assert np.isfinite(trajectory.extras.temperature).all() and (trajectory.extras.temperature > 0).all()


@each_family
def test_the_controller_learns_the_return_of_each_finished_episode(name):
    """Where an episode ended, by time and then by environment, from what the episode was played with."""
    family, controller = family_of(name), published_by(name).controller
    assert len(controller) == {"bandit": 1, "mixture": 3}.get(name, 0)
    for trajectory in unrolls_of(name):
        rows = np.argwhere(trajectory.last)
        assert len(rows) >= 2 * NUM_ENVS and set(trajectory.episode_return[trajectory.last].tolist()) <= {-1.0, 1.0}
        expected = list(controller)
        for i, x in enumerate(trajectory.extras.coordinates if controller else ()):
            spec = EPSILON if name == "mixture" and i == 0 else X
            one = jax.jit(partial(bandits.update, spec))
            for t, b in rows:
                expected[i] = one(expected[i], x[t, b], trajectory.episode_return[t, b])
        controller = jax.jit(family.update)(controller, trajectory.extras, trajectory.episode_return, trajectory.last)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), controller, tuple(expected))


def test_metrics_are_of_the_rows_that_count():
    trajectory = unrolls_of("bandit")[0]
    metrics = exploration.exploration_metrics(trajectory, ops.CATEGORICAL)
    inverse = 1 / trajectory.extras.temperature[trajectory.mask]
    entropy = ops.entropy(jnp.asarray(trajectory.behaviour_logits[trajectory.mask])).mean()
    np.testing.assert_allclose(metrics["behaviour/entropy"], entropy, rtol=1e-4)
    np.testing.assert_allclose(metrics["behaviour/inverse_temperature"], inverse.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["behaviour/inverse_temperature_std"], inverse.std(), rtol=1e-3)


# On plain arrays


def drawn_for(name, num_envs, seed=0) -> Drawn:
    family = family_of(name)
    controller = jax.jit(family.init)(jax.random.key(seed))
    draw = jax.jit(family.draw, static_argnums=2)
    return draw(controller, jnp.float32(TEMPERATURE), num_envs, jax.random.key(seed + 1))


@each_family
def test_sampled_frequencies_are_the_policy(name):
    """100,000 draws at each of three sets of parameters; five standard errors."""
    family, draws = family_of(name), 100_000
    drawn = drawn_for(name, 3)
    logits = family.log_policy(jnp.broadcast_to(PREFERENCES, (3, 4)), drawn, None)
    action = np.asarray(ops.sample(jax.random.key(0), jnp.broadcast_to(logits, (draws, 3, 4))))
    policy = policy_of(name, np.broadcast_to(PREFERENCES, (3, 4)), drawn.coordinates, TEMPERATURE)
    frequency = (action[..., None] == np.arange(4)).mean(0)
    assert (np.abs(frequency - policy) <= 5 * np.sqrt(policy * (1 - policy) / draws) + 1e-6).all()


@each_family
def test_illegal_actions_and_greedy_acting(name):
    family, drawn = family_of(name), drawn_for(name, 5)
    rows = jnp.broadcast_to(PREFERENCES, (5, 4))
    logits = exploration.behave(family, rows, drawn, jnp.broadcast_to(LEGAL, (5, 4)), jnp.asarray(False))
    policy = np.asarray(jnp.exp(logits))
    assert not policy[:, ~LEGAL].any() and np.isfinite(logits).all()
    allowed = policy_of(name, rows[:, LEGAL], drawn.coordinates, TEMPERATURE)
    np.testing.assert_allclose(policy[:, LEGAL], allowed, rtol=1e-4, atol=1e-6)
    for legal, best in ((None, 2), (jnp.broadcast_to(LEGAL, (5, 4)), 0)):
        greedy = exploration.behave(family, rows, drawn, legal, np.array(True))
        np.testing.assert_array_equal(np.exp(greedy)[:, best], 1)


def test_the_mixture_at_its_ends_is_a_softmax():
    """epsilon 0 and 1, where a logarithm is minus infinity."""
    drawn = Drawn(jnp.ones(2), (jnp.asarray([0.0, 1.0]), jnp.full(2, 0.5), jnp.full(2, 2.0)))
    policy = np.exp(family_of("mixture").log_policy(jnp.broadcast_to(PREFERENCES, (2, 4)), drawn, None))
    np.testing.assert_allclose(policy, softmax(PREFERENCES * np.expm1([[2.0], [0.5]])), rtol=1e-5)


def test_the_mixture_is_learnt_at_the_temperature_of_its_first_order(double):
    """The two differ by the square of the preferences: halving them divides the difference by four."""
    family, drawn = family_of("mixture"), drawn_for("mixture", 20)

    def difference(size):
        rows = jnp.broadcast_to(size * PREFERENCES.astype(np.float64), (20, 4)) * drawn.temperature[:, None]
        mixed, learnt = family.log_policy(rows, drawn, None), ops.softmax_policy(rows, drawn.temperature)
        return np.abs(mixed - learnt).max(-1)

    small, half = difference(1e-5), difference(5e-6)
    some = small > 1e-12
    assert some.sum() > 10
    np.testing.assert_allclose(small[some] / half[some], 4, rtol=0.02)


def test_entropy_is_set_by_the_temperature_alone(double):
    """dH/dtemperature = Var_pi(A) / temperature^3, from 0 to log(number of actions), and hot to cold along x."""
    family = family_of("bandit")

    def entropy(temperature):
        return ops.entropy(family.log_policy(jnp.asarray(PREFERENCES, float), Drawn(temperature, ()), None))

    temperatures, row = np.geomspace(0.02, 50, 40), PREFERENCES.astype(np.float64)
    policy = softmax(row / temperatures[:, None])
    slope = (policy @ row**2 - (policy @ row) ** 2) / temperatures**3
    np.testing.assert_allclose(jax.vmap(jax.grad(entropy))(temperatures), slope, rtol=1e-6, atol=1e-9)
    x = np.linspace(0, np.log(51), 200)
    assert (np.diff(jax.vmap(entropy)(exploration.temperature_of(x))) < 0).all()
    np.testing.assert_allclose([entropy(jnp.asarray(1e-3)), entropy(jnp.asarray(1e6))], [0, np.log(4)], atol=1e-6)
    np.testing.assert_allclose(exploration.coordinate_of(exploration.temperature_of(x[1:])), x[1:], rtol=1e-12)
    assert exploration.temperature_of(0.0) == exploration.MAX_TEMPERATURE


def test_votes_stay_in_their_ranges():
    for drawn, spec in zip(drawn_for("mixture", 3000).coordinates, (EPSILON, X, X), strict=True):
        assert 0 <= drawn.min() < 0.05 * spec.high and 0.95 * spec.high < drawn.max() <= np.float32(spec.high)


def test_more_candidates_than_blocks_are_refused_for_temperatures_only():
    """Epsilon has 10 blocks whatever the temperature has, and proposes as many at most."""
    with pytest.raises(ValueError, match="num_candidates must be 1 to num_blocks = 2, got 3"):
        make_exploration(ExplorationConfig("bandit", num_blocks=2))
    family = make_exploration(ExplorationConfig("mixture", num_candidates=12))
    state = jax.eval_shape(family.init, jax.random.key(0))
    drawn = jax.eval_shape(lambda state, key: family.draw(state, jnp.float32(1), 4, key), state, jax.random.key(1))
    assert [x.shape for x in drawn.coordinates] == [(4,)] * 3


def test_the_ladder_is_the_published_one():
    """epsilon^(1 + 7 i / (B - 1)) from 0.4, learnt at the hypers' temperature; one environment alone has 0.4."""
    drawn = drawn_for("ladder", 8)
    np.testing.assert_allclose(drawn.coordinates[0], 0.4 ** (1 + np.arange(8)), rtol=1e-5)
    np.testing.assert_allclose(drawn.temperature, TEMPERATURE, rtol=1e-6)
    np.testing.assert_allclose(drawn_for("ladder", 1).coordinates[0], [0.4], rtol=1e-6)


def test_the_vote_moves_to_the_temperatures_that_pay():
    """Returns grow with cold, then with heat: the drawn x follow."""
    family = family_of("bandit")

    @jax.jit
    def episodes(controller, key, sign):
        def batch(controller, key):
            drawn = family.draw(controller, jnp.float32(1), 16, key)
            (x,) = drawn.coordinates
            rows = jax.tree.map(lambda leaf: leaf[None], drawn)
            return family.update(controller, rows, sign * x[None], jnp.ones((1, 16), bool)), x

        return jax.lax.scan(batch, controller, jax.random.split(key, 60))

    controller, cold = episodes(jax.jit(family.init)(jax.random.key(0)), jax.random.key(1), 1.0)
    _, hot = episodes(controller, jax.random.key(2), -1.0)
    assert cold[-20:].mean() - 0.5 > np.log(51) / 2 > hot[-20:].mean() + 0.5


@each_family
def test_a_population_draws_as_its_members_would(name):
    """Under vmap the condition becomes a selection; member i has its own controller, temperature and key."""
    family, keys, temperatures = family_of(name), jax.random.split(jax.random.key(3), 3), jnp.asarray([0.1, 0.2, 0.3])
    controllers = jax.jit(jax.vmap(family.init))(keys)
    first = jnp.asarray([[True, False, True, True], [False] * 4, [True] * 4])
    state = exploration.initial_drawn(family, 4)
    redraw = partial(exploration.redraw, family)
    together = jax.jit(jax.vmap(redraw, (0, 0, None, 0, 0)))(controllers, temperatures, state, first, keys)
    for i, key in enumerate(keys):
        member = jax.tree.map(lambda leaf, i=i: leaf[i], controllers)
        alone = jax.jit(redraw)(member, temperatures[i], state, first[i], key)
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-6), together, alone)
        kept = zip(jax.tree.leaves(alone), jax.tree.leaves(state), strict=True)
        assert all((new[~first[i]] == old[~first[i]]).all() for new, old in kept)


# Learning a mixture as what it is


@pytest.mark.parametrize("learnt_at", ["mixture", "temperature"])
def test_exploring_actions_of_a_mixture_are_learnt_from(learnt_at):
    """On policy no ratio is anything but 1; at one temperature for both parts what only the hot one does is lost."""
    family = make_exploration(ExplorationConfig("mixture", mixture_learnt_at=learnt_at))
    epsilon, hot, cold = 0.3, exploration.coordinate_of(jnp.float32(10.0)), exploration.coordinate_of(jnp.float32(0.02))
    drawn = exploration.Drawn(jnp.float32(0), tuple(jnp.float32(x) for x in (epsilon, hot, cold)))
    drawn = drawn._replace(temperature=1 / (0.3 / 10.0 + 0.7 / 0.02))
    preferences = jnp.asarray(PREFERENCES)
    ratio = np.exp(family.learnt(preferences, drawn, None) - family.log_policy(preferences, drawn, None))
    if learnt_at == "mixture":
        np.testing.assert_allclose(ratio, 1, rtol=1e-6)
    else:
        assert ratio.min() < 1e-7 and ratio.max() > 1.2, ratio


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 1.0])
def test_the_gradient_of_a_mixture_is_finite(epsilon, double):
    """Also where one part has no share in it, and where it is so cold that its actions have no probability."""
    drawn = Drawn(jnp.asarray(0.1), tuple(jnp.asarray(x) for x in (epsilon, 0.0, 13.0)))
    legal = jnp.asarray(LEGAL)

    def log_policy(preferences):
        return jnp.where(legal, family_of("mixture").learnt(preferences, drawn, legal), 0)

    slope = jax.jacrev(log_policy)(jnp.asarray(PREFERENCES, float))
    assert np.isfinite(slope).all() and not np.any(np.asarray(slope)[:, ~LEGAL])
    step = 1e-7
    for i in np.flatnonzero(LEGAL):
        away = [log_policy(jnp.asarray(PREFERENCES, float).at[i].add(sign * step)) for sign in (1, -1)]
        np.testing.assert_allclose(slope[:, i], (away[0] - away[1]) / (2 * step), rtol=1e-4, atol=1e-5)


# Normalised logits


def test_normalised_logits_do_not_grow_and_small_ones_are_as_they_were():
    family = make_exploration(ExplorationConfig("fixed", normalise_logits=True))
    drawn, legal = Drawn(jnp.float32(0.3)), jnp.asarray(LEGAL)
    small = 0.1 * jnp.asarray(PREFERENCES) + 7.0
    same = ops.softmax_policy(small, 0.3, legal)
    for policy in (family.log_policy, family.learnt):  # what acts and what is learnt, or every ratio would be wrong
        np.testing.assert_allclose(policy(small, drawn, legal), same, rtol=1e-5, atol=1e-5)
        large = policy(100 * small, drawn, legal)
        np.testing.assert_allclose(policy(300 * small, drawn, legal), large, rtol=1e-4, atol=1e-5)
        slope = jax.jacrev(lambda scale, act=policy: act(scale * small, drawn, legal)[jnp.asarray([0, 1, 3])])(100.0)
        np.testing.assert_allclose(slope, 0, atol=1e-5)  # the direction that a policy gradient never bounds is gone
    moved = small.at[2].add(1000.0)  # an illegal action's logit is nobody's business
    np.testing.assert_allclose(family.learnt(moved, drawn, legal), same, rtol=1e-5, atol=1e-5)
    assert np.isfinite(jax.grad(lambda x: family.learnt(x, drawn, None)[0])(jnp.zeros(4))).all()


def test_advantages_are_not_normalised():
    config = casa.Config(exploration=ExplorationConfig(normalise_logits=True))
    with pytest.raises(ConfigError, match="CASA's are advantages"):
        casa.make(config, mlp.make(mlp.Config((4,)), Catch.spec), Catch.spec, 10)
