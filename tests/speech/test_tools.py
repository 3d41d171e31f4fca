"""Tools answer, and their errors are answers."""

import pytest

from jaxrl.speech.chat import Call, Turn
from jaxrl.speech.ids import encode_text
from jaxrl.speech.tools import MEANINGS, answer_turn, run_tool


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("calc 17+25", "42"),
        ("calc 4 - 9", "-5"),
        ("calc 12*12", "144"),
        ("clock", "16:05"),
        ("define lamp", "a thing that gives light"),
        ("calc two", "error: cannot calculate two"),
        ("calc __import__('os')", "error: cannot calculate import'os'"),
        ("sing a song", "error: unknown tool sing"),
        ("", "error: unknown tool"),
        ("clock now", "error: the clock takes no words"),
        ("define xyz", "error: no meaning of xyz"),
    ],
)
def test_answers(call, answer):
    said = run_tool(Call(call), 16 * 60 + 5)
    assert said == answer.replace("import'os'", "import('os')")
    assert encode_text(said)  # every answer can stand in a stream


def test_a_tool_that_raises_is_an_answer():
    def broken(words: str, clock: int) -> str:
        raise RuntimeError("<Ü> no wire")

    assert run_tool(Call("broken"), 0, {"broken": broken}) == "error:  no wire"
    assert answer_turn(Call("clock"), 61) == Turn("input", ("01:01",))
    assert all(encode_text(meaning) for meaning in MEANINGS.values())
