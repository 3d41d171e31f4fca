"""The exam of one policy: every sheet, its twin and its chance, tools, roles and voices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrl.speech.chat import Speech, Turn
from jaxrl.speech.engine.voices import ASSISTANT, VOICES
from jaxrl.speech.manifest import Item
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.asking import PERSONAS
from jaxrl.speech.policy.library import Library, Utterance
from jaxrl.speech.policy.policy_report import Said
from jaxrl.speech.rl.asks import neutral_of
from jaxrl.speech.suite.hearing import Answered, Ears
from jaxrl.speech.suite.questions import Sheet, asked_and_heard, in_bands, sheets
from jaxrl.speech.suite.tool_scores import Ask, cases, tool_scores

ROUNDS = 3  # turns in a role
LINE_UP = 5  # voices among which one is told
PARTS = 5  # of the exam


class Row(NamedTuple):
    """A line of the table; scores in [0, 1].

    Args:
        axis: of the picture.
        name: what was asked.
        score: mean over the items.
        error: its standard error.
        chance: the same answers, each judged as if it were the answer to the next question, or under the next tag.
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
    """The table, how like the prompt's voice clones are, tools, answers to listen to, each with its title, and
    attributes as they were asked for and heard."""

    rows: list[Row]
    likeness: dict[str, dict[str, float]]
    tools: dict[str, Any]
    answers: list[tuple[str, Answered]]
    controls: list[dict[str, str | float]]


