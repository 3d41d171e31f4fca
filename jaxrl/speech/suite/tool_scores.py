"""Tools in whole dialogues: whether they are called where they must be and only there, and what comes of it.

    trigger precision, recall    of the calls made, how many were due; of those due, how many were made
    type, arguments              of the calls that were made and due: the right tool, and the right words
    result                       of those due: the last turn says what the tool answered, written, and aloud

The twin is the text-only policy: the same questions typed, where they are spoken here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrl.speech.chat import Call, Speech, Turn
from jaxrl.speech.engine.scripts import clock_words, draw_of
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.library import Library
from jaxrl.speech.policy.policy_report import Said, share
from jaxrl.speech.tools import MEANINGS, TOOLS, answer_turn, run_tool

Ask = Callable[[Sequence[Sequence[Turn]]], list[Said]]


class Case(NamedTuple):
    """A question, the tools at hand, the call that is due (nothing where none is), the answer, and the clock."""

    question: str | Speech
    typed: str
    tools: tuple[str, ...]
    due: str
    answer: str
    clock: int


def cases(library: Library, count: int, seed: int) -> list[Case]:
    """Questions for each tool, and as many that no tool at hand answers."""
    rng, found = np.random.default_rng(seed), []
    sums = [one for one in library.questions if one.kind == "arithmetic"]
    others = [one for one in library.questions if one.kind in ("fact", "memory", "spelling")]
    for index in range(count):
        clock = int(rng.integers(24 * 60))
        kind = index % 4
        if kind == 0:
            text = asking.CLOCK_QUESTIONS[index // 4 % len(asking.CLOCK_QUESTIONS)]
            found.append(Case(text, text, tuple(TOOLS), "clock", f"it is {clock_words(clock)}", clock))
        elif kind == 1:
            word = list(MEANINGS)[int(rng.integers(len(MEANINGS)))]
            text = asking.MEANING_QUESTIONS[index // 4 % len(asking.MEANING_QUESTIONS)].format(word)
            found.append(Case(text, text, tuple(TOOLS), f"define {word}", MEANINGS[word], clock))
        elif kind == 2:
            found.append(_sum(rng, sums, clock))
        elif others:
            one = others[int(rng.integers(len(others)))]
            found.append(Case(one.speech, one.text, tuple(TOOLS), "", one.answer, clock))
    return found


def _sum(rng: np.random.Generator, spoken: Sequence[Any], clock: int) -> Case:
    if spoken:
        one = spoken[int(rng.integers(len(spoken)))]
        question, text, answer = one.speech, one.text, one.answer
    else:
        script = draw_of(rng, "test", "arithmetic")
        question, text, answer = script.text, script.text, script.answer
    call = asking.call_for(text)
    return Case(question, text, tuple(TOOLS), call.text if call else "", answer, clock)


def tool_scores(ask: Ask, given: Sequence[Case], aloud: Callable[[Said], str], typed: bool = False) -> dict[str, Any]:
    """Scores of one policy; `typed` asks every question in text. A share of nothing is None.

    Args:
        ask: dialogues to the assistant's next turns.
        given: see `cases`.
        aloud: what the recogniser hears in a turn.
        typed: the text-only twin.
    """
    first = [asking.to_answer(one.typed if typed else one.question, tools=one.tools) for one in given]
    said = ask(first)
    made = [one.call for one in said]
    called = [index for index, call in enumerate(made) if call]
    second = [[*first[i], said[i].turn, answer_turn(Call(made[i]), given[i].clock)] for i in called]
    last = dict(enumerate(said)) | dict(zip(called, ask(second) if second else [], strict=True))
    due = [index for index, one in enumerate(given) if one.due]
    both = [index for index in called if given[index].due]
    return {
        "trigger_precision": share([bool(given[index].due) for index in called]),
        "trigger_recall": share([bool(made[index]) for index in due]),
        "type": share([made[index].split()[:1] == given[index].due.split()[:1] for index in both]),
        "arguments": share([made[index] == given[index].due for index in both]),
        "executed": share([not run_tool(Call(made[i]), given[i].clock).startswith("error") for i in called]),
        "result_written": share([last[index].text == given[index].answer for index in due]),
        "result_spoken": share([aloud(last[index]) == given[index].answer for index in due]),
        "questions": len(given),
        "due": len(due),
        "chance": {
            "trigger_precision": len(due) / max(len(given), 1),
            "trigger_recall": 0.5,
            "type": 1 / len(TOOLS),
            "arguments": 0.0,
        },
    }
