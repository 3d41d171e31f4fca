"""Matches against bots in processes of their own, well and badly behaved."""

import shlex
import sys
import time
from pathlib import Path

import pytest

from jaxrl.cli.commands import main
from jaxrl.envs.locm.state import V15
from jaxrl.locm import contest, outside
from jaxrl.locm.bot import PlayerChooser
from jaxrl.locm.outside import Gone, Outside, match_outside, pair_choosers
from jaxrl.locm.players import random_player
from tests.support import recorded_protocol

PYTHON = shlex.quote(sys.executable)
BOT = Path(recorded_protocol.__file__).with_name("tiny_bot.py")
SLOW = 20  # many tests may run beside this one


@pytest.fixture(scope="module")
def choosers():
    return pair_choosers(PlayerChooser(random_player(V15)), V15)


def command(*mode: str) -> str:
    """The command of the tiny bot."""
    return shlex.join([sys.executable, str(BOT), *mode])


def play(choosers, *mode: str, games: int = 2, time_factor: float = SLOW):
    """A short match of the random player against the tiny bot."""
    return match_outside("random", choosers, command(*mode), V15, games, time_factor=time_factor)


@pytest.mark.parametrize("mode", ["well", "chatty"])
def test_a_match_is_played_and_told(choosers, mode):
    match, faults = play(choosers, mode, games=3)
    assert match.games == 4 and match.truncated == 0 and match.actions > 10
    assert set(match.wins.flat) <= {0.0, 1.0}
    assert faults.late == faults.malformed == [0, 0] and faults.illegal[0] == 0
    assert "tiny_bot.py" in match.report() and "0 games lost by time-out" in faults.report(match.players)


def test_illegal_actions_are_counted_and_malformed_lines_lose(choosers):
    match, faults = play(choosers, "illegal")
    assert faults.illegal[0] == 0 and faults.illegal[1] > 10
    match, faults = play(choosers, "garbage")
    assert match.win_rate == 1 and faults.malformed == [0, 2] and "summon the demon" in faults.report(match.players)


def test_a_late_answer_loses_the_game_and_no_more(choosers, monkeypatch):
    monkeypatch.setattr(outside, "SILENCE", 60.0)
    match, faults = play(choosers, "late", time_factor=10)
    assert match.win_rate == 1 and faults.late == [0, 2] and "the limit is 2 s" in faults.first


def test_a_dead_or_silent_bot_ends_the_match_in_one_sentence(choosers, monkeypatch):
    with pytest.raises(Gone, match=r"has ended with status 3: out of mana \(game 1 of 2\)"):
        play(choosers, "crash")
    monkeypatch.setattr(outside, "SILENCE", 1.0)
    for mode in ("hang", "deaf"):
        with pytest.raises(Gone, match="is silent"):
            play(choosers, mode, time_factor=2)
    with pytest.raises(Gone, match="cannot be started"):
        match_outside("random", choosers, "/no/such/bot", V15, 2)


def test_a_bot_that_is_silent_once_loses_that_game(choosers, monkeypatch, tmp_path):
    monkeypatch.setattr(outside, "SILENCE", 1.0)
    monkeypatch.setattr(contest, "battle_limit", lambda first: 60.0)
    told = []
    bot = command("lapse", str(tmp_path / "games"))
    match, faults = match_outside("random", choosers, bot, V15, 4, time_factor=2, tell=told.append)
    assert match.games == 4 and match.wins[0, 1] == 1 and faults.late == [0, 1]
    assert "game 2, late" in faults.first and "is silent at its first message" in faults.first
    assert len(told) == 1 and told[0].startswith("4 of 4 games played, ") and told[0].endswith("by the bot 1")


def test_all_of_a_bots_processes_end_with_its_game(choosers, tmp_path):
    play(choosers, "child", str(tmp_path / "children"))
    children = [int(line) for line in (tmp_path / "children").read_text().split()]
    assert len(children) == 2
    deadline = time.monotonic() + 60
    while any(alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(process: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, ProcessLookupError):
        return False


def test_output_without_end_is_no_line():
    with Outside(f"{PYTHON} -c 'while True: print(1, end=str())'") as bot, pytest.raises(Gone, match="end"):
        bot.ask(["30 0 0 0"], 60)


def test_a_flood_is_neither_kept_nor_waited_for(monkeypatch):
    monkeypatch.setattr(outside, "SILENCE", 1.0)
    with Outside("sh -c 'yes no mana >&2'") as bot, pytest.raises(Gone, match="silent"):
        bot.ask(["30 0 0 0"], 1)
    assert len(bot.complaints) == outside.LAST_WORDS and b"no mana" in bot.complaints
    with Outside("sleep 600") as bot, Path("/dev/zero").open("rb") as zeros:
        bot.output = zeros.fileno()  # what prints as fast as it is read
        bot.drop_output()


def test_the_command_line(capsys):
    bot = command("well")
    assert main(["play", "locm", "random", "--against", bot, "--games", "2", "--time_factor", str(SLOW)]) == 0
    words = capsys.readouterr().out
    assert "2 games in mirrored pairs" in words and "0 games lost by time-out, 0 by malformed lines" in words


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["random"], "give one opponent"),
        (["random", "random", "--against", "x"], "give one opponent"),
        (["random", "random", "--old_ids"], "belong to --against COMMAND"),
        (["random", "--against", "x", "--batch", "4"], "one by one"),
        (["random", "--against", "x", "--version", "1.2"], "list of cards"),
        (["random", "--against", "/no/such/bot"], "cannot be started"),
        (["random", "--against", ""], "cannot be started: [Errno"),
        (["random", "random", "--seed", "-1"], "whole number from 0 to 4294967295"),
        (["random", "random", "--seed", "4294967296"], "whole number from 0 to 4294967295"),
    ],
)
def test_what_cannot_be_played_is_refused_in_words(words, sentence, capsys):
    assert main(["play", "locm", *words]) in (1, 2)
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_our_own_bot_finishes_a_match_without_a_fault(choosers):
    bot = f"{PYTHON} -m jaxrl bot locm scored"
    match, faults = match_outside("random", choosers, bot, V15, 4, time_factor=SLOW)
    assert match.games == 4 and faults.illegal == faults.late == faults.malformed == [0, 0]
