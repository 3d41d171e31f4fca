"""Players, matches, and the views of them."""

import json

import jax
import numpy as np
import pytest

from jaxrl.cli.commands import main
from jaxrl.envs.locm.actions import SUMMON_START
from jaxrl.envs.locm.state import LANES, V15
from jaxrl.locm.match import build_decks, match, mirrored_games, paired_interval
from jaxrl.locm.narrate import thoughts
from jaxrl.locm.players import greedy_player, random_player

GREEDY, RANDOM = greedy_player(V15), random_player(V15)


def test_both_games_of_a_pair_have_the_same_decks_in_the_same_order():
    players = (RANDOM, GREEDY)
    state = mirrored_games(jax.random.key(0), V15, 5, None)
    state = jax.jit(lambda s: build_decks(s, players, jax.random.key(1), V15)[0])(state)
    deck, pool = np.asarray(state.deck), np.asarray(state.pool)
    assert np.array_equal(pool[..., :5], pool[..., 5:])
    assert np.array_equal(deck[0, :, :5], deck[1, :, 5:])  # the first player's deck
    assert np.array_equal(deck[1, :, :5], deck[0, :, 5:])  # the second one's
    assert not np.array_equal(deck[0, :, :5], deck[1, :, :5])


@pytest.mark.slow
def test_greedy_beats_random_nine_times_in_ten():
    played = match((GREEDY, RANDOM), V15, games=2000)
    assert played.win_rate >= 0.9 and played.interval()[0] > 0.88 and played.truncated == 0


def test_greedy_beats_random_in_a_few_games():
    played = match((GREEDY, RANDOM), V15, games=128, batch=128)
    assert played.games == 128 and played.win_rate > 0.85


def test_the_interval_covers_the_truth_and_knows_pairs():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        low, high = paired_interval((rng.random((200, 2)) < 0.9).astype(float))
        hits += low <= 0.9 <= high
    assert 0.92 < hits / 400 < 0.99
    alike = np.repeat((rng.random((200, 1)) < 0.5).astype(float), 2, axis=1)
    apart = (rng.random((200, 2)) < 0.5).astype(float)
    width = [high - low for low, high in map(paired_interval, (alike, apart))]
    assert width[0] > 1.25 * width[1]
    low, high = paired_interval(np.ones((50, 2)))
    assert high == pytest.approx(1.0) and 0.9 < low < 1.0


def test_a_match_is_reported_in_words(capsys):
    assert main(["play", "locm", "greedy", "random", "--games", "16", "--seed", "1"]) == 0
    told = capsys.readouterr()
    assert "greedy against random, version 1.5: 16 games in mirrored pairs" in told.out and "greedy wins" in told.out
    first, last = told.err.splitlines()
    assert first.startswith("play: 16 games, 16 at a time") and last.startswith("play: 16 of 16 games played, ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["gredy", "random"], "argument A: there is no 'gredy'; the nearest is greedy, and all are random, greedy"),
        (["random", "no/where"], "argument B: there is no run folder and no file 'no/where'; check the path"),
        (["random", "random", "--games", "0"], "argument --games: must be a whole number of at least 1"),
        (["random", "random", "--game", "3"], "there is no option --game; the nearest is --games"),
        (["random", "random", "--version", "1.2"], "--version 1.2 needs a list of cards: set --card_list"),
        (["random", "random", "--version", "1.2", "--card_list", "none.txt"], "--card_list none.txt cannot be read"),
        (["random", "random", "--card_list", "none.txt"], "version 1.5 generates its cards"),
    ],
)
def test_what_cannot_be_played_is_refused_in_words(words, expected, capsys):
    assert main(["play", "locm", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("jaxrl: error: ") and expected in said and len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (59, "holds 59 cards, and a draft needs 60 different ones; give the competition's whole list"),
        (0, "holds 0 cards"),
    ],
)
def test_a_card_list_that_cannot_make_a_draft_is_refused(tmp_path, capsys, lines, words):
    path = tmp_path / "cards.txt"
    path.write_text("".join(f"{i} ; A ; creature ; 1 ; 1 ; 1 ; ------ ; 0 ; 0 ; 0 ; text\n" for i in range(lines)))
    rules = ["--version", "1.2", "--card_list", str(path)]
    for command in (["play", "locm", "random", "random"], ["view", "locm", "random", "random"], ["bench", "locm"]):
        assert main([*command, *rules]) == 2
        assert words in capsys.readouterr().err
    path.write_text(path.read_text() + "7 ; B ; creature ; 1 ; 1 ; 1 ; ------ ; 0 ; 0 ; 0 ; text\n" * 2)
    assert main(["play", "locm", "random", "random", *rules]) == 2
    assert "card 7 is listed twice" in capsys.readouterr().err


def test_a_game_can_be_read_turn_by_turn(capsys):
    assert main(["view", "locm", "random", "random", "--seed", "3"]) == 0
    text = capsys.readouterr().out
    assert text.count("Deck of") == 2 and "Turn 1 (round 1), P0 random to move" in text
    assert "ends the turn" in text and text.rstrip().splitlines()[-1].startswith("P")
    assert "wins in turn" in text and "?" not in text


def test_thoughts_count_two_copies_of_a_card_as_one_action():
    state = jax.tree.map(lambda x: x[..., 0], jax.device_get(mirrored_games(jax.random.key(0), V15, 1, None)))
    hand = np.array(state.hand)
    hand[0, :3] = 7, 5, 7
    shares = np.zeros((145, 1))
    for slot, share in enumerate((0.2, 0.3, 0.5)):
        shares[SUMMON_START + LANES * slot] = share
    words = thoughts(shares, np.array([-0.25]), state._replace(hand=hand))
    assert words.strip() == "value -0.25: 70% summons #7, to lane 0; 30% summons #5, to lane 0"


def test_speed_is_measured_and_written(tmp_path, capsys):
    path = tmp_path / "new" / "speed.json"
    words = ["--batch", "16", "--threads", "1", "--seconds", "0.1", "--json"]
    assert main(["bench", "locm", *words, str(path)]) == 0
    (row,) = json.loads(path.read_text())
    assert row["batch"] == 16 and row["steps"] > 0 and row["truncated"] == 0
    assert "games/s" in capsys.readouterr().out
    assert main(["bench", "locm", *words, str(tmp_path)]) == 1
    assert "it is a folder" in capsys.readouterr().err
