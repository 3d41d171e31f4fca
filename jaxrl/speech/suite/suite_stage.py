"""The stage of the evaluation: the exam of a policy, and its table, picture, waves and page."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl.record.files import replace_json, replace_text
from jaxrl.speech.chat import Speech, Turn, encode_dialogue, encode_prompt, opening
from jaxrl.speech.decoder.vocoder import stream
from jaxrl.speech.engine.accept import domain_judge
from jaxrl.speech.engine.voices import ASSISTANT
from jaxrl.speech.interleave import BLOCK, BLOCK_MS
from jaxrl.speech.manifest import Item
from jaxrl.speech.policy import asking
from jaxrl.speech.policy.assistant import Assistant
from jaxrl.speech.policy.at_hand import TRAINING, Policy, scale_of
from jaxrl.speech.policy.library import Library
from jaxrl.speech.policy.policy_report import Said, ask
from jaxrl.speech.policy.policy_stage import all_utterances
from jaxrl.speech.progress_bar import shown
from jaxrl.speech.rl.rl_stage import policy_of
from jaxrl.speech.scale import Scale
from jaxrl.speech.sound.gallery import Shown, write_gallery, write_radar
from jaxrl.speech.sound.judges import Recogniser
from jaxrl.speech.sound.waves import write_wave
from jaxrl.speech.speech_error import damaged
from jaxrl.speech.suite.exam import Examined, Row, examine
from jaxrl.speech.suite.hearing import Answered, Ears
from jaxrl.speech.tools import MEANINGS

PARTS = (TRAINING, "group")  # before and after reinforcement learning
WAVES, KNOWN = 12, 12
FIRST_BLOCKS = 5  # that a first chunk needs
# What StepEval-Audio-360 or the spec asks for, and this policy was never trained to do or no program here can judge.
LEFT_OUT = {
    "accents": "no judge of accents is installed",
    "recognition of rate, pitch and voice": "the policy has no task in which it names them",
    "number guessing": "the policy has no task in which it guesses; a number remembered stands for gaming",
    "lyrics of its own": "the policy reads refrains and raps out, and writes none",
}


class Hall(NamedTuple):
    """What the exams of all policies of a run share: its utterances with their codes, and who decodes and hears."""

    items: list[Item]
    speech: list[Speech]
    assistant: Assistant
    judge: Recogniser
    tools_judge: Recogniser  # who also knows what the dictionary answers, which is no sentence of the domain


def suite(folder: Path, scale: Scale, workers: int) -> dict[str, Any]:
    """The supervised policy and the one that was post-trained, side by side; each is kept once it was examined."""
    left = [part for part in PARTS if not (folder / "suite" / part / "suite.json").exists()]
    hall = hall_of(folder, scale, workers) if left else None
    for part in left:
        evaluate_suite(folder, part, hall)
    told = {part: read_suite(folder / "suite" / part) for part in PARTS}
    scores = {part: axes_of([Row(**row) for row in one["rows"]]) for part, one in told.items()}
    write_radar(folder / "suite" / "radar.png", scores)
    return {part: {"axes": scores[part], "tools": one["tools"]} for part, one in told.items()}


def hall_of(run: Path, scale: Scale, workers: int) -> Hall:
    """All that is shared; raises `SpeechError` where a stage before or a package of the extra is missing."""
    return Hall(*all_utterances(run, scale, workers), Assistant(run), domain_judge(), domain_judge(MEANINGS.values()))


def evaluate_suite(run: Path, part: str = TRAINING, hall: Hall | None = None) -> dict[str, Any]:
    """The exam of one policy of a run folder; `RUN/suite/PART` gets JSON, table, picture, 12 waves and a page.

    Args:
        run: the folder.
        part: of it, whose policy is examined.
        hall: where those of other parts were examined.

    Raises:
        SpeechError: the run has no such policy, or a package of the extra is missing.
    """
    config, policy = scale_of(run).suite, policy_of(run, part)
    items, speech, assistant, judge, tools_judge = hall or hall_of(run, scale_of(run), 1)

    def sounding(codes: Speech, voice: str) -> np.ndarray:
        return assistant.wave(codes, voice if voice in assistant.voices else ASSISTANT)

    ears, of_tools = Ears(sounding, judge.hear), Ears(sounding, tools_judge.hear)

    def answer(dialogues: Sequence[Sequence[Turn]]) -> list[Said]:
        return answers(policy, dialogues, config.seed)

    unseen = [item for item in items if item.split == "test"]
    library = Library(items, speech, "test")
    with shown(f"suite, {part}") as advance:
        known = _known(items, speech)
        found = examine(answer, unseen, library, known, ears, of_tools, config.items, config.seed, advance)
    told = {
        "policy": part,
        "items": sum(row.items for row in found.rows),
        "rows": [row._asdict() for row in found.rows],
        "axes": axes_of(found.rows),
        "likeness": found.likeness,
        "tools": found.tools,
        "controls": found.controls,
        "latency": latency(assistant, policy),
        "left_out": LEFT_OUT,
    }
    _write(run / "suite" / part, found, told)
    return told


def answers(policy: Policy, dialogues: Sequence[Sequence[Turn]], seed: int) -> list[Said]:
    """What comes next in each; nothing where the policy has filled its context before, as with an endless call."""
    room = policy.config.context - len(opening("assistant"))
    left = [i for i, turns in enumerate(dialogues) if len(encode_dialogue(turns, policy.vocabulary)) < room]
    said = ask(policy, [dialogues[i] for i in left], seed=seed)
    found = dict(zip(left, said, strict=True))
    return [found.get(i, Said(Turn("assistant", ()), False)) for i in range(len(dialogues))]


def read_suite(folder: Path) -> dict[str, Any]:
    """What `evaluate_suite` wrote; raises `SpeechError` where it is damaged."""
    path = folder / "suite.json"
    with damaged(path, "it, and it is asked again"):
        return json.loads(path.read_text(encoding="utf-8"))


def axes_of(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Score, chance and twin of each axis: means of its rows."""
    found: dict[str, dict[str, float]] = {}
    for axis in dict.fromkeys(row.axis for row in rows):
        some = [row for row in rows if row.axis == axis]
        found[axis] = {
            name: sum(getattr(row, name) for row in some) / len(some) for name in ("score", "chance", "twin")
        }
    return found


