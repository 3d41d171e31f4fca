"""Scores: what is earned where, what each part sees, and tools that are really run."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jaxrl.speech.chat import Call, Speech, Turn, encode_prompt, encode_turn, opening
from jaxrl.speech.engine.scripts import split_of
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.interleave import BLOCK
from jaxrl.speech.manifest import Item
from jaxrl.speech.rl import scoring
from jaxrl.speech.rl.asks import Ask, Asks, neutral_of, to_speak, wanted_of
from jaxrl.speech.rl.listener import Heard
from jaxrl.speech.rl.reinforce import paid, rewards
from jaxrl.speech.sound.measures import Measured, relative
from jaxrl.speech.speech_error import SpeechError

VOCABULARY = Vocabulary(4, 4)
NEUTRAL = Measured(1.0, 120.0, 2.0, -26.0, 0.6)
PLAIN = {"rate": 1.0, "pitch": 0.0, "loudness": 0.0, "spread": 2.0, "voicing": 1.0}
SPEECH = Speech((0, 1, 2, 3, 0, 1), (0,) * 9)


def answer(*content: Any) -> list[int]:
    return encode_turn(Turn("assistant", content), VOCABULARY)[len(opening("assistant")) :]


def ask(text: str = "on", result: str = "") -> Ask:
    prompt = tuple(encode_prompt([Turn("human", (text or "what time is it",))], VOCABULARY, 60))
    return Ask(prompt, text, "ben", {} if result else PLAIN, None if result else NEUTRAL, result, clock=965)


def scorer(heard: Heard, measured: Measured, monkeypatch: Any, weights: Any = scoring.WEIGHTS) -> scoring.Scorer:
    """The meters and the listener say what they are told to; everything else is real."""
    monkeypatch.setattr(scoring, "measure_channels", lambda channels: measured)
    listener: Any = SimpleNamespace(hear=lambda speech: [heard for _ in speech])
    timbres: Any = SimpleNamespace(gaps=lambda speech, voices: [0.75 for _ in voices])
    return scoring.Scorer(
        listener, lambda speech, voices: [np.zeros((6, 34)) for _ in voices], timbres, VOCABULARY, weights
    )


def test_content_is_earned_where_it_was_said_and_telescopes():
    worth = scoring.content_so_far("on off", Heard("on of", (0, 0, 2, 2, 3)), 5)
    np.testing.assert_allclose(worth, [2 / 6, 2 / 6, 4 / 6, 5 / 6, 5 / 6])
    too_much = scoring.content_so_far("on", Heard("onononon", (0, 0, 1, 1, 2, 2, 3, 3)), 4)
    np.testing.assert_allclose(too_much, [1.0, 0.0, 0.0, 0.0])
    np.testing.assert_array_equal(scoring.content_so_far("on", Heard("", ()), 3), 0)


def test_a_good_reading_scores_one_and_its_parts_lie_where_they_were_earned(monkeypatch):
    judge = scorer(Heard("on", (0, 2)), NEUTRAL, monkeypatch)
    said = answer(SPEECH)
    (score,) = judge.score([ask()], [said])
    assert score.parts == pytest.approx(
        {"content": 1, "attribute": 1, "voice": 0.75, "length": 1, "format": 1}, abs=1e-9
    )
    weight = {name: scoring.WEIGHTS[name] for name in score.parts}
    total = sum(weight[name] * value for name, value in score.parts.items()) / sum(weight.values())
    assert score.total == pytest.approx(total) and score.earned.sum() == pytest.approx(total)
    ends = [1 + BLOCK - 1, 1 + 3 * BLOCK - 1]  # behind <audio>: the last tokens of the first block and of the third
    assert np.flatnonzero(score.earned).tolist() == [*ends, len(said) - 1]
    np.testing.assert_allclose(score.earned[ends], 0.5 * scoring.WEIGHTS["content"] / sum(weight.values()))


def test_flat_and_fast_speech_costs_attributes_but_not_words(monkeypatch):
    """Why a score of words alone makes speech flat: it does not see the difference."""
    flat, told = Measured(0.6, 120.0, 0.2, -26.0, 0.6), {}
    for weights in (scoring.WEIGHTS, scoring.WORDS_ONLY):
        for name, measured in (("like the engine", NEUTRAL), ("flat", flat)):
            judge = scorer(Heard("on", (0, 2)), measured, monkeypatch, weights)
            told[len(weights), name] = judge.score([ask()], [answer(SPEECH)])[0].total
    assert told[2, "like the engine"] == told[2, "flat"] == 1
    assert told[6, "flat"] < told[6, "like the engine"] - 0.15


def test_attributes_are_those_of_the_engines_reading():
    """The same distance from the neutral reading is worth 1, whatever it is; no pitch where one was wanted is 0."""
    heard = Measured(0.75, 120.0 * 2 ** (4 / 12), 3.5, -20.0, 0.6)
    wanted = {name: value for name, value in relative(heard, NEUTRAL).items()}
    assert scoring.attribute_score(ask()._replace(wanted=wanted), heard) == pytest.approx(dict.fromkeys(wanted, 1.0))
    off = scoring.attribute_score(ask(), heard)
    assert off["pitch"] == pytest.approx(np.exp(-2)) and off["rate"] < 0.2 and off["voicing"] == 1
    silent = scoring.attribute_score(ask(), Measured(1.0, 0.0, 0.0, -26.0, 0.0))
    assert silent["pitch"] == silent["spread"] == 0


@pytest.mark.parametrize(
    ("said", "tool", "form"),
    [
        ((Call("clock"),), 1, 1),
        ((Call("calc 17+25"),), 0, 1),
        ((Call("nonsense"),), 0, 1),
        (("it is", Call("clock")), 1, 0),
        (("four",), 0, 0),
    ],
)
def test_calls_are_run(said, tool, form, monkeypatch):
    judge = scorer(Heard("", ()), NEUTRAL, monkeypatch)
    (score,) = judge.score([ask("", "16:05")], [answer(*said)])
    assert score.parts == {"tool": tool, "format": form}
    assert score.total == pytest.approx((0.4 * tool + 0.1 * form) / 0.5) and score.earned[-1] == score.total


def test_what_is_cut_off_or_says_nothing_scores_little(monkeypatch):
    judge = scorer(Heard("on", (0, 2)), NEUTRAL, monkeypatch)
    whole = answer(SPEECH)
    scores = judge.score([ask()] * 4, [whole, whole[:-1], whole[:-2], answer("on")])
    formats = [score.parts["format"] for score in scores]
    assert formats == [1, 0, 0, 0]
    assert scores[3].total == 0 and scores[3].measured is None and scores[3].parts["content"] == 0
    assert scores[0].total - scores[1].total == pytest.approx(0.1)
    (tagged,), (told,) = (judge.score([ask()], [answer(text, SPEECH)]) for text in ("(fast)", "fast"))
    assert tagged.parts["format"] == 1 and told.parts["format"] == 0 and tagged.total == scores[0].total


def test_rewards_stand_in_the_rows_of_their_tokens():
    earned = [np.array([0.1, 0.0, 0.4]), np.array([0.2])]
    scores: Any = [SimpleNamespace(earned=one) for one in earned]
    found = rewards(scores, np.array([3, 5]), 8)
    assert found[:, 0].tolist() == pytest.approx([0, 0, 0.1, 0, 0.4, 0, 0, 0])
    assert found[:, 1].tolist() == pytest.approx([0, 0, 0, 0, 0.2, 0, 0, 0])
    last = np.zeros((8, 2), bool)
    last[4] = True
    trajectory: Any = SimpleNamespace(last=last, _replace=lambda **changed: changed)
    given: Any = paid(trajectory, found)
    assert given["episode_return"].sum(axis=0).tolist() == pytest.approx([0.5, 0.2])


def item(text: str, **changed: Any) -> Item:
    measured = {"seconds": 0.8, "f0": 150.0, "spread": 3.0, "level": -20.0, "voicing": 0.5, "relative_rate": 1.25}
    measured |= {"relative_pitch": 4.0, "relative_loudness": 6.0, "relative_voicing": 1.0, "relative_spread": 3.0}
    whole = Item(
        "u0", split_of(text), "home", text, "", (), "ben", ("high",), "espeak", 0, {}, measured, "waves.bin", 0, 0
    )
    return dataclasses.replace(whole, **changed)


def test_asks_know_the_neutral_reading():
    one = item("turn on the lamp in the hall")
    heard = Measured(0.8, 150.0, 3.0, -20.0, 0.5)
    told = relative(heard, neutral_of(one))
    assert {name: told[name] for name in ("rate", "pitch", "loudness", "voicing")} == pytest.approx(
        {"rate": 1.25, "pitch": 4.0, "loudness": 6.0, "voicing": 1.0}
    )
    assert scoring.attribute_score(ask()._replace(wanted=wanted_of(one), neutral=neutral_of(one)), heard) == (
        pytest.approx(dict.fromkeys(PLAIN, 1.0))
    )
    assert to_speak(one, VOCABULARY, 40) is None


def test_asks_of_a_split_fit_and_come_again():
    texts = [f"turn on the {what} in the hall" for what in ("lamp", "light", "radio", "heater", "fan", "oven")]
    items = [item(text, split="train") for text in texts] + [item("open the gate", split="test", voice="kate")]
    found = Asks(items, "train", VOCABULARY, 160)
    drawn = found.draw(np.random.default_rng(0), 40)
    assert {one.text for one in drawn} == {*texts, ""} and all(len(one.prompt) < 160 for one in drawn)
    assert all(one.result for one in drawn if not one.text)
    assert found.fixed(8) == found.fixed(8) and sum(not one.text for one in found.fixed(8)) == 1
    with pytest.raises(SpeechError, match=r"no test utterance .* rl.tokens"):  # its voice is one that training lacks
        Asks(items, "test", VOCABULARY, 160)
