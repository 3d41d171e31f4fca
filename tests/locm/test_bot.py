"""The bot on standard input and output: recorded messages, nonsense, the end of input."""

import io
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest

from jaxrl.envs.locm.state import V12, V15
from jaxrl.locm.bot import Bot, PlayerChooser, serve
from jaxrl.locm.players import PLAYERS
from jaxrl.locm.wire import read_deck, read_orders, read_pick
from tests.support.recorded_protocol import recorded_games

CHOOSERS = {version: PlayerChooser(PLAYERS["random"](version)) for version in (V15, V12)}


def talk(version, text: str) -> tuple[list[str], list[str]]:
    """What the bot prints and complains of, given its whole input."""
    out, complaints = io.StringIO(), io.StringIO()
    serve(Bot(CHOOSERS[version], version, float("inf")), io.StringIO(text), out, complaints)
    return out.getvalue().splitlines(), complaints.getvalue().splitlines()


def messages(version, seat: int, number: int = 0) -> list[list[str]]:
    """The messages to a seat of a recorded game."""
    return [x.lines for x in recorded_games(version.name)[number].exchanges if x.seat == seat]


def joined(*parts: list[str]) -> str:
    """Lines as an input."""
    return "".join(line + "\n" for part in parts for line in part)


@pytest.mark.parametrize("version", [V15, V12])
@pytest.mark.parametrize("seat", [0, 1])
def test_each_message_gets_one_line_that_names_what_is_there(version, seat):
    given = messages(version, seat)
    answers, complaints = talk(version, joined(*given))
    assert len(answers) == len(given) and not complaints
    for lines, answer in zip(given, answers, strict=True):
        cards = [line.split() for line in lines[4 + int(lines[2].split()[1]) :]]
        if int(lines[0].split()[1]) > 0:
            own = {int(card[1]) for card in cards if card[2] in "01"}
            copies = {name + 1 for name in own}  # of a card summoned in this turn
            assert {order.source for order in read_orders(answer)} <= own | copies
        elif version.runes:
            assert read_pick(answer, [int(card[0]) for card in cards]) in range(3)
        else:
            assert len(read_deck(answer, 120)) == 30


def test_nonsense_costs_one_sentence_and_one_pass():
    deck, *turns = messages(V15, 0)
    answers, complaints = talk(V15, joined(["hello", "there"], deck, turns[0], turns[1]))
    assert len(answers) == 3 and len(complaints) == 1 and "hello" in complaints[0]
    broken = [*turns[0][:6], "7 what is this", *turns[0][7:]]
    answers, complaints = talk(V15, joined(deck, broken, turns[1], turns[2]))
    assert len(answers) == 4 and answers[1] == "PASS" and len(complaints) == 1
    broken = [*turns[0][:-1], turns[0][-1].replace(" ", " 99999 ", 1).rsplit(" ", 1)[0]]
    answers, complaints = talk(V15, joined(deck, broken, turns[1]))
    assert len(answers) == 3 and len(complaints) <= 1


@pytest.mark.parametrize("version", [V15, V12])
def test_no_spoilt_number_ends_the_bot(version):
    rng = np.random.default_rng(0)
    given = messages(version, 1)[-8:] if version.runes else messages(version, 1)
    given = [messages(version, 1)[0], *given]
    for _ in range(12):
        lines = [line for part in given for line in part]
        at = int(rng.integers(len(lines)))
        words = lines[at].split()
        words[int(rng.integers(len(words)))] = str(rng.choice(["x", "-7", "99", "70000", "", "123456789012"]))
        lines[at] = " ".join(words)
        answers, complaints = talk(version, joined(lines))
        assert answers and all("," not in answer for answer in answers) and len(complaints) <= 4


def test_the_end_of_input_is_quiet_wherever_it_comes():
    deck, turn = messages(V15, 0)[:2]
    assert talk(V15, "") == ([], [])
    answers, complaints = talk(V15, joined(deck, turn[:5]))
    assert len(answers) == 1 and not complaints


def test_a_turn_ends_when_its_time_is_over():
    deck, *turns = messages(V15, 0)
    out = io.StringIO()
    serve(Bot(CHOOSERS[V15], V15, 0.0), io.StringIO(joined(deck, *turns)), out, io.StringIO())
    assert out.getvalue().splitlines()[1:] == ["PASS"] * len(turns)


@pytest.mark.parametrize(("given", "answers"), [(b"\xc3", []), (b"30 1 25 0\n30 1\xff 25 1\n", ["PASS"]), (None, [])])
def test_bytes_that_are_no_text_and_a_closed_input_end_quietly(given, answers):
    """Under a strict locale, as most have it."""
    words = f"{shlex.quote(sys.executable)} -m jaxrl bot locm champion {'<&-' if given is None else ''}"
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(["sh", "-c", words], input=given, env=strict, capture_output=True, timeout=120)
    assert done.returncode == 0 and done.stdout.decode().splitlines() == answers
    assert len(done.stderr.splitlines()) <= 1, done.stderr.decode()


@pytest.mark.slow
def test_the_process_speaks_and_ends_quietly():
    run = [sys.executable, "-m", "jaxrl", "bot", "locm", "random"]
    done = subprocess.run(run, input=joined(*messages(V15, 0)), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == len(messages(V15, 0)) and not done.stderr
