"""The card game's network: legal play in both stages, what must not matter to it, and its switches."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.envs.locm.actions import attack_action, summon_action, use_action
from jaxrl.envs.locm.cards import unpack
from jaxrl.envs.locm.observe import card_features
from jaxrl.envs.locm.sampling import random_action
from jaxrl.locm.policy.network import CardNetwork, Config
from jaxrl.locm.policy.words import is_card, word_features
from jaxrl.locm.table import CardTable, view_shapes

GAMES = 6


@pytest.fixture(scope="module")
def views():
    """Views of both stages with their masks: games played at random for a while, [steps * B, ...]."""
    table = CardTable(GAMES)

    @partial(jax.jit, static_argnums=1)
    def play(state, steps):
        def step(state, key):
            turn = table.timestep(state)
            action = random_action(key, turn.legal.T).astype(jnp.int32)
            return table.step(state, action), (turn.observation, turn.legal, turn.player)

        return jax.lax.scan(step, state, jax.random.split(jax.random.key(1), steps))[1]

    rows = play(table.reset(jax.random.key(0)), 110)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:: GAMES + 1], rows)


@pytest.fixture(scope="module")
def applied(views):
    network = CardNetwork(Config(width=32, core_size=8))
    params = network.init(jax.random.key(2), views[0])
    return network, params, jax.jit(lambda view: network.apply(params, view))


def test_views_have_their_shapes(views):
    view, legal, _ = views
    for leaf, shape in zip(view, view_shapes(), strict=True):
        assert leaf.shape[1:] == shape.shape and leaf.dtype == shape.dtype
    battle = np.asarray(view.in_battle) == 1
    assert 10 < battle.sum() < len(battle) - 10
    assert not view.cards[battle].any() and is_card(view.picks[battle]).all()
    assert not view.hand[~battle].any() and not view.left[~battle].any()
    # A card cannot be in the deck and in the hand: 30 picks in all.
    assert (view.left[battle].sum(-1) + is_card(view.hand[battle]).sum(-1) <= 30).all()
    assert (legal.sum(-1) > 0).all() and not legal[~battle][:, 120:].any()


def test_words_read_as_features(views):
    """Packed cards give the columns of `observe.card_features`, which the bits of `cards.unpack` give too."""
    words = views[0].picks
    cards = jax.tree.map(lambda x: x.swapaxes(0, 1), unpack(jnp.moveaxis(words, -1, 0)))
    wanted = card_features(cards, is_card(words).T).transpose(2, 0, 1)
    np.testing.assert_allclose(word_features(words), wanted, atol=1e-6)


@pytest.mark.parametrize(("pick_head", "core_size"), [("product", 8), ("dense", 0)])
def test_a_game_is_embedded_once(pick_head, core_size):
    """Rows of a column, whose cards are embedded once a game, against the same rows one by one, gradients included."""
    columns, time = 5, 40
    table = CardTable(columns, max_battle_steps=9)

    def step(carry, key):
        state, mine = carry
        turn = table.timestep(state)
        action = random_action(key, turn.legal.T).astype(jnp.int32)
        return (table.step(state, action), mine), (turn.observation, turn.first, turn.last, turn.player)

    start = table.reset(jax.random.key(3)), 0
    keys = jax.random.split(jax.random.key(1), 50 + 2 * time)
    seen, first, last, player = jax.jit(lambda: jax.lax.scan(step, start, keys)[1])()
    number = np.cumsum(first, axis=0)
    rows = [np.flatnonzero((player[:, b] == 0) & ~last[:, b])[25 - 3 * b :][:time] for b in range(columns)]
    begins = np.stack([np.diff(number[r, b], prepend=number[r[0], b]) > 0 for b, r in enumerate(rows)])
    assert begins.sum() > 0 and all(len(r) == time for r in rows)
    flat = jax.tree.map(lambda x: jnp.concatenate([x[r, b] for b, r in enumerate(rows)]), seen)
    network = CardNetwork(Config(width=32, core_size=core_size, pick_head=pick_head))
    memory = network.initial_memory(columns)
    params = network.init(jax.random.key(2), jax.tree.map(lambda x: x[:1], flat))

    def together(params):
        out: Any = network.apply(params, flat, jnp.asarray(begins), memory)
        return out.policy, out.value

    def one_by_one(params):
        def row(memory, row):
            view, begins = row
            out: Any = network.apply(params, view, begins[:, None], memory)
            return out.memory, (out.policy, out.value)

        rows = jax.tree.map(lambda x: x.reshape(columns, time, *x.shape[1:]).swapaxes(0, 1), flat)
        outs = jax.lax.scan(row, memory, (rows, jnp.asarray(begins).T))[1]
        return jax.tree.map(lambda x: x.swapaxes(0, 1).reshape(columns * time, *x.shape[2:]), outs)

    def outputs_and_gradient(of):
        def loss(params):
            outs = of(params)
            return sum(jnp.mean(jnp.sin(x)) for x in outs), outs

        return jax.jit(jax.grad(loss, has_aux=True))(params)

    first_way, second_way = outputs_and_gradient(together), outputs_and_gradient(one_by_one)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), first_way, second_way)


def test_heads(views, applied):
    out = applied[2](views[0])
    assert out.policy.shape == (len(views[1]), 145) and out.value.shape == out.policy.shape[:1]
    assert jnp.isfinite(out.policy).all() and jnp.abs(out.policy).max() < 3
    battle = np.asarray(views[0].in_battle) == 1
    assert not out.policy[~battle][:, 120:].any(), "nothing behind the cards on offer"
    assert np.asarray(out.policy[battle]).std(axis=1).min() > 0, "actions differ"


def test_lanes_and_hand_slots_are_interchangeable(views, applied):
    """The same position with its lanes and its hand in another order: the logits go with them, the value stays."""
    apply = applied[2]
    battle = np.flatnonzero(np.asarray(views[0].in_battle) == 1)
    view = jax.tree.map(lambda x: x[battle], views[0])
    order = np.array([3, 0, 1, 2, 7, 6, 5, 4])
    moved = view._replace(board=view.board[:, :, ::-1], hand=view.hand[:, order])
    before, after = apply(view), apply(moved)
    np.testing.assert_allclose(after.value, before.value, atol=1e-4)
    slots = {}
    lane_of = {-1: -1, **{k: (k // 6) * 6 + (k % 6 + 3) % 6 for k in range(12)}}
    for new, old in enumerate(order):
        for lane in (0, 1):
            slots[summon_action(new, 1 - lane)] = summon_action(int(old), lane)
        for target in range(-1, 12):
            slots[use_action(new, lane_of[target])] = use_action(int(old), target)
    for lane in (0, 1):
        for slot in range(3):
            for target in range(-1, 3):
                slots[attack_action(1 - lane, slot, target)] = attack_action(lane, slot, target)
    slots[0] = 0
    assert sorted(slots) == sorted(slots.values()) == list(range(145))
    renamed = np.asarray(before.policy)[:, [slots[k] for k in range(145)]]
    np.testing.assert_allclose(after.policy, renamed, atol=1e-4)
    assert np.abs(renamed - np.asarray(before.policy)).max() > 1e-3


def test_the_order_of_the_pool_does_not_matter(views, applied):
    deck = np.flatnonzero(np.asarray(views[0].in_battle) == 0)
    view = jax.tree.map(lambda x: x[deck], views[0])
    order = np.random.default_rng(0).permutation(120)
    moved = view._replace(
        cards=view.cards[:, order], copies=view.copies[:, order], picks=view.picks[:, ::-1], left=view.left[:, ::-1]
    )
    before, after = applied[2](view), applied[2](moved)
    np.testing.assert_allclose(after.value, before.value, atol=1e-4)
    np.testing.assert_allclose(after.policy[:, :120], before.policy[:, :120][:, order], atol=1e-4)


def test_a_second_copy_is_seen(views, applied):
    deck = np.flatnonzero(np.asarray(views[0].in_battle) == 0)
    view = jax.tree.map(lambda x: x[deck], views[0])
    once = view._replace(copies=view.copies.at[:, 5].set(1))
    changed = np.abs(np.asarray(applied[2](once).policy - applied[2](view).policy))
    assert changed[:, 5].max() > 1e-4


@pytest.mark.parametrize("switch", ["shared_embedding", "shared_summary", "core_size"])
def test_switches(views, switch):
    """Without the shared embedding there is a second one; without the shared summary the battle knows no drawn card."""
    network = CardNetwork(Config(width=32, **{"core_size": 8, switch: 0 if switch == "core_size" else False}))
    params = network.init(jax.random.key(2), views[0])["params"]
    assert ("battle_embedding" in params) == (switch == "shared_embedding")
    assert ("core" in params) == (switch != "core_size")
    assert all(x.size for x in network.initial_memory(2)) == (switch != "core_size")

    def values(view):
        out: Any = network.apply({"params": params}, view)
        return out.value

    battle = np.flatnonzero(np.asarray(views[0].in_battle) == 1)
    view = jax.tree.map(lambda x: x[battle], views[0])
    drawn = (view.left == 0)[..., None]
    other = view._replace(picks=jnp.where(drawn, jnp.roll(view.picks, 1, axis=0), view.picks))
    same = np.allclose(values(view), values(other), atol=1e-6)
    assert same == (switch == "shared_summary")
