"""Make all utterances of a plan on several processes, byte for byte the same however many there are.

Shards of 64 jobs are written as they are done, so that a run that was interrupted goes on with the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from jaxrl.record.files import replace_json, replacing
from jaxrl.speech import extra
from jaxrl.speech.engine import espeak
from jaxrl.speech.engine.accept import domain_judge, objection
from jaxrl.speech.engine.facts import mixed
from jaxrl.speech.engine.jobs import Job, plan, rehearsal
from jaxrl.speech.engine.reading import read
from jaxrl.speech.engine.shards import Made, fingerprint, read_shard, write_shard
from jaxrl.speech.engine.team import answers
from jaxrl.speech.manifest import Item, write_manifest
from jaxrl.speech.sound.judges import Recogniser, error_rate, word_errors
from jaxrl.speech.sound.measures import measure
from jaxrl.speech.sound.waves import RATE, resample
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.tags import style_of
from jaxrl.speech.tools import MEANINGS

PATIENCE_S = 600  # an utterance takes a second or two
SHARD = 64
MANIFEST, WAVES, SUMMARY = "manifest.jsonl", "waves.bin", "engine.json"


def produce(
    folder: Path,
    utterances: int,
    seed: int,
    workers: int,
    advance: Callable[[int, int], None],
    rehearsed: bool = False,
) -> dict:
    """Fill `folder` with waves, manifest and a summary, which is returned.

    Args:
        folder: made if it is not there.
        utterances: without the spoken answers to questions.
        seed: of the plan.
        workers: processes; they change nothing but the time.
        advance: told the number of jobs done, and of all.
        rehearsed: by the plan `jobs.rehearsal`, before a judge that also knows the texts which only that has.

    Raises:
        SpeechError: a package of the extra is missing, an utterance cannot be made, or a shard is damaged.
    """
    for package in extra.PACKAGES:
        extra.load(package)
    espeak.start()  # where it cannot, that is said here
    jobs = (rehearsal if rehearsed else plan)(utterances, seed)
    more = (*MEANINGS.values(), *mixed()) if rehearsed else ()
    shards = [jobs[start : start + SHARD] for start in range(0, len(jobs), SHARD)]
    name = f"{fingerprint()}-{seed}{'r' * rehearsed}"
    paths = [folder / "shards" / f"{name}-{index:04d}-{len(part)}.npz" for index, part in enumerate(shards)]
    found = {index: read_shard(path) for index, path in enumerate(paths) if path.exists()}
    todo = [index for index in range(len(shards)) if index not in found]
    known = {_said(one.job): one for part in found.values() for one in part}
    fresh: dict[tuple, Job] = {}
    for job in (job for index in todo for job in shards[index] if _said(job) not in known):
        fresh.setdefault(_said(job), job)
    done = sum(map(len, found.values()))
    advance(done, len(jobs))
    coming = answers(partial(_make_apart, more), list(fresh.values()), workers, PATIENCE_S)
    with closing(coming):
        for index in todo:
            made = []
            for job in shards[index]:
                if _said(job) not in known:
                    known[_said(job)] = next(coming)
                made.append(known[_said(job)]._replace(job=job))
                advance(done + len(made), len(jobs))
            write_shard(paths[index], made)
            found[index] = made
            done += len(made)
    return _assemble(folder, [one for index in range(len(shards)) for one in found[index]], utterances, seed)


def _said(job: Job) -> tuple:
    """What an utterance depends on: jobs that are alike in it are made once."""
    return job.text, job.voice, job.tags


def _assemble(folder: Path, made: Sequence[Made], utterances: int, seed: int) -> dict:
    """Write the files from what was made; the summary comes last, and says that all is there."""
    taken = [one for one in made if not one.objection]
    with replacing(folder / WAVES) as scratch, scratch.open("wb") as file:
        for one in taken:
            file.write(one.reading.samples.astype("<i2").tobytes())
    write_manifest(folder / MANIFEST, _items(taken))
    digest = hashlib.sha256((folder / MANIFEST).read_bytes() + (folder / WAVES).read_bytes()).hexdigest()
    summary = {"utterances": utterances, "seed": seed, "sha256": digest, **summarise(made)}
    replace_json(folder / SUMMARY, summary)
    return summary


def _items(taken: Sequence[Made]) -> Iterator[Item]:
    start = 0
    for job, reading, heard, _ in taken:
        errors, words = word_errors(job.text, heard)
        measured: dict[str, Any] = {**reading.measured, "heard": heard, "wer": round(errors / words, 4)}
        phones = tuple((name, round(end, 4)) for name, end in reading.phones)
        place = (WAVES, start, len(reading.samples))
        yield Item(*job[:5], phones, job.voice, job.tags, "espeak", job.seed, reading.parameters, measured, *place)
        start += len(reading.samples)


def summarise(made: Sequence[Made]) -> dict[str, Any]:
    """Acceptance, word error rates, and the errors of rate, pitch and notes of what was taken."""
    taken = [one for one in made if not one.objection]
    spoken = [one for one in taken if not one.job.tags or not one.job.tags[0].startswith(("sing:", "rap "))]
    style = {one.job.id: style_of(one.job.tags) for one in spoken}
    rates = [one.reading.measured["relative_rate"] / style[one.job.id].rate - 1 for one in spoken]
    pitches = [
        2 ** ((one.reading.measured["relative_pitch"] - style[one.job.id].pitch) / 12) - 1
        for one in spoken
        if not style[one.job.id].whisper
    ]
    notes = [one.reading.measured["notes"] for one in taken if "notes" in one.reading.measured]
    groups: dict[str, list[Made]] = {}
    for one in made:
        for name in (f"voice {one.job.voice}", *(f"({tag.split(':')[0].split(' ')[0]})" for tag in one.job.tags)):
            groups.setdefault(name, []).append(one)
    return {
        "jobs": len(made),
        "accepted": len(taken),
        "acceptance": _share(taken, made),
        "seconds": round(sum(len(one.reading.samples) for one in taken) / 16000, 1),
        "wer_all": round(error_rate((one.job.text, one.heard) for one in made), 4),
        "wer_accepted": round(error_rate((one.job.text, one.heard) for one in taken), 4),
        "rate_error_max": round(float(np.max(np.abs(rates), initial=0)), 4),
        "rate_error_median": round(float(np.median(np.abs(rates))), 4) if rates else 0.0,
        "pitch_error_max": round(float(np.max(np.abs(pitches), initial=0)), 4),
        "pitch_error_median": round(float(np.median(np.abs(pitches))), 4) if pitches else 0.0,
        "notes_within_50_cents": round(float(np.mean(notes)), 4) if notes else 0.0,
        "objections": dict(sorted(Counter(one.objection for one in made if one.objection).items())),
        "acceptance_of": {
            name: [_share([one for one in of if not one.objection], of), len(of)] for name, of in sorted(groups.items())
        },
    }


def _share(part: Sequence[Any], whole: Sequence[Any]) -> float:
    return round(len(part) / max(len(whole), 1), 4)


# Workers


@cache
def _recogniser(more: tuple[str, ...]) -> Recogniser:
    """The judge, with all else that a job needs loaded; nothing is ever spoken or heard in this process itself."""
    espeak.start()
    measure(resample(np.random.default_rng(0).normal(size=RATE), 2 * RATE))  # numpy imports parts at their first call
    return domain_judge(more)


def make(job: Job, recogniser: Recogniser) -> Made:
    """Read, hear and judge one utterance, in a process in which nothing was spoken yet."""
    reading = read(job.text, job.voice, style_of(job.tags))
    heard = recogniser.hear(reading.samples)
    return Made(job, reading, heard, objection(job.text, job.tags, reading.measured, heard))


def _make_apart(more: tuple[str, ...], job: Job) -> Made:
    """`make` in a forked child, from the same state for every job: synthesiser and recogniser remember."""
    recogniser = _recogniser(more)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            try:
                answer: Made | str = make(job, recogniser)
            except Exception:
                answer = traceback.format_exc(limit=3)
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(answer, pipe)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    answer = pickle.loads(data) if data else "its process ended"
    if isinstance(answer, str):
        raise SpeechError(f"utterance {job.id} ({job.text!r}) cannot be made: {answer.strip().splitlines()[-1]}")
    return answer


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of a finished engine; raises `SpeechError` where there is none."""
    try:
        return json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SpeechError(f"there is no finished data in {folder}; run the engine first") from None


def wave_of(folder: Path, item: Item) -> np.ndarray:
    """The samples of an item, int16 [N]; raises `SpeechError` where they are not all there."""
    path = folder / item.file
    found = np.fromfile(path, "<i2", item.samples, offset=2 * item.start) if path.is_file() else np.zeros(0, np.int16)
    if len(found) != item.samples:
        raise SpeechError(
            f"{path} is missing or cut off; remove {folder / SUMMARY}, and the report.json beside it if there is one: "
            "what was made is put together again"
        )
    return found
