"""One attempt at one run: its command, from where it goes on, and what its end means.

The same for a run on this machine and for one in a scheduler's job:

| exit status | what it means | what the launcher does |
|---|---|---|
| 0 | finished, evaluated | never again |
| 128 + n, or killed by n: SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 | preempted; saved if it had learnt | goes on |
| killed by SIGKILL | no time to save; what came after the last checkpoint is lost | goes on |
| 75 | another host was lost, or another process still writes in the run folder | goes on |
| anything else | failed | reports the last lines |
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from jaxrl.errors import TRY_AGAIN
from jaxrl.record.files import tail
from jaxrl.record.rundir import write_error
from jaxrl.run.signals import STOP_SIGNALS
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.sweep_folder import State, Status, SweepFolder

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
INTERRUPTED = frozenset(
    {TRY_AGAIN, *(status for number in (*STOP_SIGNALS, signal.SIGKILL) for status in (-number, 128 + number))}
)


def command(folder: SweepFolder, run: Run) -> list[str]:
    """The command of the next attempt: from the newest checkpoint, or from the start where there is none.

    A run folder without a checkpoint holds nothing to go on from, and is removed.
    """
    words = [sys.executable, "-m", "jaxrl", "train", run.config, *run.words, f"--record.runs_dir={folder.of(run.id)}"]
    made = folder.made(run.id)
    if made is None:
        return words
    if any(made.checkpoints.glob("[0-9]*-*")):
        return [*words, f"--resume={made}"]
    shutil.rmtree(made.path)
    return words


def end_with_launcher(launcher: int) -> Callable[[], None]:
    """What a child calls before it becomes a training: when `launcher` dies, it is asked to save and end."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # loaded here, because a child that was forked should not

    def ask() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # until it catches it: Python, while it starts, would fail
        if prctl is not None:  # Linux
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != launcher:  # it died just before
            os._exit(128 + signal.SIGTERM)

    return ask


class Attempt:
    """A training in a process of its own, and its entries in the manifest.

    However its launcher ends, also by `kill -9`, it does not outlive it: it saves and ends.
    Its own session: Ctrl-C in the terminal reaches the launcher only, which decides what to do.
    """

    def __init__(
        self, folder: SweepFolder, run: Run, environment: Mapping[str, str] | None = None, job: str | None = None
    ):
        self.run = run
        self._folder = folder
        self._asked = False
        self._reason = ""  # why it was stopped early
        self._start = time.monotonic()
        before = folder.state(run.id)
        words = command(folder, run)
        log = folder.log(run.id)
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("a", encoding="utf-8") as file:
                file.write(f"$ {shlex.join(words)}\n")
        except OSError as error:
            raise write_error(log, error) from error
        with log.open("a") as file:
            self._process = subprocess.Popen(  # its output goes to the file, so nobody needs to read it
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                preexec_fn=end_with_launcher(os.getpid()),
            )
        self.state = State("running", before.attempts + 1, None, before.seconds, job)
        folder.set_state(run.id, self.state)

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> State | None:
        """The final state once the process has ended, and None before."""
        return None if self._process.poll() is None else self._finish()

    def wait(self) -> State:
        self._process.wait()
        return self._finish()

    def stop(self) -> None:
        """Ask it, once, to save and end."""
        if not self._asked:
            self._asked = True
            self._process.terminate()

    def stop_early(self, reason: str) -> None:
        """Ask it to save and end, and count it as finished: it is not gone on with."""
        self._reason = reason
        self.stop()

    def kill(self) -> None:
        self._process.kill()

    def _finish(self) -> State:
        if self.state.status == "running":
            status = self._process.returncode
            seconds = round(self.state.seconds + time.monotonic() - self._start, 1)
            found = verdict(status)
            if self._reason and found == "interrupted":
                found = "finished"
            log = self._folder.log(self.run.id)
            lines = last_lines(log) if found == "failed" else (self._reason,) * bool(self._reason)
            self.state = State(found, self.state.attempts, status, seconds, self.state.job, lines)
            self._folder.set_state(self.run.id, self.state)
        return self.state


def verdict(exit_status: int) -> Status:
    """What an exit status says of a run."""
    if exit_status == 0:
        return "finished"
    return "interrupted" if exit_status in INTERRUPTED else "failed"


def last_lines(log: Path) -> tuple[str, ...]:
    """Those that say something."""
    return tuple(line.rstrip()[:300] for line in tail(log, 16_384).splitlines() if line.strip())[-8:]
