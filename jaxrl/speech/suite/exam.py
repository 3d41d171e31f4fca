"""The exam of one policy: every sheet, its twin and its chance, tools, roles and voices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrl.speech.chat import Speech, Turn
from jaxrl.speech.engine.voices import ASSISTANT
from jaxrl.speech.manifest import Item
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.asking import PERSONAS
from jaxrl.speech.policy.library import Library
from jaxrl.speech.policy.policy_report import Said
from jaxrl.speech.rl.asks import neutral_of
from jaxrl.speech.suite.hearing import Answered, Ears
from jaxrl.speech.suite.questions import Question, Sheet, in_bands, sheets
from jaxrl.speech.suite.tool_scores import Ask, cases, tool_scores

ROUNDS = 3  # turns in a role
LINE_UP = 5  # voices among which one is told


class Row(NamedTuple):
    """A line of the table; scores in [0, 1].

    Args:
        axis: of the picture.
        name: what was asked.
        score: mean over the items.
        error: its standard error.
        chance: the same answers, each judged as if it were the answer to the next question.
        twin: what text alone gets; 1 where the text alone is the answer.
        items: number of questions.
        judge: who judged.
    """

    axis: str
    name: str
    score: float
    error: float
    chance: float
    twin: float
    items: int
    judge: str


class Examined(NamedTuple):
    """The table, tools, and answers to listen to, each with its title."""

    rows: list[Row]
    tools: dict[str, Any]
    answers: list[tuple[str, Answered]]


def examine(
    ask: Ask,
    items: Sequence[Item],
    library: Library,
    known: Mapping[str, Sequence[Speech]],
    ears: Ears,
    count: int,
    seed: int,
    advance: Callable[[int, int], None],
) -> Examined:
    """All of it.

    Args:
        ask: dialogues to the assistant's next turns.
        items: of the test split.
        library: of the same.
        known: some speech of every voice, by which voices are told.
        ears: who listens.
        count: questions, about.
        seed: of what is drawn.
        advance: told the number of rows done, and of all.
    """
    given = sheets(items, library, count, seed)
    rows, answers = [], []
    for done, sheet in enumerate(given):
        advance(done, len(given) + 3)
        row, heard = marked(ask, sheet, ears)
        rows.append(row)
        answers += [(f"{sheet.name}: {one.title}", answer) for one, answer in zip(sheet.questions, heard, strict=True)][
            :2
        ]
    advance(len(given), len(given) + 3)
    rows += in_roles(ask, items, library, ears, max(count // 16, 2), seed)
    advance(len(given) + 1, len(given) + 3)
    rows += cloned(ask, library, known, max(count // 12, 4), seed)
    advance(len(given) + 2, len(given) + 3)
    given_tools = cases(library, max(count // 6, 8), seed)

    def aloud(said: Said) -> str:
        return Answered(said, ASSISTANT, ears).words

    tools = {
        "spoken": tool_scores(ask, given_tools, aloud),
        "typed twin": tool_scores(ask, given_tools, aloud, typed=True),
    }
    advance(len(given) + 3, len(given) + 3)
    return Examined(rows, tools, answers)


def marked(ask: Ask, sheet: Sheet, ears: Ears) -> tuple[Row, list[Answered]]:
    """A sheet's row, and its answers."""
    questions = sheet.questions
    heard = _heard(ask, [one.turns for one in questions], questions, ears)
    marks = [one.right(answer) for one, answer in zip(questions, heard, strict=True)]
    wrong = [one.right(answer) for one, answer in zip(questions, heard[1:] + heard[:1], strict=True)]
    twins = [one.twin for one in questions if one.twin is not None]
    twin = 1.0
    if twins:
        answers = _heard(ask, twins, questions, ears)
        twin = float(np.mean([one.right(answer) for one, answer in zip(questions, answers, strict=True)]))
    return _row(sheet.axis, sheet.name, marks, float(np.mean(wrong)), twin, sheet.judge), heard


def _heard(ask: Ask, dialogues: Sequence[Sequence[Turn]], questions: Sequence[Question], ears: Ears) -> list[Answered]:
    return [Answered(said, one.voice, ears) for said, one in zip(ask(dialogues), questions, strict=True)]


