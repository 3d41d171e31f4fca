"""Episodes of both stages, auto-reset, truncation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs.locm.env import BATTLE_STAGE, DECK_STAGE, Locm, LocmBatch
from jaxrl.envs.locm.sampling import random_action
from jaxrl.envs.locm.state import DECK_STEPS
from tests.envs.locm.table import quick_jit

GAMES, STEPS = 24, 240


@pytest.fixture(scope="module")
def run():
    """Time steps `[T+1, B, ...]` of random play with auto-reset, the actions, and the pools."""
    batch = LocmBatch(Locm(), GAMES)

    def step(state, key):
        action = random_action(key, batch.legal(state))
        after = batch.step(state, action)
        return after, (batch.timestep(after), action, after.episode.game.pool)

    @quick_jit
    def play(key):
        state = batch.reset(key)
        _, (steps, actions, pools) = jax.lax.scan(step, state, jax.random.split(key, STEPS))
        first = (batch.timestep(state), state.episode.game.pool)
        steps, pools = jax.tree.map(lambda x, y: jnp.concatenate([x[None], y]), first, (steps, pools))
        return steps, actions, pools

    return jax.device_get(play(jax.random.key(0)))


def test_shapes_have_the_batch_first(run):
    steps, _, _ = run
    assert steps.legal.shape == (STEPS + 1, GAMES, 145) and steps.reward.shape == (STEPS + 1, GAMES, 2)
    assert steps.observation.battle.hand.shape == (STEPS + 1, GAMES, 8, 20)
    assert steps.observation.deck.cards.shape == (STEPS + 1, GAMES, 120, 20)


def test_episodes_end_and_begin_as_the_interface_says(run):
    steps, _, pools = run
    assert steps.first[0].all() and steps.last.sum() > GAMES
    assert np.array_equal(steps.first[1:], steps.last[:-1])
    assert np.array_equal(steps.discount == 0, steps.last)  # none truncated here
    assert (steps.reward.sum(-1) == 0).all()
    decided = np.abs(steps.reward).sum(-1) > 0
    assert np.array_equal(decided, steps.last)
    assert (steps.episode_length[steps.first] == 0).all()
    grown = steps.episode_length[1:] == steps.episode_length[:-1] + 1
    assert (grown | steps.first[1:]).all()
    # Every episode has cards of its own.
    starts = {pools[t, :, :, game].tobytes() for t, game in zip(*np.nonzero(steps.first), strict=True)}
    assert len(starts) == steps.first.sum()


def test_stages_players_and_masks(run):
    steps, actions, _ = run
    deck = steps.episode_length < DECK_STEPS
    assert np.array_equal(steps.stage == DECK_STAGE, deck) and (steps.stage[~deck] == BATTLE_STAGE).all()
    assert np.array_equal(steps.player[deck], steps.episode_length[deck] % 2)
    assert (steps.player[steps.episode_length == DECK_STEPS] == 0).all()
    assert steps.legal.any(-1).all()
    assert not steps.legal[deck][:, 120:].any()
    taken = np.take_along_axis(steps.legal[:-1], actions[..., None].astype(int), -1)
    assert taken.all()
    battle = ~deck & ~steps.last
    assert steps.legal[battle][:, 0].all()
    assert np.array_equal(steps.observation.in_battle > 0, ~deck)


def test_the_other_stage_reads_as_zeros(run):
    steps, _, _ = run
    deck = steps.stage == DECK_STAGE
    for stage, parts in ((deck, steps.observation.battle), (~deck, steps.observation.deck)):
        assert all(not leaf[stage].any() for leaf in jax.tree.leaves(parts))
    shown = steps.observation.battle.scalars[~deck]
    assert np.isfinite(shown).all() and np.abs(shown).max() < 10


def test_a_long_battle_is_truncated():
    env = Locm(max_battle_steps=4)
    step, see = quick_jit(env.step), quick_jit(env.timestep)
    episode = quick_jit(lambda key: env.init(key, (2,)))(jax.random.key(0))
    for number in range(64):
        assert not bool(see(episode).last.any())
        episode = step(episode, np.full(2, number if number < 60 else 0))
    final = see(episode)
    assert bool(final.last.all()) and (np.asarray(final.discount) == 1).all() and not np.asarray(final.reward).any()


def test_one_episode_needs_no_batch():
    env = Locm()
    episode = quick_jit(env.init)(jax.random.key(1))
    step, see = quick_jit(env.step), quick_jit(env.timestep)
    for number in range(62):
        shown = see(episode)
        assert shown.legal.shape == (145,) and shown.player.shape == ()
        episode = step(episode, np.argmax(shown.legal))
        assert int(see(episode).episode_length) == number + 1
