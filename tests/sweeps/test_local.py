"""A sweep on this machine, with stand-ins for trainings; real ones are in tests/slurm."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from argparse import Namespace
from contextlib import ExitStack, nullcontext

import pytest

from jaxrl.cli.commands import main
from jaxrl.errors import TRY_AGAIN
from jaxrl.record.rundir import RunDir
from jaxrl.run.signals import STOP_SIGNALS
from jaxrl.sweeps import attempt, local, slurm, sweep_folder
from jaxrl.sweeps.attempt import Attempt, verdict
from jaxrl.sweeps.board import Board, failures
from jaxrl.sweeps.expand import Run, expand
from jaxrl.sweeps.progress import read_progress, total_seconds_left
from jaxrl.sweeps.slots import Slot
from jaxrl.sweeps.sweep_file import read_sweep
from jaxrl.sweeps.sweep_folder import State, SweepError, SweepFolder

pytestmark = pytest.mark.usefixtures("hang_ups")

# Ends as `end` says; a preempted one finishes when it is started again. Writes where it was pinned, and when it ran.
STAND_IN = """
import json, os, pathlib, signal, sys, time
folder, end = pathlib.Path(sys.argv[1]), sys.argv[2]
folder.mkdir(parents=True, exist_ok=True)
began, before = time.time(), (folder / "stopped").exists()
def stop(*_):
    (folder / "stopped").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
(folder / "ready").touch()
if end == "fail":
    sys.exit("error: by design")
if end == "stop" and not before:
    time.sleep(600)
