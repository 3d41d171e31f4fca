"""What the network is told that an action would do, against what the rules do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs.locm.actions import (
    ATTACK_START,
    ATTACK_TARGETS,
    NUM_BATTLE_ACTIONS,
    USE_START,
    USE_TARGETS,
    summon_action,
    use_action,
)
from jaxrl.envs.locm.arrays import present
from jaxrl.envs.locm.battle import act
from jaxrl.envs.locm.legal import battle_legal
from jaxrl.envs.locm.observe import STRENGTH_SCALE
from jaxrl.envs.locm.sampling import random_action
from jaxrl.envs.locm.state import HAND_SLOTS, V15, in_battle
from jaxrl.locm.policy.outcomes import OPPONENT_HEALTH, outcomes
from jaxrl.locm.policy.words import word_features
from jaxrl.locm.table import CardTable, view

GAMES, STEPS = 64, 130
NO_AREA = 17  # a column of a card


@pytest.fixture(scope="module")
def battles():
    """Battles that were played at random for a while, [n]."""
    table = CardTable(GAMES)

    @jax.jit
    def play():
        def step(state, key):
            action = random_action(key, table.timestep(state).legal.T).astype(jnp.int32)
            return table.step(state, action), state.episode.game

        return jax.lax.scan(step, table.reset(jax.random.key(0)), jax.random.split(jax.random.key(1), STEPS))[1]

    def flat(x):
        rows = np.moveaxis(np.asarray(x)[70::3], 0, -1)
        return rows.reshape(*rows.shape[:-2], rows.shape[-2] * rows.shape[-1])

    rows = jax.tree.map(flat, play())
    going = np.asarray(in_battle(rows) & (rows.winner < 0))
    return jax.tree.map(lambda x: jnp.asarray(x[..., going][..., :600]), rows)


@jax.jit
def tell(battles):
    """The arguments of `outcomes`, and what it says of them."""
    seen = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), view(battles, V15))
    board, hand = seen.board.astype(jnp.float32), word_features(seen.hand)
    arguments = board, hand, seen.scalars[:, OPPONENT_HEALTH].astype(jnp.float32)
    return arguments, outcomes(*arguments)


@pytest.fixture(scope="module")
def told(battles):
    return tell(battles)


def count(state):
    """Creatures of both sides, int [2, n]."""
    return np.asarray(present(state.board)).sum((1, 2))


@jax.jit
def after(state, action):
    return act(state, jnp.full(state.winner.shape, action), V15, with_turn=False)


def test_attacks_and_items_do_what_is_told(battles, told):
    legal, seen = np.asarray(battle_legal(battles)), told[1]
    falls, dies, *_ = (np.asarray(x).reshape(-1, 6, 3) for x in seen.attacks)
    wins, items = np.asarray(seen.attacks_on_face[0]).reshape(-1, 6), np.asarray(seen.uses[0])
    burns = np.asarray(seen.uses_on_face[0]).reshape(-1, 8)
    opens, reach = np.asarray(seen.attacks[6]).reshape(-1, 6, 3), np.asarray(seen.lanes)[..., 2]
    before, tried = count(battles), np.zeros(4, int)
    for action in range(USE_START, NUM_BATTLE_ACTIONS):
        may = legal[action]
        if not may.any():
            continue
        state = after(battles, action)
        own, enemy = (before - count(state))[:, may]
        won = np.asarray(state.winner)[may] >= 0
        if action < ATTACK_START:
            slot, target = divmod(action - USE_START, USE_TARGETS)
            if target == 0:
                np.testing.assert_array_equal(burns[may, slot] > 0, won)
            elif target > 6:
                np.testing.assert_array_equal(items[may, slot, target - 7][~won], enemy[~won])
                tried[0] += (enemy > 0).sum()
            continue
        attacker, target = divmod(action - ATTACK_START, ATTACK_TARGETS)
        if target == 0:
            np.testing.assert_array_equal(wins[may, attacker] > 0, won)
            continue
        np.testing.assert_array_equal(falls[may, attacker, target - 1], enemy)
        np.testing.assert_array_equal(dies[may, attacker, target - 1], own)
        gained = np.maximum(np.asarray(tell(state)[1].lanes)[..., 2] - reach, 0)[may, attacker // 3]
        opened = opens[may, attacker, target - 1]
        np.testing.assert_allclose(opened, gained, atol=1e-3)
        tried[1:] += [(enemy > 0).sum(), (own > 0).sum(), (opened > 0).sum()]
    assert (tried[:3] > 20).all() and tried[3] > 3, tried


def test_items_change_what_comes_after_as_is_told(battles, told):
    """Of items without an area: what the attacks could do before and after, by the rules, is the difference told."""
    cards, legal = told[0][1], np.asarray(battle_legal(battles))
    alone = np.asarray(cards)[:, :, NO_AREA] > 0
    seen, found, enemies, power = told[1], np.zeros(4), count(battles)[1], np.asarray(battles.board.attack)
    for slot in range(HAND_SLOTS):
        for target in range(1, USE_TARGETS):
            may = legal[use_action(slot, target - 1)] & alone[:, slot]
            state = after(battles, use_action(slot, target - 1))
            after_it = tell(state)[1]
            lane, place = divmod((target - 1) % 6, 3)
            if target > 6:
                opened = np.asarray(after_it.lanes - seen.lanes)[may, lane, 2]
                np.testing.assert_allclose(np.asarray(seen.uses[3])[may, slot, target - 7], opened, atol=1e-3)
                lives = may & (count(state)[1] == enemies)
                weaker = (power - np.asarray(state.board.attack))[1, lane, place, lives] / STRENGTH_SCALE
                np.testing.assert_allclose(np.asarray(seen.uses[4])[lives, slot, target - 7], weaker, atol=1e-3)
                found += [(opened > 0).sum(), 0, 0, (weaker > 0).sum()]
                continue
            kills, dies = (
                np.asarray(b - a).sum(3)[may, lane, place]
                for a, b in zip(seen.attacks[:2], after_it.attacks[:2], strict=True)
            )
            gains, saves = (np.asarray(x)[may, slot, target - 1] for x in seen.uses_on_own)
            np.testing.assert_array_equal(gains, kills)
            np.testing.assert_array_equal(saves, -dies)
            found[1:3] += [(gains > 0).sum(), (saves > 0).sum()]
    assert (found > 3).all(), found


def test_summons_are_told(battles, told):
    """The creature that a card becomes, on the board: whom it can kill, and who can kill it."""
    legal, seen, found = np.asarray(battle_legal(battles)), told[1], np.zeros(4)
    alone = np.asarray(told[0][1])[:, :, NO_AREA] > 0
    room = np.asarray(present(battles.board))[0].sum(1)  # [2, n]: the place of the next creature of each lane
    for slot in range(HAND_SLOTS):
        for lane in (0, 1):
            may = np.flatnonzero(legal[summon_action(slot, lane)] & alone[:, slot])
            after_it = tell(after(battles, summon_action(slot, lane)))[1]
            kills, dies = (np.asarray(x)[may, lane, room[lane, may]].sum(-1) for x in after_it.attacks[:2])
            lanes = np.asarray(after_it.lanes - seen.lanes)[may, lane]
            dangers, prey, charges, guards = (np.asarray(x)[may, slot, lane] for x in seen.summons)
            np.testing.assert_array_equal(dangers, dies)
            np.testing.assert_array_equal(prey, kills)
            np.testing.assert_allclose(charges, lanes[:, 2], atol=1e-3)
            np.testing.assert_allclose(guards, -lanes[:, 3], atol=1e-3)
            found += [(x > 0).sum() for x in (dangers, prey, charges, guards)]
    assert (found > 3).all(), found


def test_numpy_computes_the_same(told):
    arguments, seen = told
    board, hand, health = (np.asarray(x) for x in arguments)
    ours = outcomes(board, hand, health, np)
    jax.tree.map(lambda mine, theirs: np.testing.assert_allclose(mine, theirs, atol=1e-6), ours, seen)


def test_a_creature_is_threatened_where_an_enemy_of_its_lane_can_kill_it(told):
    (board, _, _), seen = told
    board, threatened = np.asarray(board), np.asarray(seen.creatures)[..., 0]
    game, side, lane, slot = np.argwhere(threatened > 0)[7]
    others = board[game, 1 - side, lane]
    assert any(x[0] and x[1] > 0 and (x[1] >= board[game, side, lane, slot, 2] or x[7]) for x in others)
    assert 0 < threatened.mean() < 0.5
