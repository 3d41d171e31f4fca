"""A student learns from what a judge understood of its teacher, and from nothing else."""

from typing import Any

import numpy as np

from jaxrl.speech.chat import Speech, Turn
from jaxrl.speech.engine.scripts import split_of
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.policy import student
from jaxrl.speech.policy.dialogues import draw_dialogue
from jaxrl.speech.policy.policy_report import Said
from jaxrl.speech.policy.row_packing import fill


class Judge:
    """Hears the number of a text in a wave: understands odd ones, and mishears the others."""

    def __init__(self):
        self.texts: list[str] = []

    def hear(self, samples: np.ndarray) -> str:
        number = int(samples[0])
        return self.texts[number] + ("" if number % 2 else " wrong wrong")


def test_what_the_judge_understood_is_kept_and_made_once(tmp_path, monkeypatch):
    judge: Any = Judge()

    def ask(policy, dialogues, seed):
        said = []
        for turns in dialogues:
            number = len(judge.texts)
            judge.texts.append(turns[-1].content[0].removeprefix("say: "))
            speech = Speech((number, 0), (0, 1, 2))
            said.append(Said(Turn("assistant", () if number % 10 == 1 else (speech,)), number % 10 != 3))
        return said

    monkeypatch.setattr(student, "ask", ask)
    nobody: Any = None

    def make():
        wave = lambda speech: np.array([speech.linguistic[0]])  # noqa: E731
        return student.self_generated(tmp_path, nobody, 40, judge, wave, lambda *_: None)

    library, counts = make()
    kept = [number for number in range(40) if number % 2 and number % 10 not in (1, 3)]
    assert [one.text for one in library.all] == [judge.texts[number] for number in kept]
    assert [one.speech.linguistic[0] for one in library.all] == kept
    assert counts == {"asked": 40, "accepted": len(kept), "acceptance": len(kept) / 40}
    assert all(split_of(text) == "train" for text in judge.texts) and len(set(judge.texts)) == 40
    again, same = make()
    assert (again.all, same) == (library.all, counts) and len(judge.texts) == 40

    rng, vocabulary = np.random.default_rng(0), Vocabulary(40, 6)
    rows = fill(lambda: draw_dialogue(rng, library, ("tts", "asr")), 2, 200, vocabulary)
    assert rows.counted.any()
