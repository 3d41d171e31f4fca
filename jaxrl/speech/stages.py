"""Stages from nothing to speech, each from the folder of the one before it, each gone on with where it stopped.

engine      waves, manifest
tokenizer   features, codebooks, codes
decoder     flow matching and its ablation, resynthesis
policy      one transformer over text and speech, and its student
rl          the policy post-trained by three learners, and by a wrong reward
suite       the evaluation, before and after
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxrl.record.files import replace_json
from jaxrl.speech.chat import Speech
from jaxrl.speech.decoder.flow_training import (
    FlowDecoder,
    channels_of,
    code,
    train_flow,
    voice_of,
)
from jaxrl.speech.decoder.griffin_lim import from_mel
from jaxrl.speech.decoder.vocoder import stream, to_wave
from jaxrl.speech.engine.accept import domain_judge
from jaxrl.speech.engine.produce import MANIFEST, produce, read_summary, wave_of
from jaxrl.speech.loading import CODES, FEATURES, load_tokenizer, read_codes, write_codes
from jaxrl.speech.manifest import Item, read_manifest
from jaxrl.speech.policy.at_hand import SCALE
from jaxrl.speech.policy.policy_stage import policy
from jaxrl.speech.progress_bar import shown
from jaxrl.speech.resynthesis import Sample, evaluate, speed
from jaxrl.speech.rl.rl_stage import rl
from jaxrl.speech.scale import Scale, read_scale
from jaxrl.speech.sound import features as features_file
from jaxrl.speech.sound.features import Features, join, log_mel, to_blocks
from jaxrl.speech.sound.gallery import Shown, write_gallery
from jaxrl.speech.sound.throats import faster, sooner, speeds_of
from jaxrl.speech.sound.waves import from_int16, write_wave
from jaxrl.speech.sound.world import pitch_track
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.suite.overview import REPORT, read_report, write_overview
from jaxrl.speech.suite.suite_stage import suite
from jaxrl.speech.tokenizer.codec_training import Tokenizer, train_codec
from jaxrl.speech.tokenizer.probe_report import probe

RESULTS = ("state", ".state.old", "answers.json", "suite.json")  # of stages that are under way
HEARD = 24  # utterances of the test split that the decoder is judged by


def run(folder: Path, scale: Scale, until: str, workers: int) -> dict[str, Any]:
    """Run all stages up to `until` that are not done; returns the report of the last one.

    Raises:
        SpeechError: a package of the extra is missing, or the folder is of other settings.
    """
    reports, settings = _done_before(folder, scale), dataclasses.asdict(scale)
    replace_json(folder / SCALE, settings)
    report: dict[str, Any] = {}
    for name, stage in STAGES.items():
        if name in reports:
            report = reports[name]
            print(f"{name}: done before", flush=True)
        else:
            report = {"settings": settings[name], **stage(folder, scale, workers)}
            replace_json(folder / name / REPORT, report)
            write_overview(folder, list(STAGES))
        if name == until:
            return report
    return report


def _done_before(folder: Path, scale: Scale) -> dict[str, Any]:
    """Reports of the stages that are done.

    Raises:
        SpeechError: a stage that has results was made with other settings, or from one that is there no more.
    """
    reports, gone = {}, ""
    before = dataclasses.asdict(read_scale(folder / SCALE)) if (folder / SCALE).exists() else {}
    for name in STAGES:
        own, settings = folder / name, before.get(name)
        if done := (own / REPORT).exists():
            reports[name] = read_report(own / REPORT)
            settings = reports[name]["settings"]
        # What was trained or examined; data, which know of what they are, are gone on with.
        if (done or any(any(own.rglob(one)) for one in RESULTS)) and settings != dataclasses.asdict(
            getattr(scale, name)
        ):
            raise SpeechError(f"{own} was made with other settings; take another folder, or remove it")
        if gone and (done or (own.exists() and gone != "rl")):  # the suite may examine the supervised policy before
            raise SpeechError(f"{own} was made from {folder / gone}, which is gone; put that back, or remove this too")
        gone = gone or ("" if own.exists() else name)
    return reports


def engine(folder: Path, scale: Scale, workers: int) -> dict[str, Any]:
    """Waves and manifest, and a page of one utterance of each style."""
    with shown("engine") as advance:
        summary = produce(folder / "engine", scale.engine.utterances, scale.engine.seed, workers, advance)
    items = read_manifest(folder / "engine" / MANIFEST)
    styles = {(item.tags[0].split(":")[0].split(" ")[0] if item.tags else "neutral"): item for item in items[::-1]}
    seen = [_shown(folder, item) for item in styles.values()]
    rows = [(name, str(value)) for name, value in summary.items()]
    write_gallery(folder / "engine" / "page.html", "What the engine made", seen, rows)
    return summary


def tokenizer(folder: Path, scale: Scale, workers: int) -> dict[str, Any]:
    """Features, codebooks, the codes of everything, and what each codebook holds."""
    features, names = _features(folder)
    items = read_manifest(folder / "engine" / MANIFEST)
    if all(item.split == "train" for item in items):
        raise SpeechError("no utterance is held out for the probes; raise engine.utterances")
    heard = _of(features, items, "train")
    if scale.tokenizer.throats:
        heard = join([heard, throats(folder, items, names, scale.tokenizer.throats)])
    with shown("tokenizer") as advance:
        state = train_codec(folder / "tokenizer", heard, len(names), scale.tokenizer, advance)
    trained = Tokenizer(state, scale.tokenizer, len(names))
    speech = [trained.encode(features.utterance(index).mel) for index in range(len(items))]
    write_codes(folder / "tokenizer" / CODES, speech)
    return probe(features, speech, items, (scale.tokenizer.linguistic, scale.tokenizer.semantic))


def throats(folder: Path, items: Sequence[Item], names: Sequence[str], count: int) -> Features:
    """Features of the utterances of training, each in `count` other throats; made where they are not there yet."""
    path = folder / "tokenizer" / f"throats-{count}.npz"
    if not path.exists():
        spoken = [item for item in items if item.split == "train"]
        heard = [(item, speed) for number, item in enumerate(spoken) for speed in speeds_of(number, count)]
        waves = [
            lambda item=item, speed=speed: faster(from_int16(wave_of(folder / "engine", item)), speed)
            for item, speed in heard
        ]
        with shown("features of other throats") as advance:
            phones = [sooner(item.phones, speed) for item, speed in heard]
            features_file.save(path, features_file.extract(waves, phones, names, advance), names)
    return features_file.load(path)[0]


def decoder(folder: Path, scale: Scale, workers: int) -> dict[str, Any]:
    """Flow matching, its ablation, and what is left of unseen speech after tokens."""
    features, _ = _features(folder)
    items, speech = read_manifest(folder / "engine" / MANIFEST), read_codes(folder / "tokenizer" / CODES)
    sizes = (scale.tokenizer.linguistic, scale.tokenizer.semantic)
    train = [index for index, item in enumerate(items) if item.split == "train"]
    coded = code(
        _of(features, items, "train"), [speech[index] for index in train], [items[index].voice for index in train]
    )
    decoders = {}
    for kind in ("flow", "regression"):
        config = dataclasses.replace(scale.decoder, kind=kind)
        with shown(f"decoder, {kind}") as advance:
            state = train_flow(folder / "decoder" / kind, coded, config, sizes, advance)
        decoders[kind] = FlowDecoder(state, config, sizes)
    samples = _samples(folder, items, features, speech)
    trained = load_tokenizer(folder, scale)
    makers: dict[str, Callable[[Sample], np.ndarray]] = {
        "flow": lambda one: to_wave(decoders["flow"].decode(one.speech, one.voice)),
        "flow in chunks": lambda one: np.concatenate(list(stream(decoders["flow"], one.speech, one.voice))),
        "regression": lambda one: to_wave(decoders["regression"].decode(one.speech, one.voice)),
        "tokenizer's own decoder": lambda one: to_wave(_own(trained, one.speech)),
        "true features": lambda one: to_wave(channels_of(features_file.of_wave(one.samples))),
        "griffin-lim of the true mel": lambda one: from_mel(log_mel(to_blocks(one.samples))),
    }
    judge = domain_judge()
    report = {"resynthesis": evaluate(samples, makers, judge), **speed(decoders["flow"], samples[:6])}
    pictured = []
    for index, one in enumerate(samples[:6]):
        for name, wave in (("original", one.samples), ("from codes", makers["flow"](one))):
            write_wave(folder / "decoder" / "waves" / f"{index}-{name.replace(' ', '-')}.wav", wave)
            pictured.append(Shown(f"{name}: {one.text}", wave, pitch_track(wave)))
    rows = [(name, json.dumps(value)) for name, value in report["resynthesis"].items()]
    write_gallery(folder / "decoder" / "page.html", "Unseen sentences, and what is left after tokens", pictured, rows)
    return report


STAGES: dict[str, Callable[[Path, Scale, int], dict[str, Any]]] = {
    "engine": engine,
    "tokenizer": tokenizer,
    "decoder": decoder,
    "policy": policy,
    "rl": rl,
    "suite": suite,
}


def _features(folder: Path) -> tuple[Features, list[str]]:
    """Those of all items, made where they are not there yet."""
    path = folder / "tokenizer" / FEATURES
    if not path.exists():
        read_summary(folder / "engine")
        items = read_manifest(folder / "engine" / MANIFEST)
        names = ["", *sorted({name for item in items if item.split == "train" for name, _ in item.phones})]
        waves = [lambda item=item: wave_of(folder / "engine", item) for item in items]
        with shown("features") as advance:
            features = features_file.extract(waves, [item.phones for item in items], names, advance)
        features_file.save(path, features, names)
    return features_file.load(path)


def _of(features: Features, items: list[Item], split: str) -> Features:
    return join([features.utterance(index) for index, item in enumerate(items) if item.split == split])


def _samples(folder: Path, items: list[Item], features: Features, speech: list[Speech]) -> list[Sample]:
    """Utterances of unseen sentences, each with another utterance of its voice as the prompt."""
    chosen = [index for index, item in enumerate(items) if item.split == "test"][:HEARD]
    if not chosen:
        raise SpeechError("no utterance is in the test split; raise engine.utterances")
    found = []
    for index in chosen:
        others = [i for i, item in enumerate(items) if item.voice == items[index].voice and i != index] or [index]
        voice = voice_of(channels_of(features.utterance(others[0])))
        wave = from_int16(wave_of(folder / "engine", items[index]))
        found.append(Sample(wave, items[index].text, speech[index], voice))
    return found


def _own(trained: Tokenizer, speech: Speech) -> np.ndarray:
    envelope, pitch, voiced = trained.decode(speech)
    doubled = [np.repeat(part, 2)[:, None] for part in (pitch, voiced)]
    return np.concatenate([envelope, *doubled], axis=1)


def _shown(folder: Path, item: Item) -> Shown:
    wave = from_int16(wave_of(folder / "engine", item))
    tags = "".join(f"({tag})" for tag in item.tags)
    return Shown(f"{tags} {item.text} [{item.voice}]".strip(), wave, pitch_track(wave))
