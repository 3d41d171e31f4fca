"""The check of accelerators: time is shared out, nothing is lost, and each check fails where it should."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl.bench.acceptance import agreement, supervise
from jaxrl.bench.acceptance.checklist import CHECKS, Task, allowance
from jaxrl.bench.acceptance.steadiness import REPEATS, differing, watched
from jaxrl.bench.acceptance.verdict import Outcome, verdict, write_report
from jaxrl.bench.doctor import Finding

NOW = datetime.now().astimezone()
FINE = [Outcome(name, [Finding("ok", "all", "well")], status=0) for name in CHECKS]


def test_minutes_are_shared_out() -> None:
    names = list(CHECKS)
    assert allowance(names, 12, 0) == CHECKS["doctor"].seconds
    assert allowance(names, 6, 0) == CHECKS["doctor"].seconds / 2
    assert allowance(["pong", "breakout"], 12, 500) == (720 - 500) / 2  # what others left over is theirs
    assert allowance(["breakout"], 12, 600) == 120
    assert allowance(["bench"], 12, 700) == 20  # never beyond the end
    assert sum(check.seconds or 0 for check in CHECKS.values()) <= 500, "four minutes are for learning"


def test_verdicts() -> None:
    assert verdict(FINE).status == "ok"
    assert verdict(FINE[:-1]).sentence == "UNFINISHED: nothing failed so far; not yet checked: breakout"
    assert verdict([*FINE[:-1], Outcome("breakout", cut=True)]).status == "warn"
    assert verdict([*FINE[:-1], Outcome("breakout", status=1)]).status == "fail"
    wrong = Outcome("agreement", [Finding("fail", "act", "too far")], status=0)
    assert verdict([wrong]).sentence == "NOT ACCEPTED: agreement failed"


def test_what_a_check_found_before_its_time_was_over_is_in_the_report(tmp_path, monkeypatch) -> None:
    """A process that hangs, and the one that it started, are ended; the report was there all the time."""
    monkeypatch.setattr(supervise.sys, "executable", str(_hanging_python(tmp_path)))
    monkeypatch.setattr(supervise, "GRACE_S", 0.5)
    monkeypatch.setattr(supervise, "LOOK_EVERY_S", 0.2)
    outcomes = [FINE[0], Outcome("bits")]
    supervise.run(outcomes, tmp_path, 0.5, True, NOW)
    assert outcomes[1].cut and outcomes[1].findings[0].detail == "found at once"
    report = (tmp_path / "report.md").read_text()
    assert "found at once" in report and "its time was over" in report and "UNFINISHED" in report
    assert _has_ended(tmp_path)


@pytest.mark.parametrize(
    "words", [["--minutes", "nan"], ["--minutes", "0"], ["--minutes", "inf"], ["--out", "/dev/null"]]
)
def test_what_cannot_work_is_said_before_anything_starts(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        supervise.main(words)
    assert ended.value.code == 2
    assert f"error: {words[0]} " in capsys.readouterr().err.splitlines()[-1]


def test_whoever_ends_the_supervisor_ends_its_check(tmp_path: Path) -> None:
    """As `timeout` does: nothing is left that keeps the accelerator busy."""
    code = (
        "import sys; from jaxrl.bench.acceptance import supervise\n"
        f"supervise.sys.executable = {str(_hanging_python(tmp_path))!r}\n"
        f"supervise.main(['--only', 'bits', '--out', {str(tmp_path)!r}])"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        for _ in range(1200):  # a minute
            if (tmp_path / "child").exists():
                break
            time.sleep(0.05)
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    assert _has_ended(tmp_path)


def _hanging_python(folder: Path) -> Path:
    """A check that finds something at once, starts a child and hangs."""
    python = folder / "python"
    line = json.dumps({"status": "ok", "subject": "early", "detail": "found at once", "fix": ""})
    python.write_text(
        f"#!/bin/sh\necho '{line}' > {folder}/bits.jsonl\nsleep 100 &\necho $! > {folder}/new\n"
        f"mv {folder}/new {folder}/child\nwait\n"
    )
    python.chmod(python.stat().st_mode | stat.S_IEXEC)
    return python


def _has_ended(folder: Path) -> bool:
    child = Path("/proc", (folder / "child").read_text().strip(), "stat")
    return not child.exists() or child.read_text().split()[2] == "Z"  # perhaps not yet buried


def test_a_check_that_cannot_be_killed_is_not_waited_for(monkeypatch) -> None:
    class Stuck(subprocess.Popen):  # as where a driver hangs
        def wait(self, timeout=None):
            assert timeout is not None, "for ever"
            raise subprocess.TimeoutExpired("stuck", timeout)

    monkeypatch.setattr(supervise, "GRACE_S", 0.1)
    process = Stuck(["sleep", "100"], start_new_session=True)
    supervise.end(process)
    assert subprocess.Popen.wait(process, 60) == -signal.SIGTERM


def test_a_report_survives_half_a_line(tmp_path: Path) -> None:
    (tmp_path / "bits.jsonl").write_text('{"status": "ok", "subject": "a", "detail": "b|c", "fix": ""}\n{"stat')
    found = supervise.read_findings(tmp_path / "bits.jsonl")
    assert write_report(tmp_path, [Outcome("bits", found, status=0)], NOW).read_text().count("b/c") == 1


@pytest.mark.parametrize("what", ["values", "gradient", "moved"])
def test_another_number_is_no_agreement(what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = {"preferences": np.ones(3), "values": np.ones(3), "action": np.ones(3), "loss": np.float32(1)}
    here |= {"gradient": [np.ones(3)], "moved": [np.ones(3)]}
    there = here | {what: [np.ones(3) * 2]}
    found = iter([there, here] * 3)
    monkeypatch.setattr(agreement, "_compute", lambda *given: next(found))
    monkeypatch.setattr(agreement, "make_unroll", lambda *given: jnp.zeros(1))
    findings = list(agreement.agree(Task(tmp_path, float("inf"), smoke=True)))
    assert sum(finding.status == "fail" for finding in findings) == 3


def test_distances() -> None:
    assert agreement.distance({"a": np.array([3.0, 4.0])}, {"a": np.array([0.0, 0.0])}) > 1e30
    assert agreement.distance([np.array([1.0, np.nan])], [np.array([1.0, 1.0])]) == float("inf")
    assert agreement.distance([np.array([3.0]), np.array([4.5])], [np.array([3.0]), np.array([4.0])]) == 0.1


def test_the_watch_sees_compilations_and_transfers() -> None:
    with watched() as compiled, pytest.raises(Exception, match="Disallowed"):
        jax.jit(lambda x: x + 3)(np.ones(5))
    x = jnp.ones(7)
    with watched() as compiled:
        jax.jit(lambda x: x * 3 - 1)(x)
    assert len(compiled) == 1


def test_differing_bits_are_found() -> None:
    numbers = iter([0.0, -0.0, 0.0, 0.0])
    assert differing(lambda: jnp.float32(next(numbers))) == 1
    assert differing(lambda: jnp.float32(1)) == 0 < REPEATS
