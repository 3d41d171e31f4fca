"""How real processes end: a fault, a signal, a wrong word. One clear sentence, the right status, nothing lost.

The bar is 10 seconds; the limits here are wider because test machines are busy. `pytest -s` shows the times.
"""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PONG = "configs/atari/pong_cpu.yaml"
SMALL = {
    "--runtime.num_actors": "2",
    "--runtime.envs_per_pool": "2",
    "--runtime.unroll_length": "8",
    "--network.hidden_sizes": "[8]",
    "--record.wandb": "off",
    "--record.report_every": "5",
    "--record.checkpoint_every": "20",
    "--evaluation.episodes": "0",
    "--env_steps": "100000000",
}
LIMIT_S = 60.0
pytestmark = pytest.mark.timeout(600)


class Process:
    """One `jaxrl train configs/catch.yaml` on a small scale, or the driver with a fault."""

    def __init__(self, runs_dir, *words, fault=None):
        module = ["jaxrl"] if fault is None else ["tests.support.driver", fault]
        command = [
            sys.executable,
            "-m",
            *module,
            "train",
            "configs/catch.yaml",
            *(word for pair in SMALL.items() for word in pair),
        ]
        self.runs_dir = runs_dir
        self._popen = subprocess.Popen(
            [*command, "--record.runs_dir", str(runs_dir), *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def run(self):
        (folder,) = self.runs_dir.iterdir()
        return folder

    def wait_for(self, pattern, limit_s=280.0):
        """Until the run folder holds a file that matches."""
        deadline = time.monotonic() + limit_s
        while not any(path.stat().st_size for path in self.runs_dir.glob(f"*/{pattern}")):
            if self._popen.poll() is not None or time.monotonic() > deadline:
                self._popen.kill()
                raise AssertionError(self._popen.communicate())
            time.sleep(0.05)

    def wait_for_fault(self):
        """Until the driver says that it breaks down now."""
        assert self._popen.stderr is not None
        assert any("fault at" in line for line in self._popen.stderr), "it ended without the fault"

    def send(self, number):
        self._popen.send_signal(number)

    def end(self, limit_s=280.0):
        """Status, stdout, stderr; a process that does not end is a failure."""
        try:
            out, err = self._popen.communicate(timeout=limit_s)
        finally:
            self._popen.kill()
        return self._popen.returncode, out, err


def resume(runs_dir):
    """Go on with the newest run for a few more steps; returns the counters at its end."""
    (run,) = runs_dir.iterdir()
    before = counters(run)
    steps = before["env_steps"] + 500
    status, _, err = Process(runs_dir, "--resume", str(run), "--env_steps", str(steps)).end()
    assert status == 0, err
    after = counters(run)
    assert after["env_steps"] >= steps and after["restarts"] == before.get("restarts", 0) + 1
    lines = [json.loads(line)["env_steps"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines == sorted(set(lines)) and lines[-1] == after["env_steps"]
    return after


def counters(run):
    newest = max((run / "checkpoints").glob("[0-9]*"))
    return json.loads((newest / "manifest.json").read_text())["counters"]


def fault_time(err):
    match = re.search(r"fault at ([\d.]+)", err)
    assert match, err
    return float(match[1])


def test_an_environment_that_raises(tmp_path):
    status, out, err = Process(tmp_path, fault="raise").end()
    took = time.time() - fault_time(err)
    print(f"ended {took:.1f} s after the environment raised")
    assert status == 1 and took < LIMIT_S
    assert "in break_down" in err and "ArithmeticError: the emulator crashed" in err
    assert re.fullmatch(
        r"jaxrl: error: actor 0 failed in unroll 124: ArithmeticError: the emulator crashed; "
        r"everything up to update 12[2-4] is saved",
        err.strip().splitlines()[-1],
    )
    assert f"jaxrl train {next(tmp_path.iterdir())}/config.yaml --resume" in out
    resume(tmp_path)


def test_an_environment_that_hangs(tmp_path):
    status, _, err = Process(tmp_path, "--runtime.timeout_s", "30", fault="hang").end()
    took = time.time() - fault_time(err)
    print(f"ended {took:.1f} s after the environment hung, of which 30 s are runtime.timeout_s")
    assert status == 1 and 30 <= took < 30 + LIMIT_S
    assert "Traceback" not in err  # it would show where the others waited, not where the environment hangs
    assert re.fullmatch(
        r"jaxrl: error: waited 30 s for an unroll of actor 0; an environment or a device hangs \(raise "
        r"runtime.timeout_s if it is only slow\); everything up to update \d+ is saved",
        err.strip().splitlines()[-1],
    )
    assert counters(next(tmp_path.iterdir()))["updates"] >= 120


@pytest.mark.parametrize(
    ("fault", "sentence", "saved"),
    [
        ("hang-learning", r"no update for 20 s \(2 times runtime\.timeout_s\): an environment, .* hangs; .*", 20),
        ("hang-saving", r"waited 10 s for .*; saving took longer than 10 s too: a device hangs; .*", 120),
    ],
)
def test_a_main_thread_that_waits_for_a_device_in_vain(tmp_path, fault, sentence, saved):
    """Nothing else could end it: it waits inside a library."""
    status, _, err = Process(tmp_path, "--runtime.timeout_s", "10", fault=fault).end()
    assert status == 1 and 18 <= time.time() - fault_time(err) < 20 + LIMIT_S
    assert "Traceback" not in err and re.fullmatch(f"jaxrl: error: {sentence}", err.strip().splitlines()[-1]), err
    assert counters(next(tmp_path.iterdir()))["updates"] == saved


def test_an_evaluation_that_hangs(tmp_path):
    words = ("--env_steps", "2000", "--evaluation.episodes", "4", "--runtime.timeout_s", "20")
    status, out, err = Process(tmp_path, *words, fault="hang-scoring").end()
    assert status == 1 and time.time() - fault_time(err) < 20 + LIMIT_S
    assert (
        err.strip()
        .splitlines()[-1]
        .startswith("jaxrl: error: the environments that score the policy made no step for 20 s (runtime.timeout_s)")
    )
    assert counters(next(tmp_path.iterdir()))["env_steps"] >= 2000, out


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_end(tmp_path, number, expected):
    process = Process(tmp_path)
    process.wait_for("metrics.jsonl")
    process.send(number)
    start = time.monotonic()
    status, out, err = process.end()
    took = time.monotonic() - start
    print(f"{number.name}: ended after {took:.1f} s")
    assert (status, err) == (expected, "") and took < LIMIT_S
    saved = counters(process.run)
    assert f"stopped by {number.name} after {saved['env_steps']:,} env steps; update {saved['updates']} is saved" in out
    assert f"jaxrl train {process.run}/config.yaml --resume {process.run}" in out
    resume(tmp_path)


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    """The first one would wait for the actor, which hangs."""
    process = Process(tmp_path, fault="hang")
    process.wait_for_fault()
    process.wait_for("checkpoints/[0-9]*-120/manifest.json")
    process.send(signal.SIGINT)
    time.sleep(2.0)  # the orderly end would take the 5 s for which a hung actor is waited for
    process.send(signal.SIGINT)
    start = time.monotonic()
    status, out, err = process.end()
    print(f"second Ctrl-C: ended after {time.monotonic() - start:.1f} s")
    assert status == 130 and "Traceback" not in err
    assert "stopped by" not in out  # nobody waited for the orderly end
    assert counters(process.run)["updates"] >= 120


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["--agent.no_such_key", "1"], 2, r".*agent\.no_such_key.*nearest.*"),
        (["--env.id", "NoSuchGame-v5"], 2, r".*NoSuchGame-v5.*"),
        (["--env.noop_max", "0"], 2, r".*env\.noop_max.*at least 1.*"),
        (["--runtime.learner_devices", "[0,31]"], 2, r".*runtime\.learner_devices names device 31.*"),
    ],
)
def test_wrong_words(tmp_path, words, status, sentence):
    start = time.monotonic()
    command = [sys.executable, "-m", "jaxrl", "train", PONG, *words, "--record.runs_dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    took = time.monotonic() - start
    print(f"{' '.join(words)}: {took:.1f} s")
    assert took < LIMIT_S and done.returncode == status, done.stderr
    assert re.fullmatch(rf"jaxrl: error: {sentence}\n", done.stderr), done.stderr
    assert list(tmp_path.iterdir()) == [], "no run folder for a run that never began"