if end == "kill" and not before:
    (folder / "stopped").touch()
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(0.3)
(folder / "compiled_in").write_text(os.environ["JAX_COMPILATION_CACHE_DIR"])
(folder / "ran.json").write_text(json.dumps([began, time.time(), sorted(os.sched_getaffinity(0))]))
"""
CORES = sorted(os.sched_getaffinity(0))


def make_run(run_id, end="finish"):
    return Run(run_id, "test", "none.yaml", (), {"end": end}, "catch", 0, 100)


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    def stand_in(folder, run):
        return [sys.executable, "-c", STAND_IN, str(folder.of(run.id)), run.settings["end"]]

    monkeypatch.setattr(attempt, "command", stand_in)
    return SweepFolder(tmp_path / "sweep")


def statuses(sweep, runs):
    return [sweep.state(run.id).status for run in runs]


def test_finished_failed_and_killed(sweep):
    runs = [make_run("a"), make_run("b", "fail"), make_run("c", "kill"), make_run("d")]
    assert local.run_local(sweep, runs, [Slot((CORES[0],)), Slot((CORES[-1],))]) == 1
    assert statuses(sweep, runs) == ["finished", "failed", "finished", "finished"]
    assert [sweep.state(run.id).attempts for run in runs] == [1, 1, 2, 1], "a killed run goes on, a failed one does not"
    assert sweep.state("b").exit_status == 1 and sweep.state("b").last_lines[-1] == "error: by design"
    told = failures(sweep, runs)
    assert told.startswith("failed with exit status 1: test end=fail") and told.endswith("error: by design")


@pytest.mark.parametrize("chosen", [None, "elsewhere"])
def test_runs_share_what_was_compiled(sweep, monkeypatch, chosen):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    if chosen is not None:
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", chosen)
    assert local.run_local(sweep, [make_run("a")], [Slot((CORES[0],))]) == 0
    assert (sweep.of("a") / "compiled_in").read_text() == (chosen or str(sweep.path / "compiled"))


def test_no_more_at_a_time_than_slots(sweep):
    runs = [make_run(name) for name in "abcd"]
    assert local.run_local(sweep, runs, [Slot((CORES[0],)), Slot((CORES[-1],))]) == 0
    times = [json.loads((sweep.of(run.id) / "ran.json").read_text()) for run in runs]
    changes = sorted([(start, 1) for start, _, _ in times] + [(end, -1) for _, end, _ in times])
    running, most = 0, 0
    for _, change in changes:
        running += change
        most = max(most, running)
    assert most <= 2
    assert {tuple(cores) for _, _, cores in times} <= {(CORES[0],), (CORES[-1],)}


def test_a_run_that_is_always_killed_is_given_up(sweep, monkeypatch):
    monkeypatch.setattr(
        attempt, "command", lambda folder, run: [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    )
    assert local.run_local(sweep, [make_run("a")], [Slot((CORES[0],))], max_restarts=2) == 1
    assert sweep.state("a") == State("interrupted", 3, -9, sweep.state("a").seconds)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_end_every_run_saves_and_none_starts(sweep, number):
    runs = [make_run("a", "stop"), make_run("b", "stop"), make_run("c")]

    def tick():
        if all((sweep.of(run.id) / "ready").exists() for run in runs[:2]) and not asked:
            asked.append(True)
            signal.raise_signal(number)

    asked, threads = [], set(threading.enumerate())
    assert local.run_local(sweep, runs, [Slot((CORES[0],))] * 2, tick) == 128 + number
    assert statuses(sweep, runs) == ["interrupted", "interrupted", "waiting"]
    assert [sweep.state(run.id).exit_status for run in runs[:2]] == [143, 143]
    assert signal.getsignal(number) is not None and set(threading.enumerate()) <= threads
    assert local.run_local(sweep, runs, [Slot((CORES[0],))] * 2) == 0, "and then it goes on"
    assert [sweep.state(run.id).attempts for run in runs] == [2, 2, 1]


def test_a_second_ctrl_c_kills(sweep, monkeypatch):
    stubborn = (
        "import pathlib, signal, sys, time; signal.signal(15, signal.SIG_IGN); "
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    )
    ready = sweep.path / "ready"
    monkeypatch.setattr(attempt, "command", lambda folder, run: [sys.executable, "-c", stubborn, str(ready)])
    asked = []

    def tick():
        if ready.exists() and len(asked) < 2:
            asked.append(True)
            signal.raise_signal(signal.SIGINT)

    assert local.run_local(sweep, [make_run("a")], [Slot((CORES[0],))], tick) == 130
    assert sweep.state("a").exit_status == -9


def test_verdicts():
    assert verdict(0) == "finished"
    for number in (*STOP_SIGNALS, signal.SIGKILL):
        assert verdict(-number) == verdict(128 + number) == "interrupted"
    assert verdict(TRY_AGAIN) == "interrupted"
    for status in (1, 2, -signal.SIGSEGV, -signal.SIGABRT, 128 + signal.SIGSEGV):
        assert verdict(status) == "failed"


def test_an_attempt_goes_on_only_from_a_checkpoint(tmp_path):
    sweep, run = SweepFolder(tmp_path), Run("a", "s", "configs/catch.yaml", ("--seed=1",), {}, "catch", 1, 100)
    first = attempt.command(sweep, run)
    assert first[3:] == ["train", "configs/catch.yaml", "--seed=1", f"--record.runs_dir={sweep.of('a')}"]
    made = sweep.of("a") / "catch-20260101-000000-s1"
    (made / "checkpoints" / ".unfinished-000000-20").mkdir(parents=True)
    (made / "config.yaml").touch()
    assert attempt.command(sweep, run) == first and not made.exists(), "nothing to go on from: begun anew"
    (made / "checkpoints" / "000000-20").mkdir(parents=True)
    (made / "config.yaml").touch()
    assert attempt.command(sweep, run) == [*first, f"--resume={made}"] and made.exists()


def test_the_manifest_survives_and_is_one_launchers(sweep, monkeypatch):
    monkeypatch.setattr(sweep_folder, "PATIENCE_S", 0.0)
    runs = [make_run("a"), make_run("b", "fail")]
    with sweep.locked():
        sweep.write_plan(runs)
        with pytest.raises(SweepError, match="a launcher is at work"), SweepFolder(sweep.path).locked():
            pass
    assert SweepFolder(sweep.path).plan() == runs
    assert sweep.state("a") == State()
    sweep.set_state("a", State("finished", 1, 0, 2.0))
    (sweep.of("b")).mkdir(parents=True)
    (sweep.of("b") / "state.json").write_text('{"status": "fini')  # never written so by us, but disks fail
    assert [sweep.state(run.id).status for run in runs] == ["finished", "waiting"]
    for damaged in (
        "{",
        "[]",
        "null",
        "{}",
        '{"format": 1}',
        '{"format": 1, "runs": [{}]}',
        '{"format": 1, "runs": [3]}',
    ):
        (sweep.path / "manifest.json").write_text(damaged)
        with pytest.raises(SweepError, match=r"manifest.json is damaged; remove it"):
            sweep.plan()


def test_finished_runs_are_not_run_again(sweep, tmp_path, capsys):
    file = tmp_path / "sweep.yaml"
    file.write_text(
        'command: [python, -m, jaxrl, train, configs/catch.yaml, "${args}"]\nname: s\nmethod: grid\n'
        "parameters: {seed: {values: [0, 1, 2]}}\n"
    )
    words = ["sweep", str(file), "--out", str(sweep.path), "--jobs", "3"]
    runs = expand([read_sweep(file)])
    ends = {runs[0].id: "finish", runs[1].id: "fail", runs[2].id: "finish"}
    stand_in = attempt.command
    attempt.command = lambda folder, run: stand_in(folder, make_run(run.id, ends[run.id]))
    assert main(words) == 1
    output = capsys.readouterr().out
    assert "3 to do, 0 done before" in output and "2 finished" in output and "error: by design" in output
    assert main(words) == 1, "a failed run is not forgotten"
    assert "0 to do, 3 done before" in capsys.readouterr().out
    ends[runs[1].id] = "finish"
    assert main([*words, "--retry-failed"]) == 0
    assert "1 to do, 2 done before" in capsys.readouterr().out
    assert [sweep.state(run.id).attempts for run in runs] == [1, 2, 1]


def test_the_board_shows_rates_and_time_left(sweep):
    runs = [make_run("a"), make_run("b"), make_run("c", "fail")]
    made = sweep.of("a") / "catch-20260101-000000-s1"
    made.mkdir(parents=True)
    (made / "config.yaml").touch()
    report = {"env_steps": 40, "rate/env_steps": 3.0, "episode/return": 0.5}
    (made / "metrics.jsonl").write_text(
        json.dumps({**report, "env_steps": 20}) + "\n" + json.dumps(report) + '\n{"env_'
    )
    sweep.set_state("a", State("running", 1))
    rows = [read_progress(sweep, run) for run in runs]
    assert (rows[0].env_steps, rows[0].share, rows[0].seconds_left) == (40, 0.4, 20.0)
    assert total_seconds_left(rows) == pytest.approx((60 + 100 + 100) / 3.0)
    text = io.StringIO()
    with Board(sweep, runs, stream=text, interactive=True):
        pass
    assert "40%" in text.getvalue() and "20 s" in text.getvalue() and "1 running" in text.getvalue()
    lines = io.StringIO()
    with Board(sweep, runs, stream=lines, interactive=False, every=0.0) as board:
        board.refresh()
        sweep.set_state("a", State("finished", 1, 0, 9.0))
        board.refresh()
    assert lines.getvalue().splitlines() == [
        "[0/3] running test end=finish",
        "[1/3] finished test end=finish after 40 env steps, 9 s, episode/return 0.5",
    ]


def test_an_attempt_counts_time_and_attempts(sweep):
    run = make_run("a")
    assert Attempt(sweep, run, job="7_1").wait().status == "finished"
    first = sweep.state("a")
    assert first.attempts == 1 and first.job == "7_1" and first.seconds > 0.2
    assert Attempt(sweep, run).wait().seconds > first.seconds


LAUNCHER = """
import sys
from pathlib import Path
from jaxrl.sweeps import attempt, local, sweep_folder
from jaxrl.sweeps.expand import Run
from jaxrl.sweeps.slots import Slot
from jaxrl.sweeps.sweep_folder import SweepFolder
folder, cores, code = SweepFolder(Path(sys.argv[1])), {int(sys.argv[2])}, sys.argv[3]
attempt.command = lambda folder, run: [sys.executable, "-c", code, str(folder.of(run.id)), "stop"]
sys.exit(local.run_local(folder, [Run("a", "test", "none.yaml", (), {}, "catch", 0, 100)], [Slot(tuple(cores))]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_no_run_outlives_its_launcher(sweep, number):
    """However the launcher ends, the run is asked to save, and the next launcher goes on with it."""
    words = [sys.executable, "-c", LAUNCHER, str(sweep.path), str(CORES[0]), STAND_IN]
    launcher = subprocess.Popen(words)
    ready, stopped = (sweep.of("a") / name for name in ("ready", "stopped"))
    wait_for(ready)
    launcher.send_signal(number)
    assert launcher.wait(120) == (-number if number == signal.SIGKILL else 128 + number)
    wait_for(stopped)
    run = make_run("a")
    assert local.run_local(sweep, [run], [Slot((CORES[0],))]) == 0
    assert statuses(sweep, [run]) == ["finished"]


def wait_for(path):
    limit = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < limit, path
        time.sleep(0.05)


def test_a_launcher_waits_for_one_that_is_ending(sweep):
    """It was hung up and lets its runs save."""
    first, ending = sweep.locked(), threading.Timer(0.5, lambda: first.__exit__(None, None, None))
    first.__enter__()
    ending.start()
    with SweepFolder(sweep.path).locked():
        ending.join()


def test_a_file_system_without_locks_is_warned_of(sweep, monkeypatch, caplog):
    def refuse(file, kind):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with sweep.locked():
        assert f"The file system of {sweep.path / 'launcher.lock'} has no locks" in caplog.text


def test_a_folder_that_is_written_is_waited_for(sweep, capsys):
    runs = [make_run("a"), make_run("b")]
    made = RunDir.create(sweep.of("a"), "x", 0, "", {})
    with ExitStack() as held:
        held.enter_context(made.locked())

        def tick():
            if sweep.state("b").status == "finished" and made.writer():
                assert sweep.state("a").attempts == 0
                held.close()

        assert local.run_local(sweep, runs, [Slot((CORES[0],))], tick) == 0
    assert statuses(sweep, runs) == ["finished", "finished"]
    assert capsys.readouterr().out.count(f"waiting for process {os.getpid()} on ") == 1


def test_jobs_that_slurm_has_taken_are_not_submitted_again(sweep, monkeypatch):
    """Of three arrays the second is refused the first time."""
    taken: list[str] = []

    class Executor:
        def __init__(self, folder, cluster):
            self.batch = nullcontext

        def update_parameters(self, **parameters):
            pass

        def submit(self, job):
            if job.run.id == "c" and "c" not in refused:
                refused.append("c")
                raise RuntimeError("QOSMaxSubmitJobPerUserLimit")
            taken.append(job.run.id)
            return Namespace(job_id=f"7_{job.run.id}")

    refused: list[str] = []
    monkeypatch.setitem(sys.modules, "submitit", Namespace(AutoExecutor=Executor))
    monkeypatch.setattr(slurm.shutil, "which", lambda name: name)
    monkeypatch.setattr(slurm, "MAX_ARRAY", 2)
    monkeypatch.setattr(slurm, "jobs_alive", lambda: {f"7_{name}" for name in taken})
    runs = [make_run(name) for name in "abcde"]
    (sweep.path / "slurm").mkdir(parents=True)
    with pytest.raises(SweepError, match="QOSMaxSubmitJobPerUserLimit"):
        slurm.run_slurm(sweep, runs, {}, wait=False)
    assert slurm.run_slurm(sweep, runs, {}, wait=False) == 0
    assert taken == list("abcde")


def test_a_job_of_a_scheduler_waits_too(sweep, monkeypatch, capsys):
    """After a host that was lost, the same job comes back on another one while the first still saves."""
    monkeypatch.setattr(slurm, "LOCKED_S", 0.05)
    run, free = make_run("a"), ExitStack()
    free.enter_context(RunDir.create(sweep.of("a"), "x", 0, "", {}).locked())
    ending = threading.Timer(0.5, free.close)
    ending.start()
    assert slurm.Job(sweep, run)() == "finished"
    assert not ending.is_alive() and sweep.state("a").attempts == 1
    assert capsys.readouterr().out.count(f"waiting for process {os.getpid()} on ") == 1
