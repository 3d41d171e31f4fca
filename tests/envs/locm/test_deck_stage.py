"""The deck stage: picks, copies, the draft's triples, and the deal."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.envs.locm.cards import Cards, from_rows, load_card_list, pack, unpack
from jaxrl.envs.locm.deal import new_game, random_ranks
from jaxrl.envs.locm.deck_stage import deck_legal, offer, pick, picked
from jaxrl.envs.locm.env import MAX_BATTLE_STEPS, Locm
from jaxrl.envs.locm.state import V12, V15, in_battle
from tests.envs.locm.generator_reference import chi_square_z
from tests.envs.locm.table import quick_jit

PICK = {version: quick_jit(lambda s, c, v=version: pick(s, c, v)) for version in (V12, V15)}
DEAL = quick_jit(lambda key: new_game(key, V15))
PICKED = quick_jit(picked)
LIST_LINES = [
    "1 ; Slimer ; creature ; 1 ; 2 ; 1 ; ------ ; 1 ; 0 ; 0 ; Summon: You gain 1 health. ",
    "117 ; Protein ; itemGreen ; 1 ; 1 ; 1 ; BC---- ; 0 ; 0 ; 0 ; Give a friendly creature +1/+1; and more.",
    "151 ; Decimate ; itemRed ; 5 ; 0 ; -99 ; BCDGLW ; 0 ; 0 ; 0 ; text",
    "160 ; Minor Life Steal Potion ; itemBlue ; 2 ; 0 ; 0 ; ------ ; 2 ; -2 ; 0 ; text",
]


def fake_list() -> Cards:
    return from_rows([(i % 4, i % 13, i % 9, 1 + i // 20, i % 64, 0, 0, 0, 0) for i in range(160)])


def test_a_card_list_is_read_from_a_file(tmp_path):
    path = tmp_path / "cards.txt"
    path.write_text("\n".join(LIST_LINES) + "\n\n")
    cards, names = load_card_list(path)
    assert names == ["Slimer", "Protein", "Decimate", "Minor Life Steal Potion"]
    assert cards.type.tolist() == [0, 1, 2, 3] and cards.defense.tolist() == [1, 1, -99, 0]
    assert cards.keywords.tolist() == [0, 3, 63, 0] and cards.opponent_health.tolist() == [0, 0, 0, -2]
    assert all(np.array_equal(a, b) for a, b in zip(unpack(pack(cards)), cards, strict=True))


def test_a_bad_card_list_names_its_line(tmp_path):
    path = tmp_path / "cards.txt"
    path.write_text(LIST_LINES[0] + "\n2 ; broken\n")
    try:
        load_card_list(path)
    except ValueError as error:
        assert "line 2" in str(error)
    else:
        raise AssertionError("accepted")


def test_construction_allows_two_copies_and_fills_up_from_the_first_card():
    state = DEAL(jax.random.key(0))
    for choice in (7, 7, 7, 7):
        state = PICK[V15](state, jnp.int32(choice))
    legal = np.asarray(deck_legal(state, V15))
    assert not legal[7] and legal.sum() == 119
    state = PICK[V15](state, jnp.int32(7))  # not legal any more: the first card still available
    assert PICKED(state, jnp.int16(0)).tolist()[:3] == [7, 7, 0]
    for choice in range(55):
        assert not bool(in_battle(state))
        state = PICK[V15](state, jnp.int32(choice))
    assert bool(in_battle(state)) and int(state.player) == 0 and int(state.turn) == 0


def test_the_shuffle_decides_where_a_pick_lies():
    state = DEAL(jax.random.key(0))
    for number in range(60):
        state = PICK[V15](state, jnp.int32(number))
    for seat in (0, 1):
        deck, place = np.asarray(state.deck[seat]), np.asarray(state.place[seat])
        assert deck[place].tolist() == [2 * i + seat for i in range(30)]
        assert PICKED(state, jnp.int16(seat)).tolist() == [2 * i + seat for i in range(30)]
    assert not np.array_equal(state.place[0], state.place[1])
    assert state.hand[0].tolist()[:5] == state.deck[0].tolist()[:5]
    assert [int(x) for x in state.mana] == [1, 1] and bool(state.bonus_mana[1]) and not bool(state.bonus_mana[0])


def test_both_players_of_a_draft_are_offered_the_same_three_cards():
    state = quick_jit(lambda key: new_game(key, V12, (), fake_list()))(jax.random.key(0))
    offered = quick_jit(offer)
    for number in range(30):
        first = offered(state)
        assert first.tolist() == state.offers[number].tolist()
        state = PICK[V12](state, jnp.int32(2))
        assert offered(state).tolist() == first.tolist()
        state = PICK[V12](state, jnp.int32(9))  # not a choice: the first card
    assert PICKED(state, jnp.int16(0)).tolist() == state.offers[:, 2].tolist()
    assert PICKED(state, jnp.int16(1)).tolist() == state.offers[:, 0].tolist()


def test_drafts_are_uniform():
    games = 4000
    state = quick_jit(lambda key: new_game(key, V12, (games,), fake_list()))(jax.random.key(1))
    offers = np.asarray(state.offers)
    assert (np.diff(np.sort(offers, axis=1), axis=1) > 0).all()  # three different cards
    for place in range(3):
        assert abs(chi_square_z(np.bincount(offers[:, place].ravel(), minlength=60), np.full(60, 1 / 60))) < 4.5
    first, second = offers[:, 0].ravel(), offers[:, 1].ravel()
    pairs = np.bincount(first * 60 + second, minlength=3600).reshape(60, 60)
    off = ~np.eye(60, dtype=bool)
    assert abs(chi_square_z(pairs[off], np.full(3540, 1 / 3540))) < 4.5
    # 60 different cards of the list, each as likely.
    words = np.asarray(state.pool)
    listed = {tuple(word): i for i, word in enumerate(np.asarray(pack(fake_list())).T)}
    assert len(listed) == 160
    chosen = np.array([[listed[tuple(words[:, i, game])] for i in range(60)] for game in range(500)])
    assert (np.diff(np.sort(chosen, axis=1), axis=1) > 0).all()
    counts = np.bincount(chosen.ravel(), minlength=160)
    assert counts.std() < 1.3 * np.sqrt(500 * 60 / 160 * (100 / 160))


def test_shuffles_are_uniform_permutations():
    ranks = np.asarray(quick_jit(lambda key: random_ranks(key, (2, 30, 20_000), axis=1))(jax.random.key(2)))
    assert (np.sort(ranks, axis=1) == np.arange(30)[None, :, None]).all()
    for card in (0, 13, 29):
        assert abs(chi_square_z(np.bincount(ranks[0, card], minlength=30), np.full(30, 1 / 30))) < 4.5
    joint = np.bincount(ranks[0, 3].astype(int) * 30 + ranks[1, 3], minlength=900)
    assert abs(chi_square_z(joint, np.full(900, 1 / 900))) < 4.5


def test_version_12_needs_a_card_list():
    try:
        Locm(V12, None, MAX_BATTLE_STEPS).init(jax.random.key(0))
    except ValueError as error:
        assert "card list" in str(error)
    else:
        raise AssertionError("accepted")
