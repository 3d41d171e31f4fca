"""The exam: what is right, what chance gets, tools that are run, and files that hold all of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxrl.cli.commands import main
from jaxrl.speech.chat import Call, Speech, Turn
from jaxrl.speech.engine.voices import ASSISTANT
from jaxrl.speech.manifest import Item
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.library import Library
from jaxrl.speech.policy.policy_report import Said
from jaxrl.speech.rl.asks import neutral_of
from jaxrl.speech.sound.gallery import write_radar
from jaxrl.speech.sound.measures import Measured
from jaxrl.speech.suite import suite_stage
from jaxrl.speech.suite.exam import Row, cloned, in_roles, marked, said_of
from jaxrl.speech.suite.hearing import Answered, Ears
from jaxrl.speech.suite.questions import Question, Sheet, asked_and_heard, error_share, in_bands, notes_heard, sheets
from jaxrl.speech.suite.tool_scores import Case, cases, tool_scores
from jaxrl.speech.tags import parse_note
from jaxrl.speech.tools import TOOLS

EARS = Ears(lambda speech, voice: np.zeros(0), lambda wave: "")
SPOKEN = Speech((0, 1), (0, 1, 2))
MEASURED = {"seconds": 1.0, "f0": 120.0, "spread": 2.0, "level": -26.0, "voicing": 0.6, "relative_rate": 1.0}
MEASURED |= {"relative_pitch": 0.0, "relative_loudness": 0.0, "relative_voicing": 1.0}
TEXTS = (
    ("what is one plus two", "three", "arithmetic"),
    ("what is two plus two", "four", "arithmetic"),
    ("what makes honey", "a bee", "fact"),
    ("remember the number ten", "i remember ten", "memory"),
)


def item(index: int, voice: str = "ben") -> Item:
    text, answer, kind = TEXTS[index % 4]
    return Item(
        f"u{index}", "test", kind, text, answer, (), voice, (), "espeak", 0, {}, dict(MEASURED), "waves.bin", 0, 0
    )


ITEMS = [item(index, voice) for index, voice in enumerate(("ben", "anna", ASSISTANT, "kate") * 2)]
LIBRARY = Library(ITEMS, [SPOKEN] * len(ITEMS), "test")


def written(*texts: str) -> list[Said]:
    return [Said(Turn("assistant", (text,)), True) for text in texts]


def test_a_row_has_its_chance_and_its_twin():
    """Answers to questions in turn: right for themselves, and wrong for the question before; the twin knows nothing."""
    asked: list[Any] = [[Turn("human", (SPOKEN, text))] for text in "abc"]
    typed: list[Any] = [[Turn("human", (text,))] for text in "abc"]
    questions = [
        Question(turns, twin, lambda heard, want=want: float(heard.text == want))
        for turns, twin, want in zip(asked, typed, ("x", "y", "y"), strict=True)
    ]
    sheet = Sheet("logic", "sums", "text", questions)

    def ask(dialogues: Sequence[Sequence[Turn]]) -> list[Said]:
        assert dialogues == [*asked, *typed], "all at once"
        return written("x", "y", "y", "", "", "y")

    row, heard = marked(sheet, *said_of(ask, [sheet]), EARS)
    assert (row.score, row.chance, row.twin, row.items) == (1.0, pytest.approx(1 / 3), pytest.approx(1 / 3), 3)
    assert [one.text for one in heard] == ["x", "y", "y"]


def test_all_sheets_are_asked_of_unseen_items_only():
    found = sheets(ITEMS, LIBRARY, 24, seed=0)
    assert {sheet.axis for sheet in found} >= {"instruction", "emotion", "speaking", "understanding", "logic", "gaming"}
    assert {sheet.name for sheet in found} >= {"notes within 50 cents", "raps on the beat", "held-out sentences"}
    for sheet in found:
        for one in sheet.questions:
            assert one.voice != "kate", "a voice that the policy knows no name of"
    (logic,) = [sheet for sheet in found if sheet.axis == "logic"]
    assert all(one.right(Answered(written(one.title.split("? ")[1])[0], "ben", EARS)) == 1 for one in logic.questions)


def test_bands_are_measured_against_the_neutral_reading():
    class Told:
        measured = Measured(0.75, 120.0 * 2 ** (4 / 12), 2.0, -26.0, 0.6)

    heard: Any = Told()
    neutral = neutral_of(ITEMS[0])
    assert in_bands(("fast",), neutral, heard) == in_bands(("high",), neutral, heard) == 1
    assert in_bands(("slow",), neutral, heard) == in_bands(("loud",), neutral, heard) == 0
    question = Question([], None, lambda heard: 0.0, control=("happy", neutral))
    (asked,) = [sheet for sheet in sheets(ITEMS, LIBRARY, 24, seed=0) if sheet.name == "tags"]
    first = next(one for one in asked.questions if one.control and one.control[0] == "fast")
    assert first.wrong and first.right(heard) == 1 and first.wrong(heard) == 0, "fast is not slow, on the same neutral"
    told = {str(line["attribute"]): (line["asked"], line["heard"]) for line in asked_and_heard(question, heard)}
    assert told["rate"] == (1.2, pytest.approx(4 / 3)) and told["pitch"] == (3.0, pytest.approx(4))
    Told.measured = None  # pyright: ignore[reportAttributeAccessIssue]
    assert in_bands(("monotone",), neutral, heard) == 0


def test_a_song_is_found_wherever_it_starts():
    notes = [parse_note(name) for name in ("c4", "e4", "g4")]
    frequencies = [261.63, 329.63, 392.0]
    f0 = np.concatenate([np.zeros(30), *(np.full(72, frequency) for frequency in frequencies), np.zeros(10)])
    assert notes_heard(f0, notes) > 0.95
    assert notes_heard(np.where(f0 > 0, 300.0, 0.0), notes) < 0.2 and notes_heard(np.zeros(50), notes) == 0
    assert error_share("a b c", "a x c") == pytest.approx(2 / 3) and error_share("ab", "abcdef", characters=True) == 0


def test_tools_are_scored_and_run():
    """Called where due but with a wrong sum once, and called once where none was due."""
    given = [
        Case("what time is it", "what time is it", tuple(TOOLS), "clock", "it is four o'clock", 960),
        Case("sum", "sum", tuple(TOOLS), "calc 1+2", "three", 0),
        Case("bee", "bee", tuple(TOOLS), "", "a bee", 0),
        Case("sky", "sky", tuple(TOOLS), "", "blue", 0),
        Case("lamp", "lamp", tuple(TOOLS), "define lamp", "a thing that gives light", 0),
    ]
    calls = {0: "clock", 1: "calc 1+1", 2: "clock"}
    inputs = []

    def ask(dialogues: Sequence[Sequence[Turn]]) -> list[Said]:
        if len(dialogues) == 5:
            turns = [(Call(calls[i]),) if i in calls else ("blue",) for i in range(5)]
            return [Said(Turn("assistant", content), True) for content in turns]
        inputs.extend(turns[-1].content[0] for turns in dialogues)
        return written("it is four o'clock", "two", "noon")

    told = tool_scores(ask, given, lambda said: said.text)
    assert inputs == ["16:00", "2", "00:00"]  # what the tools really answered
    assert told["trigger_precision"] == pytest.approx(2 / 3) and told["trigger_recall"] == pytest.approx(2 / 3)
    assert told["type"] == 1 and told["arguments"] == 0.5 and told["executed"] == 1
    assert told["result_written"] == told["result_spoken"] == pytest.approx(1 / 3)


def test_cases_have_calls_that_the_domain_knows():
    for case in cases(LIBRARY, 16, seed=0):
        call = asking.call_for(case.typed)
        assert case.due == (call.text if call and asking.needs(call, case.tools) else "")


def test_roles_and_voices():
    """A butler who never forgets; a voice that is told by its codes."""

    def ask(dialogues: Sequence[Sequence[Turn]]) -> list[Said]:
        return written(*("yes sir" if "butler" in str(turns[:1]) else "yes" for turns in dialogues))

    (row,) = in_roles(ask, [], LIBRARY, EARS, 3, seed=0)
    assert (row.score, row.twin, row.items) == (1.0, 0.0, 3), "a dialogue has one mark for all of its turns"
    known = {
        name: [Speech((0, other), (code,) * 3) for other in range(2)]
        for code, name in enumerate(("anna", "ben", ASSISTANT, "dora", "kate"))
    }
    names = ("ben", ASSISTANT, "kate")
    library = Library([item(i, name) for i, name in enumerate(names)], [known[name][0] for name in names], "test")

    def clone(dialogues: Sequence[Sequence[Turn]]) -> list[Said]:
        prompts = [
            next((p for turn in turns for p in turn.content if isinstance(p, Speech)), None) for turns in dialogues
        ]
        return [Said(Turn("assistant", (prompt or known[ASSISTANT][0],)), True) for prompt in prompts]

    rows, likeness = cloned(clone, library, known, 6, seed=0)
    assert [row.name for row in rows] == ["cloned, voices of training", "cloned, other voices"]
    assert all((row.score, row.chance, row.twin) == (1.0, 0.2, 0.0) for row in rows), "the assistant is no prompt"
    for told in likeness.values():
        assert (told["gap"], told["error"], told["twin"]) == (1.0, 0.0, -0.25), "the twin is the assistant, one of four"


def test_the_table_and_the_picture(tmp_path):
    rows = [Row("logic", "sums", 0.5, 0.1, 0.0, 0.75, 8, "text"), Row("logic", "more", 0.7, 0.1, 0.2, 0.25, 8, "text")]
    tools = {"spoken": {"type": None, "chance": {"type": 0.33}, "questions": 4, "due": 3}, "typed twin": {"type": 1.0}}
    likeness = {"other voices": {"gap": 0.25, "error": 0.03, "twin": -0.1, "items": 8}}
    table = suite_stage.table_of({"rows": [row._asdict() for row in rows], "likeness": likeness, "tools": tools})
    assert "four others, other voices | 0.25 +- 0.03 | 0.00 | -0.10 | 8 | code histogram |" in table
    assert "| logic | sums | 0.50 +- 0.10 | 0.00 | 0.75 | 8 | text |" in table
    assert "| tools | type | - | 0.33 | 1.00 | 4 | text, recogniser |" in table
    axes = suite_stage.axes_of(rows)
    assert axes == {"logic": {"score": pytest.approx(0.6), "chance": pytest.approx(0.1), "twin": pytest.approx(0.5)}}
    write_radar(tmp_path / "radar.png", {"teacher": axes, "group": axes})
    assert (tmp_path / "radar.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--suite", "speech", "--episodes", "3"], "--suite speech plays no episodes"),
        (["--policy", "group"], "set --suite speech too"),
        (["--suite", "speech"], "is no folder of `jaxrl speech` with a policy"),
        (["--suite", "speech", "--policy", "teacher"], "is no folder of `jaxrl speech` with a policy"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, capsys, words, said):
    assert main(["evaluate", str(tmp_path), *words]) != 0
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_an_unknown_policy_is_one_sentence(tmp_path: Path, capsys):
    (tmp_path / "scale.json").write_text(json.dumps({}))
    assert main(["evaluate", str(tmp_path), "--suite", "speech", "--policy", "grop"]) == 1
    assert "there is no policy 'grop'; the policies are teacher, student, group" in capsys.readouterr().err
