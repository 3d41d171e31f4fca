"""Answers to unseen prompts are kept and read back, and judged by what is in no score; intervals are over seeds."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jaxrl.speech.chat import Turn
from jaxrl.speech.policy.policy_report import Said
from jaxrl.speech.rl import held
from jaxrl.speech.rl.asks import Ask
from jaxrl.speech.rl.scoring import Score
from jaxrl.speech.sound.measures import Measured

NEUTRAL = Measured(1.0, 120.0, 2.0, -26.0, 0.6)
ASK = Ask((1,), "on off", "ben", {"rate": 1.0, "pitch": 0.0}, NEUTRAL)


def test_rises_have_students_interval_and_errors_rise_when_they_fall():
    before = [dict.fromkeys(held.JUDGED, chance) for chance in (0.5, 0.6, 0.4)]
    seeds = [dict.fromkeys(held.JUDGED, value) for value in (0.6, 0.8, 0.7)]
    told = held.over_seeds(before, seeds)
    assert told["sampled_score_rise"] == pytest.approx([0.2, 4.3027 * 0.1 / 3**0.5], abs=1e-3)
    assert told["recogniser_cer_rise"] == pytest.approx([-0.2, 4.3027 * 0.1 / 3**0.5], abs=1e-3)
    assert held.over_seeds(before[:1], seeds[:1]) == {}
    assert [held.students_t(n) for n in (1, 2, 3, 4, 9)] == pytest.approx(
        [12.706, 4.303, 3.182, 2.776, 2.262], rel=0.01
    )


def test_answers_are_judged_by_what_no_score_has(tmp_path, monkeypatch):
    answers = held.Answers([[3, 2], [2]], [[[4, 2], [2]], [[2], [2]]])
    held.write_answers(tmp_path / "arm", answers)
    assert held.read_answers(tmp_path / "arm") == answers

    def score(asks: Any, said: Any) -> list[Score]:
        spoken = [np.zeros((6, 34)) if len(one) > 1 else np.zeros((0, 34)) for one in said]
        turn = Said(Turn("assistant", ()), True)
        return [
            Score({"content": len(one) - 1.0}, len(one) - 1.0, np.zeros(1), None, "", turn, channels)
            for one, channels in zip(said, spoken, strict=True)
        ]

    monkeypatch.setattr(held, "to_wave", lambda channels: np.ones(10))
    monkeypatch.setattr(held, "measure", lambda wave: NEUTRAL)
    judge: Any = SimpleNamespace(hear=lambda wave: "on of")
    told, scores = held.judged(answers, [ASK, ASK], SimpleNamespace(score=score), judge)  # type: ignore
    assert [score.total for score in scores] == [1, 0] and told["prompts"] == 2
    assert told["score"] == 0.5 and told["sampled_score"] == 0.25
    assert told["recogniser_cer"] == pytest.approx(7 / 12) and told["recogniser_wer"] == pytest.approx(3 / 4)
    assert told["attribute_in_wave"] == pytest.approx(0.5)  # as the engine read it, and not at all
    assert told["sampled_recogniser_cer"] == pytest.approx(19 / 24), "one of four was spoken"
