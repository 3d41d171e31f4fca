"""The stage of the policy: more data, supervised training, what it can do, and its student."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxrl.record.files import replace_json, replace_text
from jaxrl.speech.chat import Speech, Turn
from jaxrl.speech.decoder.flow_training import channels_of, voice_of
from jaxrl.speech.engine.accept import domain_judge
from jaxrl.speech.engine.produce import MANIFEST, SUMMARY, produce, read_summary, wave_of
from jaxrl.speech.fitting import curve_of
from jaxrl.speech.ids import Vocabulary
from jaxrl.speech.interleave import BLOCK_MS, LINGUISTIC_PER_BLOCK
from jaxrl.speech.loading import CODES, FEATURES, load_tokenizer, read_codes, write_codes
from jaxrl.speech.manifest import Item, read_manifest
from jaxrl.speech.policy.assistant import VOICES_FILE, Assistant
from jaxrl.speech.policy.at_hand import POLICY, STUDENT, TRAINING, load_policy, student_config, vocabulary_of
from jaxrl.speech.policy.dialogues import TASKS, draw_dialogue
from jaxrl.speech.policy.library import BEGINNINGS, Library
from jaxrl.speech.policy.policy_config import PolicyConfig
from jaxrl.speech.policy.policy_report import report, spoken, unseen_texts
from jaxrl.speech.policy.row_packing import fill
from jaxrl.speech.policy.student import self_generated
from jaxrl.speech.policy.supervised import PolicyState, Rows, train_policy
from jaxrl.speech.progress_bar import shown
from jaxrl.speech.scale import Scale
from jaxrl.speech.sound import features as features_file
from jaxrl.speech.sound.features import BLOCK_SAMPLES, log_mel, to_blocks
from jaxrl.speech.sound.gallery import Shown, write_curve, write_gallery
from jaxrl.speech.sound.judges import Recogniser
from jaxrl.speech.sound.throats import faster, speeds_of
from jaxrl.speech.sound.waves import from_int16, write_wave
from jaxrl.speech.sound.world import pitch_track
from jaxrl.speech.tokenizer.codec_training import Tokenizer

DATA, REHEARSED, LATER, THROATS, FIRST = "data", "rehearsed", "later.npz", "throats.npz", "first"
SHIFTS = tuple(int(BLOCK_SAMPLES * later) for later in BEGINNINGS)  # samples
PANELS = (("loss", "valid_loss"), ("text", "valid_text", "speech", "valid_speech"), ("right", "valid_right"))
LISTENED = 8  # waves on the page


def policy(folder: Path, scale: Scale, workers: int) -> dict[str, Any]:
    """The trained policy, its student, and what both can do; every part goes on where it stopped."""
    own = folder / POLICY
    items, speech = all_utterances(folder, scale, workers)
    write_voices(folder)
    held_out, unseen = (Library(items, speech, split) for split in ("valid", "test"))
    train = Library(items, speech, "train", later_codes(folder, scale, items), throat_codes(folder, scale, items))
    train_courses(own, train, held_out, scale.policy, vocabulary_of(scale))
    judge = domain_judge()
    assistant = Assistant(folder)
    found, heard = report(assistant.policy, unseen, judge, assistant.wave)
    pictured = []
    for index, (text, codes) in enumerate(heard[:LISTENED]):
        sound = assistant.wave(codes)
        write_wave(own / "waves" / f"{index}-{text.replace(' ', '-')}.wav", sound)
        pictured.append(Shown(text, sound, pitch_track(sound)))
    seconds = sum(len(one.linguistic) for one in speech) / LINGUISTIC_PER_BLOCK * BLOCK_MS / 1000
    found["training"] = {"utterances": len(train.all), "seconds_of_all": round(seconds, 1)}
    found["student"] = student(folder, scale, judge, assistant, held_out)
    rows = [(name, json.dumps(value)) for name, value in found.items()]
    write_gallery(own / "page.html", "Unseen sentences, read out by the policy", pictured, rows)
    return found


def student(folder: Path, scale: Scale, judge: Recogniser, teacher: Assistant, held_out: Library) -> dict[str, Any]:
    """The student, and its word error rate beside its teacher's on sentences that neither saw; none where the judge
    understood nothing of its teacher."""
    own, config = folder / POLICY / STUDENT, student_config(scale.policy)
    with shown("readings for the student") as advance:
        made, counts = self_generated(own, teacher.policy, scale.policy.student_texts, judge, teacher.wave, advance)
    if not made.all:
        return {**counts, "wer": None}
    train_on(own, made, held_out, config, vocabulary_of(scale), "student", ("tts", "asr"))
    texts = unseen_texts(40, seed=8)
    readers = (load_policy(folder, STUDENT), teacher.policy)
    own_rate, other = (spoken(reader, texts, judge, teacher.wave)[0]["wer"] for reader in readers)
    return {**counts, "wer": own_rate, "wer_of_its_teacher": other}


def train_courses(own: Path, train: Library, held_out: Library, config: PolicyConfig, tokens: Vocabulary) -> None:
    """Train the policy in the folder `own`: in one course, or in a second one from what the first has learnt."""
    if not config.second_steps:
        train_on(own / TRAINING, train, held_out, config, tokens, "policy")
        return
    first = train_on(own / FIRST, train, held_out, config, tokens, "policy, first course")
    second = dataclasses.replace(
        config,
        steps=config.second_steps,
        learning_rate=config.second_rate,
        text_weight=config.second_text_weight,
        seed=config.seed + 1,
    )
    train_on(own / TRAINING, train, held_out, second, tokens, "policy, second course", begun=first.params)


def train_on(
    folder: Path,
    library: Library,
    held_out: Library,
    config: PolicyConfig,
    tokens: Vocabulary,
    title: str,
    tasks: Sequence[str] = tuple(TASKS),
    begun: Any = None,
) -> PolicyState:
    """Train in `folder` on the tasks, with the losses of held-out utterances in its curve, and draw that curve.

    With parameters that have `begun` it is the second course.
    """
    rng = np.random.default_rng(config.seed)
    checked = fill(lambda: draw_dialogue(rng, held_out, ("tts", "asr")), config.rows, config.context, tokens)

    def draw(rng: np.random.Generator) -> Rows:
        def dialogue() -> list[Turn]:
            return draw_dialogue(rng, library, tasks, begun is not None)

        return fill(dialogue, config.rows, config.context, tokens, library.phones)

    with shown(title) as advance:
        state = train_policy(folder, draw, checked, config, tokens, advance, begun=begun)
    write_curve(folder / "curve.png", curve_of(folder), PANELS)
    return state


def all_utterances(folder: Path, scale: Scale, workers: int) -> tuple[list[Item], list[Speech]]:
    """The engine's utterances, and those that are made here beside them, with their codes."""
    items, speech = read_manifest(folder / "engine" / MANIFEST), read_codes(folder / "tokenizer" / CODES)
    for name, count, seed in _made_here(scale):
        data = folder / POLICY / name
        wanted = {"utterances": count, "seed": seed}
        if not (data / SUMMARY).exists() or not wanted.items() <= read_summary(data).items():
            for path in (data / CODES, folder / POLICY / LATER, folder / POLICY / THROATS):
                path.unlink(missing_ok=True)
            with shown("more utterances") as advance:
                produce(data, count, seed, workers, advance, rehearsed=name == REHEARSED)
        made = read_manifest(data / MANIFEST)
        if not (data / CODES).exists():
            tokenizer = load_tokenizer(folder, scale)
            write_codes(data / CODES, [_coded(tokenizer, from_int16(wave_of(data, item))) for item in made])
        items, speech = [*items, *made], [*speech, *read_codes(data / CODES)]
    return items, speech


