"""The card game's records in pictures."""

from pathlib import Path

import numpy as np
import pytest

from jaxrl.analysis import (
    RunDataError,
    crossplay_figure,
    decks_figure,
    exploit_figure,
    learning_figure,
    value_figure,
)

RECORDS = Path("docs/evidence/results/locm")
GAME = """Turn 1 (round 1), P0 scored to move
  > ends the turn
Turn 2 (round 1), P1 champion to move
    value -0.25: 90% summons #3
  > summons #3
    value +0.50: 60% ends the turn
  > ends the turn
Turn 4 (round 2), P1 champion to move
    value +0.90: 99% attacks
"""


@pytest.mark.parametrize("figure", [learning_figure, decks_figure, value_figure, crossplay_figure, exploit_figure])
def test_the_records_can_be_drawn(figure):
    assert figure(RECORDS).get_axes()


def test_nothing_stands_where_nothing_was_played(tmp_path):
    """Runs report a half before their first match; a half later on is a result."""
    names = "part,samples_of_part,samples_before,against_greedy,against_scored,entropy_deck,entropy_battle"
    rows = [
        "a,10,0,0.5,0.5,4,1",
        "a,20,0,0.7,0.2,3,1",
        "a,30,0,0.5,0.5,2,1",
        "b,5,30,0.5,0.5,2,",
        "b,10,30,0.9,0.6,2,1",
    ]
    (tmp_path / "champion.csv").write_text("\n".join([names, *rows]) + "\n")
    greedy, scored, _, battle = learning_figure(tmp_path).get_axes()
    np.testing.assert_array_equal(greedy.lines[0].get_xydata(), [[10, np.nan], [20, 0.7], [30, 0.5]])
    np.testing.assert_array_equal(scored.lines[1].get_xydata(), [[35, np.nan], [40, 0.6]])
    np.testing.assert_array_equal(battle.lines[1].get_xydata(), [[35, np.nan], [40, 1]])


@pytest.mark.parametrize(("winner", "word"), [("P1 champion", "wins"), ("P0 scored", "loses")])
def test_a_game_is_read_as_it_was_told(tmp_path, winner, word):
    (tmp_path / "game.txt").write_text(f"{GAME}\n{winner} wins in turn 4.\n")
    figure = value_figure(tmp_path)
    line = figure.get_axes()[0].lines[0]
    np.testing.assert_allclose(line.get_xydata(), [[2, -0.25], [2.5, 0.5], [4, 0.9]])
    assert f"Champion as P1 {word}" in figure.get_suptitle()


def test_half_a_game_and_a_missing_file_are_named(tmp_path):
    (tmp_path / "game.txt").write_text(GAME)
    with pytest.raises(RunDataError, match="no whole game of a policy; write it with `jaxrl view locm`"):
        value_figure(tmp_path)
    with pytest.raises(RunDataError, match=r"cannot read .*champion\.csv"):
        decks_figure(tmp_path)
