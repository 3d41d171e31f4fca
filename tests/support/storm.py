"""Launchers, trainings and evaluations of a sweep, and somebody who kills, hangs up and restarts them at random."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import signal
import subprocess
import sys
import termios
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jaxrl.record.checkpoints import Checkpoints
from jaxrl.record.rundir import RunDir
from jaxrl.sweeps.sweep_folder import SweepFolder

ROOT = Path(__file__).parents[2]
HANG_UPS = (signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
PREEMPTIONS = (signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
YOUNG_S = 5.0  # Ctrl-C while Python itself starts is a traceback of Python's, whatever the program
LOOK_S = 0.05
ENDS_S = 1200.0  # in which whatever was asked to end does so, on a busy machine


class Storm:
    """One sweep in bad weather.

    Args:
        folder: where everything goes; its path marks the processes that belong to it.
        sweep: the sweep file.
        chance: decides what happens, and when.
    """

    def __init__(self, folder: Path, sweep: Path, chance: random.Random):
        self.sweep = SweepFolder(folder / "sweep")
        self.happened: Counter[str] = Counter()
        self.two_writers: list[str] = []  # whenever it was looked
        self.went_back: list[str] = []
        self.statuses: list[tuple[str, int]] = []  # of everything that has ended
        self._folder, self._file, self._chance = folder, sweep, chance
        self._saved: dict[Path, int] = {}
        self._beside: list[tuple[str, subprocess.Popen[bytes], float, int]] = []  # what, when it is sent which signal
        self._terminal: int | None = None
        self._launcher = self._launch()

    def rage(self, events: int) -> int:
        """Up to so many events, fewer where the sweep is finished before; returns how many there were."""
        for event in range(events):
            self._watch(self._chance.uniform(0.0, 6.0), lambda: self._launcher.poll() is not None)
            if self._launcher.poll() == 0:
                return event
            if self._launcher.poll() is not None:
                self._relaunch()
            what = self._chance.choices(
                (self._end_launcher, self._end_training, self._start_beside), weights=(4, 4, 3)
            )[0]
            what()
        return events

    def clear(self) -> None:
        """Let everything come to its end."""
        while True:
            self._watch(ENDS_S, lambda: self._launcher.poll() is not None)
            if self._launcher.poll() == 0:
                break
            self._relaunch()
        self._watch(ENDS_S, lambda: not self._beside)
        self._hang_up()

    def stop(self) -> None:
        """Kill what is left, whatever happened."""
        for process in (self._launcher, *(process for _, process, _, _ in self._beside)):
            process.kill()
            process.wait()
        for pid in trainings(self._folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._hang_up()

    # What happens

    def _end_launcher(self) -> None:
        """By a signal or a closed terminal; sometimes the next one is there before it has ended."""
        if self._terminal is not None and self._chance.random() < 0.5:
            self.happened["terminal closed"] += 1
            self._hang_up()
        else:
            number = self._chance.choice(HANG_UPS)
            self._watch(YOUNG_S if number == signal.SIGINT else 0.0, lambda: self._launcher.poll() is not None)
            self.happened[f"launcher {signal.Signals(number).name}"] += 1
            self._launcher.send_signal(number)
        if self._chance.random() < 0.5:
            self._watch(ENDS_S, lambda: self._launcher.poll() is not None)
        else:
            self._beside.append(("launcher", self._launcher, float("inf"), 0))
        self._relaunch()

    def _end_training(self) -> None:
        pids = trainings(self._folder)
        if not pids:
            return
        number = self._chance.choice(PREEMPTIONS)
        self.happened[f"training {signal.Signals(number).name}"] += 1
        with suppress(ProcessLookupError):
            os.kill(self._chance.choice(pids), number)

    def _start_beside(self) -> None:
        """A second training in a run folder, a second launcher, or an evaluation; each is ended some time later."""
        runs = self._run_folders()
        kind = self._chance.choice(("training", "launcher", "evaluation", "evaluation")) if runs else "launcher"
        words = self._launcher_words()
        if kind == "training":
            run = self._chance.choice(runs)
            words = ["train", str(run / "config.yaml"), f"--resume={run}", f"--record.runs_dir={run.parent}"]
        elif kind == "evaluation":
            words = ["evaluate", str(self._chance.choice(runs)), "--episodes=5"]
        self.happened[f"{kind} beside"] += 1
        number = self._chance.choice(HANG_UPS)
        process, least = self._start(words), YOUNG_S if number == signal.SIGINT else 0.5
        self._beside.append((kind, process, time.monotonic() + self._chance.uniform(least, 20.0), number))

    # Processes

    def _launcher_words(self) -> list[str]:
        out = ["--out", str(self.sweep.path), "--jobs", "2", "--cores-per-run", "1"]
        return ["sweep", str(self._file), *out]

    def _launch(self) -> subprocess.Popen[bytes]:
        """In a terminal of its own or with a log."""
        if self._chance.random() < 0.6:
            return self._start(self._launcher_words())
        self._terminal, end = pty.openpty()
        os.set_blocking(self._terminal, False)
        try:
            return self._start(self._launcher_words(), end)
        finally:
            os.close(end)

    def _start(self, words: list[str], terminal: int | None = None) -> subprocess.Popen[bytes]:
        def own() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        with (self._folder / "output.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "jaxrl", *words],
                cwd=ROOT,
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=log if terminal is None else terminal,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=None if terminal is None else own,
            )

    def _relaunch(self) -> None:
        if self._launcher.poll() is not None:
            self.statuses.append(("launcher", self._launcher.returncode))
            log = self._folder / "output.log"
            assert self._launcher.returncode != 1, f"a run is lost: {log.read_text(errors='replace')[-3000:]}"
        self._hang_up()
        self._launcher = self._launch()

    def _hang_up(self) -> None:
        if self._terminal is not None:
            self._read_terminal()
            os.close(self._terminal)
            self._terminal = None

    def _read_terminal(self) -> None:
        with (self._folder / "output.log").open("ab") as log, suppress(OSError):
            while self._terminal is not None and (text := os.read(self._terminal, 65536)):
                log.write(text)

    # Looking on

    def _watch(self, seconds: float, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while True:
            self._look()
            if until() or time.monotonic() > deadline:
                return
            time.sleep(LOOK_S)

    def _look(self) -> None:
        self._read_terminal()
        still = []
        for kind, process, when, number in self._beside:
            if process.poll() is not None:
                self.statuses.append((kind, process.returncode))
                continue
            if time.monotonic() > when:
                process.send_signal(number)
                when = time.monotonic() + 60.0  # and again: a first one may have come before it could be handled
            still.append((kind, process, when, number))
        self._beside = still
        for path, pids in writers(self._folder).items():
            if len(pids) > 1:
                self.two_writers.append(f"{path}: {pids}")
        for run in self._run_folders():
            newest = max(Checkpoints(RunDir(run)).steps(), default=0)
            if newest < self._saved.get(run, 0):
                self.went_back.append(f"{run}: {self._saved[run]} to {newest}")
            self._saved[run] = max(newest, self._saved.get(run, 0))
        self.went_back += [f"{run} is gone" for run, saved in self._saved.items() if saved and not run.is_dir()]

    def _run_folders(self) -> list[Path]:
        """Those with a checkpoint."""
        return [path.parents[1] for path in self.sweep.path.glob("runs/*/*/checkpoints/0*")]


def trainings(folder: Path) -> list[int]:
    """Processes that train in `folder`."""
    return [pid for pid, words in _processes(folder) if "train" in words]


def writers(folder: Path) -> dict[Path, list[int]]:
    """Who has which metrics.jsonl open for writing; children that are just being forked left out."""
    found: dict[Path, list[int]] = {}
    for pid, _ in _processes(folder):
        with suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError, StopIteration):
                    path = Path(os.readlink(entry))
                    if path.name == "metrics.jsonl" and _writes(pid, entry.name):
                        found.setdefault(path, []).append(pid)
    return {path: [pid for pid in pids if _parent(pid) not in pids] for path, pids in found.items()}


def _processes(folder: Path) -> list[tuple[int, list[str]]]:
    """Those whose command names `folder`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_text(errors="replace").split("\0")
            if any(str(folder) in word for word in words):
                found.append((int(entry.name), words))
    return found


def _writes(pid: int, descriptor: str) -> bool:
    text = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text()
    flags = next(line.split()[1] for line in text.splitlines() if line.startswith("flags:"))
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