def table_of(told: Mapping[str, Any]) -> str:
    """The table of an exam as Markdown."""
    rows, tools = [Row(**row) for row in told["rows"]], told["tools"]
    lines = ["| axis | asked | score | chance | text only | items | judge |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        score = f"{row.score:.2f} +- {row.error:.2f}"
        lines.append(
            f"| {row.axis} | {row.name} | {score} | {row.chance:.2f} | {row.twin:.2f} | {row.items} | {row.judge} |"
        )
    for name, one in told["likeness"].items():
        asked = f"liker the prompt's voice than four others, {name}"
        gap = f"{one['gap']:.2f} +- {one['error']:.2f}"
        lines.append(f"| voice | {asked} | {gap} | 0.00 | {one['twin']:.2f} | {one['items']} | code histogram |")
    spoken, typed = tools["spoken"], tools["typed twin"]
    for name, value in spoken.items():
        if name in ("chance", "questions", "due"):
            continue
        chance = spoken["chance"].get(name, 0.0)
        lines.append(
            f"| tools | {name.replace('_', ' ')} | {_number(value)} | {chance:.2f} | {_number(typed[name])} | "
            f"{spoken['questions']} | text, recogniser |"
        )
    return "\n".join(lines) + "\n"


def latency(assistant: Assistant, policy: Policy, rounds: int = 3) -> dict[str, float]:
    """Seconds of each part for a second of speech, one answer at a time, and milliseconds to a first chunk.

    The least of some rounds after one that compiles.
    """
    prompt = encode_prompt(asking.to_say("turn the lamp on"), policy.vocabulary, policy.config.context)
    seconds, first = [], []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        tokens = policy.answer([prompt], jax.random.key(0), max_new=BLOCK * FIRST_BLOCKS + 1)[0]
        seconds.append((time.perf_counter() - start) / max(len(tokens), 1))
        first.append(1000 * (time.perf_counter() - start))
    codes = Speech((0,) * 2 * FIRST_BLOCKS, (0,) * 3 * FIRST_BLOCKS)
    voice, chunk, whole = assistant.voice_named(ASSISTANT), [], []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        next(stream(assistant.decoder, codes, voice))
        chunk.append(1000 * (time.perf_counter() - start))
        start = time.perf_counter()
        assistant.wave(codes)
        whole.append(time.perf_counter() - start)
    return {
        "policy_real_time_factor": min(seconds[1:]) * BLOCK / (BLOCK_MS / 1000),
        "decoder_real_time_factor": min(whole[1:]) / (FIRST_BLOCKS * BLOCK_MS / 1000),
        "first_chunk_ms": min(first[1:]) + min(chunk[1:]),
    }


def _known(items: Sequence[Item], speech: Sequence[Speech]) -> dict[str, list[Speech]]:
    """Some plain readings of every voice, from any split."""
    found: dict[str, list[Speech]] = {}
    for item, codes in zip(items, speech, strict=True):
        if not item.tags and len(found.setdefault(item.voice, [])) < KNOWN:
            found[item.voice].append(codes)
    return found


def _write(own: Path, found: Examined, told: Mapping[str, Any]) -> None:
    """Table, picture, waves, page; the JSON comes last, and says that all is there."""
    replace_text(own / "table.md", table_of(told))
    write_radar(own / "radar.png", {str(told["policy"]): told["axes"]})
    heard: list[tuple[str, Answered]] = [one for one in found.answers if one[1].wave.size]
    chosen = sorted(range(len(heard)), key=lambda index: (index % 2, index))[
        :WAVES
    ]  # of every row one, then the others
    pictured = []
    for number, index in enumerate(chosen):
        title, answer = heard[index]
        write_wave(own / "waves" / f"{number:02d}.wav", answer.wave)
        pictured.append(Shown(title, answer.wave, answer.f0))
    rows = [
        (f"{row.axis}: {row.name}", f"{row.score:.2f}, chance {row.chance:.2f}, text only {row.twin:.2f}")
        for row in found.rows
    ]
    rows += [(f"tools, {name}", json.dumps(value)) for name, value in found.tools.items()]
    write_gallery(own / "page.html", f"The suite: {told['policy']}", pictured, rows)
    replace_json(own / "suite.json", dict(told))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
