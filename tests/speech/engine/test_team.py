"""Processes for jobs: answers in order, and those that die, hang or raise."""

import multiprocessing
import os
import signal
import time
from functools import partial

import pytest

from jaxrl.speech.engine.team import answers
from jaxrl.speech.speech_error import SpeechError


def work(given, job):
    if job == "raise":
        raise SpeechError("no breath")
    if job == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "hang":
        time.sleep(600)
    time.sleep(job)
    return job, given


def test_answers_come_in_the_order_of_their_jobs():
    jobs = [0.3, 0.0, 0.1, 0.0, 0.2, 0.0]
    assert list(answers(partial(work, "yes"), jobs, 3, 60)) == [(job, "yes") for job in jobs]
    assert list(answers(partial(work, "yes"), [], 3, 60)) == [] == multiprocessing.active_children()


@pytest.mark.parametrize(
    ("job", "said"),
    [("raise", "no breath"), ("die", "a process of the engine was killed"), ("hang", "no utterance in 5 s")],
)
def test_what_goes_wrong_ends_it(job, said):
    coming = answers(partial(work, "yes"), [0.0, job, 0.0], 1, 60 if job != "hang" else 5)
    start = time.monotonic()
    with pytest.raises(SpeechError, match=said):
        list(coming)
    assert multiprocessing.active_children() == [] and time.monotonic() - start < 60


def test_an_idle_process_that_was_killed_ends_it():
    coming = answers(partial(work, "yes"), [0.0, 0.0, 0.0], 1, 60)
    next(coming)
    multiprocessing.active_children()[0].kill()
    with pytest.raises(SpeechError, match="a process of the engine was killed"):
        list(coming)


def test_who_leaves_early_leaves_no_process():
    coming = answers(partial(work, "yes"), [0.0] * 9, 2, 60)
    next(coming)
    assert len(multiprocessing.active_children()) == 2
    coming.close()
    assert multiprocessing.active_children() == []
