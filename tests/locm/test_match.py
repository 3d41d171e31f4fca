"""Players, matches, and the views of them."""

import json

import jax
import numpy as np
import pytest

from jaxrl.bench import locm
from jaxrl.envs.locm.state import V15
from jaxrl.locm import match, narrate
from jaxrl.locm.match import build_decks, mirrored_games, paired_interval, play_named
from jaxrl.locm.players import greedy_player, random_player


def test_both_games_of_a_pair_have_the_same_decks_in_the_same_order():
    players = (random_player(V15), greedy_player(V15))
    state = mirrored_games(jax.random.key(0), V15, 5, None)
    state = jax.jit(lambda s: build_decks(s, players, jax.random.key(1), V15))(state)
    deck, pool = np.asarray(state.deck), np.asarray(state.pool)
    assert np.array_equal(pool[..., :5], pool[..., 5:])
    assert np.array_equal(deck[0, :, :5], deck[1, :, 5:])  # the first player's deck
    assert np.array_equal(deck[1, :, :5], deck[0, :, 5:])  # the second one's
    assert not np.array_equal(deck[0, :, :5], deck[1, :, :5])


@pytest.mark.slow
def test_greedy_beats_random_nine_times_in_ten():
    match = play_named("greedy", "random", games=2000)
    assert match.win_rate >= 0.9 and match.interval()[0] > 0.88 and match.truncated == 0


def test_greedy_beats_random_in_a_few_games():
    match = play_named("greedy", "random", games=128, batch=128)
    assert match.games == 128 and match.win_rate > 0.85 and "greedy wins" in match.report()


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


@pytest.mark.parametrize(
    "arguments", [["nobody", "random"], ["random", "random", "--games", "0"], ["random", "random", "--version", "1.2"]]
)
def test_what_cannot_be_played_is_refused_in_words(arguments, capsys):
    assert match.main(arguments) == 2
    assert capsys.readouterr().err.startswith("play: ")


def test_a_game_can_be_read_turn_by_turn(capsys):
    assert narrate.main(["random", "random", "--seed", "3"]) == 0
    text = capsys.readouterr().out
    assert text.count("Deck of") == 2 and "Turn 1 (round 1), P0 random to move" in text
    assert "ends the turn" in text and text.rstrip().splitlines()[-1].startswith("P")
    assert "wins in turn" in text and "?" not in text


def test_speed_is_measured_and_written(tmp_path, capsys):
    path = tmp_path / "speed.json"
    assert locm.main(["--batch", "16", "--threads", "1", "--seconds", "0.1", "--json", str(path)]) == 0
    (row,) = json.loads(path.read_text())
    assert row["batch"] == 16 and row["steps"] > 0 and row["truncated"] == 0
    assert "games/s" in capsys.readouterr().out
