"""One catcher of signals: the first is a request, a second Ctrl-C an order, and a terminal may go away."""

import os
import pty
import signal
import sys
import time

import pytest

from jaxrl.run.signals import STOP_SIGNALS, stop_requests
from jaxrl.sweeps import slurm
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.sweep_folder import State, SweepFolder

pytestmark = pytest.mark.usefixtures("hang_ups")


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_the_first_is_a_request_and_repeated_ones_are_none(number):
    before, asked = [signal.getsignal(each) for each in STOP_SIGNALS], []
    with stop_requests() as stop:
        stop.on_request = lambda: asked.append(stop.number)
        assert not stop.number and time.monotonic() < stop.since
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)
    assert asked == [number] and stop.received == {number, signal.SIGTERM} and time.monotonic() >= stop.since
    assert [signal.getsignal(each) for each in STOP_SIGNALS] == before


def test_a_second_ctrl_c_ends_at_once_unless_somebody_else_is_to_hear_it():
    with pytest.raises(KeyboardInterrupt), stop_requests():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    with stop_requests() as stop:
        stop.on_insistence = stop.end_grace
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert stop.number == signal.SIGINT and time.monotonic() > stop.since + 1e9


def test_nohup_keeps_its_word():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_requests() as stop:
            signal.raise_signal(signal.SIGHUP)
        assert not stop.number and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# Prints as long as it may, and afterwards, when its terminal is gone.
PROGRAM = """
import sys, time
from pathlib import Path
from jaxrl.run.signals import stop_requests
with stop_requests() as stop:
    print("ready", flush=True)
    while not stop.number:
        time.sleep(0.01)
    print("the last report", flush=True)
    print("an error", file=sys.stderr, flush=True)
    Path(sys.argv[1]).write_text("saved")
sys.exit(128 + stop.number)
"""


def test_a_closed_terminal_lets_the_process_save(tmp_path):
    child, terminal = pty.fork()
    if not child:
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM, str(tmp_path / "file")])
    assert os.read(terminal, 5) == b"ready"
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGHUP
    assert (tmp_path / "file").read_text() == "saved"


@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize(
    ("number", "requeued"), [(signal.SIGUSR2, True), (signal.SIGUSR1, True), (signal.SIGTERM, False), (1, False)]
)
def test_a_job_goes_back_into_the_queue_only_where_slurm_does_not_put_it_there(
    tmp_path, monkeypatch, number, requeued, waiting
):
    """A time limit that draws near is the job's own affair; after SIGTERM, and SIGHUP like it, it is not."""
    commands = []

    class Stopped:
        def __init__(self, folder, run, job):
            signal.raise_signal(number)

        def stop(self):
            self.asked = True

        def poll(self):
            return State("interrupted", 1, 128 + number) if hasattr(self, "asked") else None

    def written(self, run_id):  # by an orphan, whose folder an attempt would take away
        signal.raise_signal(number)
        return "process 5"

    monkeypatch.setattr(slurm, "Attempt", Stopped)
    if waiting:
        monkeypatch.setattr(SweepFolder, "writer", written)
        monkeypatch.setattr(slurm, "Attempt", None)
    monkeypatch.setattr(slurm, "job_id", lambda: "7_1")
    monkeypatch.setattr(slurm.subprocess, "run", lambda words, **options: commands.append(words))
    folder = SweepFolder(tmp_path)
    with pytest.raises(SystemExit) as end:
        slurm.Job(folder, Run("a", "s", "none.yaml", (), {}, "catch", 0, 100))()
    assert end.value.code == 128 + number
    assert commands == ([["scontrol", "requeue", "7_1"]] if requeued else [])
    assert folder.state("a").status == ("queued" if requeued else "waiting")
