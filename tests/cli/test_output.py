"""Work goes on where its output cannot, and says so on what is left."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from jaxrl.cli.commands import COMMANDS
from jaxrl.record.console import ConsoleSink
from jaxrl.sweeps.board import Board
from jaxrl.sweeps.sweep_folder import SweepFolder

ROOT = Path(__file__).parents[2]
CONFIG = """
name: c
env_steps: 2000
env: {name: catch}
network: {name: mlp, hidden_sizes: [8]}
agent: {name: impala}
runtime: {envs_per_pool: 4, unroll_length: 8}
record: {report_every: 2, wandb: "off"}
evaluation: {episodes: 0}
"""


def run(words: list[str], cwd: Path, stdout: int, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *words], cwd=cwd, env=environment, stdout=stdout, stderr=stderr, timeout=200)


@pytest.mark.parametrize(("full", "reason"), [(False, b"Broken pipe"), (True, b"No space left on device")])
def test_a_training_outlives_its_output(tmp_path: Path, full: bool, reason: bytes) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    if full:
        output = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, output = os.pipe()
        os.close(reader)
    try:
        done = run(["-m", "jaxrl", "train", "c.yaml"], tmp_path, output)
    finally:
        os.close(output)
    assert done.returncode == 0, done.stderr
    told = b"jaxrl: warning: standard output cannot be written any more (" + reason + b"); the work goes on\n"
    assert done.stderr.count(told) == 1 and b"Traceback" not in done.stderr, done.stderr
    assert list(tmp_path.glob("runs/c-*/checkpoints/0*"))


def test_nothing_is_left_to_say_it_on(tmp_path: Path) -> None:
    """Both streams are full: the block ends all the same."""
    code = (
        "import sys\nfrom jaxrl.cli.output import lasting_output\n"
        "with lasting_output():\n    print('x' * 10**5, flush=True); print('y', file=sys.stderr); print('z')\n"
        "open('done', 'w').close()"
    )
    with open("/dev/full", "wb") as full:
        assert run(["-c", code], tmp_path, full.fileno(), full.fileno()).returncode == 0
    assert (tmp_path / "done").exists()


# What every command prints, and the status that it then has: its own where it failed already.
SHORT = {
    "": 2, "--help": 1, "--version": 1, "nonsense": 2, **{f"{name} --help": 1 for name in COMMANDS}, "list": 1,
    "plot nowhere": 1, "evaluate nowhere": 1, "train nowhere": 2,
    "reproduce --scale x": 2,
}  # fmt: skip
EVERY_COMMAND = """
import json, os, sys
from jaxrl.cli.commands import main
def lost(kind):
    if kind == "full":
        return os.open("/dev/full", os.O_WRONLY)
    reader, writer = os.pipe()
    os.close(reader)
    return writer
told = {}
for words in json.loads(sys.argv[1]):
    for kind in ("full", "pipe"):
        os.dup2(lost(kind), 1)
        sys.stdout = open(1, "w", closefd=False)
        print(f"== {words} {kind}", file=sys.stderr, flush=True)
        told[f"{words} {kind}"] = main(words.split())
        sys.stdout.flush()
print(json.dumps(told), file=sys.stderr, flush=True)
"""


def test_no_command_ends_with_a_traceback_where_its_output_cannot_be_written(tmp_path: Path) -> None:
    done = run(["-c", EVERY_COMMAND, json.dumps(list(SHORT))], tmp_path, subprocess.DEVNULL)
    *lines, last = done.stderr.decode().splitlines()
    assert done.returncode == 0, done.stderr
    assert json.loads(last) == {
        f"{words} {kind}": status for words, status in SHORT.items() for kind in ("full", "pipe")
    }
    assert all(line.startswith(("== ", "jaxrl: error: ")) for line in lines), lines
    said = "jaxrl: error: standard output or error cannot be written: No space left on device"
    for words in ("--help", "train --help", "list"):
        at = lines.index(f"== {words} full")
        assert lines[at + 1 : at + 3] == [said, f"== {words} pipe"] and lines[at + 3].startswith("== "), lines[at:]


@pytest.mark.parametrize("words", [["--help"], ["train", "nowhere"]])
def test_nothing_is_said_when_python_ends(tmp_path: Path, words: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = run(["-m", "jaxrl", *words], tmp_path, full.fileno())
        assert (done.returncode, len(done.stderr.splitlines())) == (1 if words == ["--help"] else 2, 1), done.stderr
        assert run(["-m", "jaxrl", *words], tmp_path, full.fileno(), full.fileno()).returncode == done.returncode
    closed = f"{shlex.quote(sys.executable)} -m jaxrl {' '.join(words)} >&- 2>&-; echo $?"
    status = subprocess.run(["bash", "-c", closed], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert (status.stdout.strip(), status.stderr) == ("0" if words == ["--help"] else "2", "")


def test_what_a_terminal_has_not_is_a_question_mark(tmp_path: Path) -> None:
    code = "from jaxrl.cli.output import prepare_streams as r; r(); print('\\u2581', flush=True)"
    done = run(["-X", "utf8=0", "-c", f"import sys; sys.stdout.reconfigure(encoding='ascii'); {code}"], tmp_path, -1)
    assert (done.returncode, done.stdout) == (0, b"?\n")


def test_no_escape_codes_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the environment asks every program for colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with (tmp_path / "log").open("w") as log:
        sink = ConsoleSink(100, stream=log)
        sink.write(50, {"episode/return": 1.0})
        sink.close()
        with Board(SweepFolder(tmp_path), [], stream=log) as board:
            board.refresh(now=True)
    written = (tmp_path / "log").read_bytes()
    assert b"50 of 100 env steps" in written and b"\x1b" not in written


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "<&- 2>&-", "<&- >&-", ">&- 2>&-", ""])
def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path, closed: str) -> None:
    """What a library writes to standard error would go into it."""
    program = (
        "import os, sys; from jaxrl.cli.output import prepare_streams; prepare_streams(); print('a', flush=True); "
    )
    program += "file = open(sys.argv[1], 'w'); file.write(str(file.fileno())); os.system('echo b; echo c >&2')"
    words = shlex.join([sys.executable, "-c", program, str(tmp_path / "number")])
    subprocess.run(["bash", "-c", f"{words} {closed}"], cwd=ROOT, check=True, timeout=100, capture_output=True)
    assert int((tmp_path / "number").read_text()) > 2
