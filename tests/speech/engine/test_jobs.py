"""The plan is a function of its seed, and keeps apart what must be apart."""

from jaxrl.speech.engine.facts import FACTS
from jaxrl.speech.engine.jobs import plan, rehearsal
from jaxrl.speech.engine.scripts import split_of
from jaxrl.speech.engine.voices import ASSISTANT, HELD_OUT_PAIRS, VOICES
from jaxrl.speech.policy.asking import PERSONAS
from jaxrl.speech.tags import parse_tagged
from jaxrl.speech.tools import MEANINGS

JOBS = plan(1500, 3)


def test_the_same_seed_gives_the_same_jobs_and_a_shorter_plan_is_its_beginning():
    assert plan(40, 3) == JOBS[: len(plan(40, 3))] and plan(40, 4) != plan(40, 3)
    assert len({job.id for job in JOBS}) == len(JOBS)


def test_unseen_voices_sentences_and_pairs_are_never_in_training():
    for job in JOBS:
        if job.kind != "answer":
            assert job.split == split_of(job.text)
        if job.split == "train":
            assert VOICES[job.voice].split == "train"
            assert not any((tag, job.voice) in HELD_OUT_PAIRS for tag in job.tags)
    tested = {job.voice for job in JOBS if job.split == "test"}
    assert {"jack", "kate"} < tested and tested & {"anna", "ben"}


def test_questions_are_answered_by_the_assistant():
    spoken = {job.id: job for job in JOBS}
    questions = [job for job in JOBS if job.answer]
    assert questions and all(spoken[f"{job.id}a"].text == job.answer for job in questions)
    assert all(spoken[f"{job.id}a"].voice == ASSISTANT for job in questions)


def test_all_styles_occur_and_can_be_read():
    tags = {tag.split(":")[0].split(" ")[0] for job in JOBS for tag in job.tags}
    assert {"fast", "whisper", "sing", "rap", "scottish", "sad"} <= tags
    for job in JOBS:
        parse_tagged("".join(f"({tag})" for tag in job.tags))


def test_a_rehearsal_has_what_tools_answer_and_roles_say_and_nothing_unseen():
    jobs = rehearsal(1200, 5)
    assert len(jobs) == 1200 and rehearsal(40, 5) == jobs[:40] and len({job.id for job in jobs}) == 1200
    own = {job.text for job in jobs if job.voice == ASSISTANT and not job.tags}
    assert set(MEANINGS.values()) < own and any(text.startswith("it is half past") for text in own)
    for job in jobs:
        assert job.split == VOICES[job.voice].split == "train"
        assert job.kind in ("answer", "meaning") or split_of(job.text) == "train"
        assert not any((tag, job.voice) in HELD_OUT_PAIRS for tag in job.tags)
    asked = [job for job in jobs if job.kind == "fact" and not job.tags]
    assert {job.voice for job in asked} == {name for name, voice in VOICES.items() if voice.split == "train"}
    facts = {text: answer for *forms, answer in FACTS for text in forms}
    assert all(job.answer == facts.get(job.text, "") for job in asked)
    assert {"what gives milk", "how many hours are in a year"} <= {job.text for job in asked}
    tagged = [job for job in jobs if job.tags]
    short = [job for job in tagged if job.kind == "answer"]
    assert 0.3 < len(short) / len(tagged) < 0.7
    roles = {persona.tag for persona in PERSONAS.values() if persona.tag}
    assert roles <= {job.tags[0] for job in short if job.voice == ASSISTANT}