def in_roles(ask: Ask, items: Sequence[Item], library: Library, ears: Ears, count: int, seed: int) -> list[Row]:
    """Whether the rule of a role holds in each of three turns; the twin is the same without a role."""
    rng = np.random.default_rng(seed + 1)
    plain = [item for item in items if not item.tags and item.voice == ASSISTANT]
    kept: dict[bool, list[float]] = {True: [], False: []}
    for name in PERSONAS:
        if plain if PERSONAS[name].tag else library.questions:
            for playing, marks in kept.items():
                marks += _in_role(ask, name, playing, plain, library, ears, count, rng)
    if not kept[True]:
        return []
    twin = float(np.mean(kept[False]))
    return [_row("role play", f"rules kept over {ROUNDS} turns", kept[True], twin, twin, "meters and text")]


def _in_role(
    ask: Ask,
    name: str,
    playing: bool,
    plain: Sequence[Item],
    library: Library,
    ears: Ears,
    count: int,
    rng: np.random.Generator,
) -> list[float]:
    """Marks of every turn of `count` dialogues."""
    persona, marks = PERSONAS[name], []
    dialogues = [asking.system(persona=name if playing else "") for _ in range(count)]
    for _ in range(ROUNDS):
        items = [plain[int(place)] for place in rng.integers(len(plain), size=count)] if persona.tag else []
        new = [asking.to_say(item.text) for item in items]
        if not persona.tag:
            places = rng.integers(len(library.questions), size=count)
            new = [asking.to_answer(library.questions[int(place)].text, asking.IN_TEXT) for place in places]
        dialogues = [[*before, *turns] for before, turns in zip(dialogues, new, strict=True)]
        said = ask(dialogues)
        dialogues = [[*before, one.turn] for before, one in zip(dialogues, said, strict=True)]
        for item, one in zip(items, said, strict=bool(items)):
            marks.append(in_bands((persona.tag,), neutral_of(item), Answered(one, ASSISTANT, ears)))
        marks += [float(one.text.endswith(persona.ending)) for one in said if not persona.tag]
    return marks


def cloned(ask: Ask, library: Library, known: Mapping[str, Sequence[Speech]], count: int, seed: int) -> list[Row]:
    """Told by its codes whose voice an answer has, among five: that of the prompt dialogue, or one of four others.

    The judge is a histogram of semantic codes; the reward's is the tokenizer's envelope. The twin is the text alone.
    """
    rng = np.random.default_rng(seed + 2)
    voices = {name: _profile(some) for name, some in known.items() if len(some) > 1}
    prompts = [one for name in voices for one in library.plain.get(name, [])]
    if len(voices) < LINE_UP or not prompts:
        return []
    chosen = [prompts[int(place)] for place in rng.integers(len(prompts), size=count)]
    texts = [prompts[int(place)].text for place in rng.integers(len(prompts), size=count)]
    lines = [[one.voice, *rng.permutation([n for n in voices if n != one.voice])[: LINE_UP - 1]] for one in chosen]
    marks = {}
    asked = [asking.to_clone(one.text, one.speech, text) for one, text in zip(chosen, texts, strict=True)]
    for which, turns in (("clone", asked), ("twin", [asking.to_say(text) for text in texts])):
        told = [_told(one, line, voices) for one, line in zip(ask(turns), lines, strict=True)]
        marks[which] = [float(name == line[0]) for name, line in zip(told, lines, strict=True)]
    return [
        _row(
            "voice", "cloned, among five", marks["clone"], 1 / LINE_UP, float(np.mean(marks["twin"])), "code histogram"
        )
    ]


def _told(said: Said, line: Sequence[str], voices: Mapping[str, np.ndarray]) -> str:
    if said.speech is None:
        return ""
    own = _profile([said.speech])
    return max(line, key=lambda name: float(own @ voices[name]))


def _profile(some: Sequence[Speech]) -> np.ndarray:
    """The root of the shares of semantic codes, of length 1."""
    codes = np.concatenate([np.asarray(one.semantic, int) for one in some])
    return np.sqrt(np.bincount(codes, minlength=1 << 13) / len(codes))


def _row(axis: str, name: str, marks: Sequence[float], chance: float, twin: float, judge: str) -> Row:
    error = float(np.std(marks) / max(len(marks), 1) ** 0.5)
    return Row(axis, name, float(np.mean(marks)), error, chance, twin, len(marks), judge)
