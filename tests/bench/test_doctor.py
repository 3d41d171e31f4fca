"""The doctor says what works, what does not and what to do, and never breaks itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jaxrl.bench import doctor
from jaxrl.bench.doctor import Finding

ROOT = Path(__file__).parents[2]
SUBJECTS = [
    "jaxrl",
    "python",
    "packages",
    "devices",
    "cores",
    "memory",
    "envpool",
    "runs",
    "disk",
    "wandb",
    "xla flags",
]


def findings(check: Any) -> dict[str, Finding]:
    return {finding.subject: finding for finding in check()}


def test_report_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Plain text where it is piped; a required GPU that is not there fails with one sentence."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "jaxrl", "doctor", "--require", "gpu"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    [message] = done.stderr.splitlines()
    assert message.startswith("jaxrl: error: JAX finds no GPU here; install ")
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert [line[6:19].strip() for line in lines] == SUBJECTS
    assert all(line.split()[0] in ("ok", "warn") for line in lines), done.stdout
    assert "a step of Pong works" in done.stdout and "JAX_PLATFORMS=cpu" in done.stdout
    assert "everything works" not in done.stdout and "training works" not in done.stdout
    assert list(tmp_path.iterdir()) == []  # it leaves nothing behind


def test_a_platform_that_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "platform_fault", lambda: "JAX cannot start with JAX_PLATFORMS=x")
    assert findings(doctor.check_devices) == {
        "devices": Finding("fail", "devices", "JAX cannot start with JAX_PLATFORMS=x")
    }


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    replaced: list[Any] = []
    monkeypatch.setattr(doctor, "CHECKS", replaced)
    return replaced


def test_status_follows_the_worst_finding(checks: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    checks.append(lambda: iter([Finding("ok", "one", "fine")]))
    assert doctor.main() == 0
    checks.append(lambda: iter([Finding("warn", "two", "slow", "buy cores")]))
    assert doctor.main() == 0
    checks.append(lambda: iter([Finding("fail", "three", "broken", "mend it")]))
    assert doctor.main() == 1
    output = capsys.readouterr().out
    assert "fail  three        broken; mend it" in output
    assert output.endswith("not ready to train\n")


def test_a_check_that_breaks_is_a_finding(checks: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    def check_devices() -> Iterator[Finding]:
        raise RuntimeError("Unable to initialize backend\nmore")
        yield

    checks += [check_devices, lambda: iter([Finding("ok", "next", "still checked")])]
    assert doctor.main() == 1
    output = capsys.readouterr().out
    assert "fail  devices      RuntimeError: Unable to initialize backend; " in output
    assert "still checked" in output


def test_a_required_device_that_is_there(checks: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.main("tpu") == 1
    monkeypatch.setattr(doctor, "has_device", lambda kind: True)
    assert doctor.main("gpu") == 0


@pytest.mark.parametrize(
    ("program", "status", "detail"),
    [
        ("pass", "ok", "a step of Pong works"),
        ("import no_such_module", "fail", "No module named 'no_such_module'"),
        ("import os; os.abort()", "fail", "ended with status -6"),
    ],
)
def test_envpool_cannot_take_the_doctor_down(
    program: str, status: str, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PONG_STEP", program)
    found = findings(doctor.check_envpool)["envpool"]
    assert found.status == status and detail in found.detail
    assert bool(found.fix) == (status == "fail")


def test_a_missing_package_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "package_versions", lambda: {"jax": "1.0", "chex": None})
    found = findings(doctor.check_versions)
    assert found["chex"] == Finding("fail", "chex", "is not installed", "run `pip install chex`")
    assert found["packages"].detail == "jax 1.0"


def test_one_core_and_little_memory_are_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {
        "cpu.max": ["150000", "100000"],
        "memory.max": [str(3 * doctor.GIB)],
        "memory.current": [str(2 * doctor.GIB)],
    }
    monkeypatch.setattr(doctor, "_cgroup", lambda file: limits[file])
    monkeypatch.setattr(doctor, "usable_cores", lambda: 1)
    cores, memory = findings(doctor.check_cores)["cores"], findings(doctor.check_memory)["memory"]
    assert cores.status == memory.status == "warn"
    assert "a quota of 1.5" in cores.detail
    assert "1.0 of 3.0 GiB available" in memory.detail


def test_a_runs_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").touch()  # a file is in the way
    found = findings(doctor.check_runs_dir)["runs"]
    assert found.status == "fail" and "--record.runs_dir" in found.fix


def test_a_full_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = doctor.shutil.disk_usage("/")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    assert findings(doctor.check_runs_dir)["disk"].status == "warn"


@pytest.mark.parametrize("key", ["a-key-that-nobody-sees", None])
def test_the_key_of_wandb_is_never_shown(key: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    detail = findings(doctor.check_wandb)["wandb"].detail
    assert ("logs online" if key else "logs offline") in detail
    assert "nobody" not in detail