def examine(
    ask: Ask,
    items: Sequence[Item],
    library: Library,
    known: Mapping[str, Sequence[Speech]],
    ears: Ears,
    of_tools: Ears,
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
        of_tools: who listens to what tools answered, which are not all sentences of the domain.
        count: questions, about.
        seed: of what is drawn.
        advance: told the number of parts done, and of all.
    """
    given = sheets(items, library, count, seed)
    rows, answers, controls = [], [], []
    said, twins = said_of(ask, given)
    advance(1, PARTS)
    for sheet in given:
        row, heard = marked(sheet, said, twins, ears)
        rows.append(row)
        told = list(zip(sheet.questions, heard, strict=True))
        controls += [line for one, answer in told for line in asked_and_heard(one, answer)]
        answers += [(f"{sheet.name}: {one.title}", answer) for one, answer in told[:2]]
    advance(2, PARTS)
    rows += in_roles(ask, items, library, ears, max(count // 16, 2), seed)
    advance(3, PARTS)
    told_apart, likeness = cloned(ask, library, known, max(count // 12, 4), seed)
    rows += told_apart
    advance(4, PARTS)
    given_tools = cases(library, max(count // 6, 8), seed)

    def aloud(said: Said) -> str:
        return Answered(said, ASSISTANT, of_tools).words

    tools = {
        "spoken": tool_scores(ask, given_tools, aloud),
        "typed twin": tool_scores(ask, given_tools, aloud, typed=True),
    }
    advance(PARTS, PARTS)
    return Examined(rows, likeness, tools, answers, controls)


def said_of(ask: Ask, given: Sequence[Sheet]) -> tuple[dict[int, Said], dict[int, Said]]:
    """Answers to all questions and to all twins, by the identity of the question: asked together, so that few batches
    are computed, and each is full."""
    questions = [one for sheet in given for one in sheet.questions]
    twins = [(id(one), one.twin) for one in questions if one.twin is not None]
    said = ask([*(one.turns for one in questions), *(twin for _, twin in twins)])
    first, second = said[: len(questions)], said[len(questions) :]
    return (
        {id(one): answer for one, answer in zip(questions, first, strict=True)},
        {name: answer for (name, _), answer in zip(twins, second, strict=True)},
    )


def marked(sheet: Sheet, said: Mapping[int, Said], twins: Mapping[int, Said], ears: Ears) -> tuple[Row, list[Answered]]:
    """A sheet's row, and its answers."""
    questions = sheet.questions
    heard = [Answered(said[id(one)], one.voice, ears) for one in questions]
    marks = [one.right(answer) for one, answer in zip(questions, heard, strict=True)]
    wrong = [
        one.wrong(answer) if one.wrong else one.right(following)
        for one, answer, following in zip(questions, heard, heard[1:] + heard[:1], strict=True)
    ]
    others = [one.right(Answered(twins[id(one)], one.voice, ears)) for one in questions if id(one) in twins]
    twin = float(np.mean(others)) if others else 1.0
    return _row(sheet.axis, sheet.name, marks, float(np.mean(wrong)), twin, sheet.judge), heard


class Player:
    """One dialogue in a role, or the same without it.

    Args:
        name: of the persona.
        playing: whether it is told so.
    """

    def __init__(self, name: str, playing: bool):
        self.persona, self.playing = PERSONAS[name], playing
        self.turns = asking.system(persona=name if playing else "")
        self.item: Item | None = None
        self.marks: list[float] = []

    def asked(self, plain: Sequence[Item], library: Library, rng: np.random.Generator) -> list[Turn]:
        """The dialogue with one more question."""
        self.item = plain[int(rng.integers(len(plain)))] if self.persona.tag else None
        one = library.questions[int(rng.integers(len(library.questions)))] if self.item is None else None
        new = asking.to_answer(one.text, asking.IN_TEXT) if one else asking.to_say(self.item.text if self.item else "")
        self.turns = [*self.turns, *new]
        return self.turns

    def answered(self, said: Said, ears: Ears) -> None:
        """Mark an answer, and go on from it."""
        self.turns = [*self.turns, said.turn]
        if self.item is None:
            self.marks.append(float(said.text.endswith(self.persona.ending)))
        else:
            heard = Answered(said, ASSISTANT, ears)
            self.marks.append(in_bands((self.persona.tag,), neutral_of(self.item), heard))


def in_roles(ask: Ask, items: Sequence[Item], library: Library, ears: Ears, count: int, seed: int) -> list[Row]:
    """Whether the rule of a role holds in each of three turns; the twin is the same without a role."""
    rng = np.random.default_rng(seed + 1)
    plain = [item for item in items if not item.tags and item.voice == ASSISTANT]
    names = [name for name in PERSONAS if (plain if PERSONAS[name].tag else library.questions)]
    players = [Player(name, playing) for name in names for playing in (True, False) for _ in range(count)]
    for _ in range(ROUNDS if players else 0):
        said = ask([one.asked(plain, library, rng) for one in players])
        for one, answer in zip(players, said, strict=True):
            one.answered(answer, ears)
    if not players:
        return []
    # A mark for each dialogue: its turns have the role and what was said before in common.
    kept, twins = ([float(np.mean(one.marks)) for one in players if one.playing == which] for which in (True, False))
    twin = float(np.mean(twins))
    return [_row("role play", f"rules kept over {ROUNDS} turns", kept, twin, twin, "meters and text")]


def cloned(
    ask: Ask, library: Library, known: Mapping[str, Sequence[Speech]], count: int, seed: int
) -> tuple[list[Row], dict[str, dict[str, float]]]:
    """Told by its codes whose voice an answer has, among five: that of the prompt dialogue, or one of four others; and
    the gap, how much liker the prompt's voice it is than the four are on average, a difference of cosines.

    The judge is a histogram of semantic codes, which the prompt itself has no part in; the reward's is the tokenizer's
    envelope. The twin is the text alone, which is read in the assistant's voice: one of the four, and cloned nowhere.
    """
    rng = np.random.default_rng(seed + 2)
    voices = {name: some for name, some in known.items() if len(some) > 1}
    rows, likeness = [], {}
    for title, split in (("voices of training", ("train",)), ("other voices", ("valid", "test"))):
        names = [name for name in voices if VOICES[name].split in split and name != ASSISTANT and library.plain[name]]
        if len(voices) < LINE_UP or ASSISTANT not in voices or not names:
            continue
        readings = [library.plain[names[index % len(names)]] for index in range(count)]
        chosen = [some[int(rng.integers(len(some)))] for some in readings]
        texts = [library.all[int(place)].text for place in rng.integers(len(library.all), size=count)]
        lines = [_line_up(one, voices, rng) for one in chosen]
        asked = [asking.to_clone(one.text, one.speech, text) for one, text in zip(chosen, texts, strict=True)]
        found = [
            [_likeness(one, line) for one, line in zip(said, lines, strict=True)]
            for said in (ask(asked), ask([asking.to_say(text) for text in texts]))
        ]
        marks, twins = (
            [
                float(max(told, key=told.__getitem__, default="") == one.voice)
                for one, told in zip(chosen, some, strict=True)
            ]
            for some in found
        )
        rows.append(_row("voice", f"cloned, {title}", marks, 1 / LINE_UP, float(np.mean(twins)), "code histogram"))
        gaps, other = ([_gap(told, one.voice) for one, told in zip(chosen, some, strict=True)] for some in found)
        error = standard_error(gaps)
        likeness[title] = {"gap": float(np.mean(gaps)), "error": error, "twin": float(np.mean(other)), "items": count}
    return rows, likeness


def _line_up(
    prompt: Utterance, voices: Mapping[str, Sequence[Speech]], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Profiles of the prompt's voice, without the prompt, of the assistant's, and of three others."""
    others = rng.permutation([name for name in voices if name not in (prompt.voice, ASSISTANT)])[: LINE_UP - 2]
    names = (prompt.voice, ASSISTANT, *map(str, others))
    return {name: _profile([one for one in voices[name] if one != prompt.speech]) for name in names}


def _likeness(said: Said, line: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Cosine between an answer and each voice of the line; of silence nothing."""
    if said.speech is None:
        return {}
    own = _profile([said.speech])
    return {name: float(own @ voice) for name, voice in line.items()}


def _gap(told: Mapping[str, float], voice: str) -> float:
    """The likeness to a voice less the mean of that to the others; 0 of silence."""
    return told[voice] - float(np.mean([value for name, value in told.items() if name != voice])) if told else 0.0


def _profile(some: Sequence[Speech]) -> np.ndarray:
    """The root of the shares of semantic codes, of length 1."""
    codes = np.concatenate([np.asarray(one.semantic, int) for one in some])
    return np.sqrt(np.bincount(codes, minlength=1 << 13) / len(codes))


def _row(axis: str, name: str, marks: Sequence[float], chance: float, twin: float, judge: str) -> Row:
    return Row(axis, name, float(np.mean(marks)), standard_error(marks), chance, twin, len(marks), judge)


def standard_error(marks: Sequence[float]) -> float:
    """That of their mean; 0 of a single one, of which it is not known."""
    return float(np.std(marks, ddof=1) / len(marks) ** 0.5) if len(marks) > 1 else 0.0
