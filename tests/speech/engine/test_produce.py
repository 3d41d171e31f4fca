"""Data are the same bytes for the same config: however many processes, and wherever it was interrupted."""

import multiprocessing
import os
import signal

import pytest

from jaxrl.speech.engine import produce as engine
from jaxrl.speech.manifest import read_manifest
from jaxrl.speech.speech_error import SpeechError

pytestmark = pytest.mark.usefixtures("speech_extra")


def test_same_config_same_hash_also_after_an_interruption(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "SHARD", 3)
    told: list[tuple[int, int]] = []
    whole = engine.produce(tmp_path / "a", 5, 1, 2, lambda *now: told.append(now))

    def stop(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.produce(tmp_path / "b", 5, 1, 1, stop)
    first = sorted((tmp_path / "b" / "shards").iterdir())[0]
    made_at = first.stat().st_mtime_ns
    again = engine.produce(tmp_path / "b", 5, 1, 1, lambda *_: None)
    assert first.stat().st_mtime_ns == made_at  # what was done stays
    assert whole == again and whole["sha256"] == engine.read_summary(tmp_path / "b")["sha256"]
    for name in (engine.MANIFEST, engine.WAVES):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert told[-1] == (whole["jobs"], whole["jobs"])
    items = read_manifest(tmp_path / "a" / engine.MANIFEST)
    assert len(items) == whole["accepted"] > 0
    assert all(len(engine.wave_of(tmp_path / "a", item)) == item.samples for item in items)
    first.write_bytes(first.read_bytes()[:100])
    with pytest.raises(SpeechError, match="is damaged; remove it"):
        engine.produce(tmp_path / "b", 5, 1, 1, lambda *_: None)


def test_alike_jobs_are_made_once_and_stay_apart(tmp_path, monkeypatch):
    job, other = (job for job in engine.plan(2, 1) if job.kind != "answer")
    jobs = [job, other, job._replace(id="again")]
    monkeypatch.setattr(engine, "plan", lambda *_: jobs)
    monkeypatch.setattr(engine, "SHARD", 2)
    told: list[tuple[int, int]] = []
    assert engine.produce(tmp_path, 2, 1, 1, lambda *now: told.append(now))["jobs"] == 3
    assert told == [(done, 3) for done in range(4)]
    first, *_, again = read_manifest(tmp_path / engine.MANIFEST)
    assert (first.id, again.id) == (job.id, "again") and first.measured == again.measured
    assert (engine.wave_of(tmp_path, first) == engine.wave_of(tmp_path, again)).all()


def test_a_process_that_was_killed_ends_it(tmp_path):
    def kill(done: int, _: int) -> None:
        if done == 2:
            os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    with pytest.raises(SpeechError, match="a process of the engine was killed"):
        engine.produce(tmp_path, 12, 1, 1, kill)


def test_an_utterance_that_cannot_be_made_is_named(monkeypatch):
    def broken(*_):
        raise ValueError("no breath")

    monkeypatch.setattr(engine, "make", broken)
    monkeypatch.setattr(engine, "_recogniser", lambda more: None)
    job = engine.plan(1, 0)[0]
    with pytest.raises(SpeechError, match=rf"utterance {job.id} .* cannot be made: ValueError: no breath"):
        engine._make_apart((), job)


def test_no_summary_is_one_sentence(tmp_path):
    with pytest.raises(SpeechError, match="run the engine first"):
        engine.read_summary(tmp_path)
