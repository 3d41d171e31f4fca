"""The wire format: messages there and back, and what a player's line may hold."""

import pytest

from jaxrl.envs.locm.state import V12, V15
from jaxrl.locm.wire import (
    MalformedLine,
    MalformedMessage,
    Order,
    message_lines,
    read_deck,
    read_message,
    read_orders,
    read_pick,
)
from tests.support.recorded_protocol import recorded_games


@pytest.mark.parametrize("version", [V15, V12])
def test_recorded_messages_are_written_as_they_were_read(version):
    exchanges = [x for game in recorded_games(version.name) for x in game.exchanges]
    assert len(exchanges) > 200
    for exchange in exchanges:
        assert message_lines(exchange.message, version) == exchange.lines


@pytest.mark.parametrize(
    ("line", "orders"),
    [
        ("", []),
        ("PASS", []),
        ("PASS and a word; ; SUMMON 3 0", [Order("SUMMON", 3, 0)]),
        (" USE 3 -1 burn them ;ATTACK +4 7 ", [Order("USE", 3, -1), Order("ATTACK", 4, 7)]),
        ("SUMMON 3 9", [Order("SUMMON", 3, 9)]),  # well formed; whether it is legal is another question
    ],
)
def test_a_battle_line(line, orders):
    assert read_orders(line) == orders


@pytest.mark.parametrize(
    "line",
    [
        *("summon 3 0", "SUMMON 3", "SUMMON  3 0", "SUMMON\t3 0", "ATTACK 3,4", "SUMMON 3 1.0", "USE 1x 2"),
        *("PASS;JUMP 1 2", "SUMMON 3 99999999999", "CHOOSE 3", "SUMMON \u0663 0", f"SUMMON {'9' * 5000} 0"),
    ],
)
def test_a_malformed_line_fails_whole(line):
    with pytest.raises(MalformedLine):
        read_orders(line)


def test_a_deck_line():
    whole = ";".join(f"CHOOSE {number}" for number in range(30))
    assert read_deck(whole, 120) == list(range(30))
    assert read_deck("PASS", 120) == [number // 2 for number in range(30)]
    assert read_deck("CHOOSE 0;CHOOSE 0;CHOOSE 4 a good one;PASS ", 120)[:5] == [0, 0, 4, 1, 1]
    assert read_deck("PASS x;" * 3 + "PASS;PASS", 120)[:4] == [0, 0, 1, 1]
    for bad in (whole + ";CHOOSE 40", whole[:-9], "CHOOSE 0;CHOOSE 0;CHOOSE 0;PASS", "CHOOSE 120;PASS", "PICK 1;PASS"):
        with pytest.raises(MalformedLine):
            read_deck(bad, 120)
    with pytest.raises(MalformedLine):
        read_deck("PASS;CHOOSE 40", 120)


def test_a_pick():
    offer = [66, 50, 111]
    assert [read_pick(line, offer) for line in ("PICK 2", "PICK 0 so be it", "CHOOSE 50", "PASS")] == [2, 0, 1, 0]
    for bad in (" PICK 1", "PICK 1;", "PICK 3", "CHOOSE 2", "PICK", "", "pick 1"):
        with pytest.raises(MalformedLine):
            read_pick(bad, offer)


def test_what_is_no_message_says_why():
    lines = recorded_games("1.5")[0].exchanges[3].lines
    for number, text in (
        (0, "30 2 24"),
        (1, "a b c d"),
        (2, "5"),
        (2, f"{'9' * 5000} 0"),
        (3, "-1"),
        (len(lines) - 1, "1 2 3"),
    ):
        spoilt = [*lines[:number], text, *lines[number + 1 :]]
        with pytest.raises(MalformedMessage, match=r"expected|count|not a card"):
            read_message(iter(spoilt).__next__, V15)