def _made_here(scale: Scale) -> list[tuple[str, int, int]]:
    """Folders of what the engine makes for the policy, with the number of utterances and the seed."""
    found = [(DATA, scale.policy.utterances, scale.engine.seed + 1)]
    return [*found, (REHEARSED, scale.policy.rehearsed, scale.engine.seed + 2)] if scale.policy.rehearsed else found


def later_codes(folder: Path, scale: Scale, items: Sequence[Item]) -> list[tuple[Speech, ...]]:
    """Codes of the waves of `all_utterances` when they begin later by parts of a block, for each item."""
    counts = [len(SHIFTS)] * len(items)
    return _coded_again(folder, scale, LATER, counts, lambda _, wave: [np.pad(wave, (shift, 0)) for shift in SHIFTS])


def throat_codes(folder: Path, scale: Scale, items: Sequence[Item]) -> list[dict[float, Speech]]:
    """Codes of the waves of `all_utterances` in other throats, by how much faster they are played, for each item;
    nothing of those that training does not have, or where `policy.throats` is 0."""
    if not scale.policy.throats:
        return []

    counts = [scale.policy.throats if item.split == "train" else 0 for item in items]
    speeds = [speeds_of(number, count) for number, count in enumerate(counts)]

    def in_throats(number: int, wave: np.ndarray) -> list[np.ndarray]:
        return [faster(wave, speed) for speed in speeds[number]]

    found = _coded_again(folder, scale, THROATS, counts, in_throats)
    return [dict(zip(own, codes, strict=True)) for own, codes in zip(speeds, found, strict=True)]


def _coded_again(
    folder: Path,
    scale: Scale,
    name: str,
    counts: list[int],
    changed: Callable[[int, np.ndarray], Sequence[np.ndarray]],
) -> list[tuple[Speech, ...]]:
    """Codes of what becomes of the wave of each item, so many of each, kept in the file `name`; coded anew where other
    counts were wanted then."""
    path = folder / POLICY / name
    told, wanted = path.with_suffix(".json"), json.dumps(counts, indent=2) + "\n"
    if not path.exists() or not told.exists() or told.read_bytes() != wanted.encode():
        tokenizer = load_tokenizer(folder, scale)
        coded: list[list[Speech]] = []
        with shown(f"codes, {path.stem}") as advance:
            for number, wave in enumerate(_waves(folder, scale)):
                advance(number, len(counts))
                coded.append([_coded(tokenizer, one) for one in changed(number, wave)])
        write_codes(path, [one for some in coded for one in some])
        replace_text(told, wanted)
    codes = iter(read_codes(path))
    return [tuple(next(codes) for _ in range(count)) for count in counts]


def _waves(folder: Path, scale: Scale) -> Iterator[np.ndarray]:
    """The waves of `all_utterances`, one by one, in [-1, 1]."""
    for data in (folder / "engine", *(folder / POLICY / name for name, _, _ in _made_here(scale))):
        for item in read_manifest(data / MANIFEST):
            yield from_int16(wave_of(data, item))


def _coded(tokenizer: Tokenizer, wave: np.ndarray) -> Speech:
    return tokenizer.encode(log_mel(to_blocks(wave)))


def write_voices(folder: Path) -> None:
    """What the decoder must know of each voice: the mean over its plain readings by the engine."""
    path = folder / POLICY / VOICES_FILE
    if path.exists():
        return
    features, _ = features_file.load(folder / "tokenizer" / FEATURES)
    found: dict[str, list[np.ndarray]] = {}
    for index, item in enumerate(read_manifest(folder / "engine" / MANIFEST)):
        if not item.tags:
            found.setdefault(item.voice, []).append(voice_of(channels_of(features.utterance(index))))
    replace_json(path, {name: np.mean(voices, axis=0).tolist() for name, voices in sorted(found.items())})
