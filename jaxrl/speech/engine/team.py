"""Processes that do one job after another, each with a pipe of its own, so that one that dies or hangs is noticed.

A `multiprocessing.Pool` replaces a process that was killed and waits for what that one was doing for ever; and where it
held the lock of their queue as it was killed, it cannot even be closed.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from jaxrl.speech.speech_error import SpeechError


def answers(
    work: Callable[[Any], Any], jobs: Sequence[Any], workers: int, patience_s: float
) -> Generator[Any, None, None]:
    """What `work` makes of each job, in their order.

    Args:
        work: a function of a module; what it raises is raised here.
        jobs: its arguments, one by one.
        workers: processes, which begin as new ones.
        patience_s: after so long without an answer of anybody they are given up.

    Raises:
        SpeechError: a process was killed, or none answers.
    """
    context = multiprocessing.get_context("spawn")
    team: dict[Connection, Any] = {}
    todo = iter(enumerate(jobs))
    doing: dict[Connection, int] = {}
    done: dict[int, tuple[Any, Exception | None]] = {}
    try:
        for _ in range(min(workers, len(jobs))):
            own, theirs = context.Pipe()
            team[own] = context.Process(target=_serve, args=(theirs, work), daemon=True)
            team[own].start()
            theirs.close()
            _hand(own, todo, doing)
        for index in range(len(jobs)):
            while index not in done:
                for pipe in _ready(list(doing), patience_s):
                    done[doing.pop(pipe)] = _heard(pipe)
                    _hand(pipe, todo, doing)
            answer, error = done.pop(index)
            if error is not None:
                raise error
            yield answer
    finally:
        for pipe, process in team.items():
            process.kill()
            process.join()
            pipe.close()


def _hand(pipe: Connection, todo: Iterator[tuple[int, Any]], doing: dict[Connection, int]) -> None:
    """The next job to a process, if there is one."""
    if taken := next(todo, None):
        doing[pipe], job = taken
        with suppress(BrokenPipeError):  # it was killed, which its answer will tell
            pipe.send(job)


def _ready(pipes: Sequence[Connection], patience_s: float) -> Sequence[Any]:
    """Those with an answer, or at their end."""
    if not (ready := wait(pipes, patience_s)):
        raise SpeechError(
            f"the engine is stuck: no utterance in {patience_s:g} s; run it again, it goes on where it stopped"
        )
    return ready


def _heard(pipe: Connection) -> tuple[Any, Exception | None]:
    try:
        return pipe.recv()
    except (EOFError, OSError):
        raise SpeechError(
            "a process of the engine was killed, perhaps for memory; run it again with fewer --workers, it goes on "
            "where it stopped"
        ) from None


def _serve(pipe: Connection, work: Callable[[Any], Any]) -> None:
    """Do what comes through the pipe, until nobody is at its other end; Ctrl-C is the other end's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        while True:
            job = pipe.recv()
            try:
                answer = work(job), None
            except Exception as error:
                answer = None, error
            pipe.send(answer)
