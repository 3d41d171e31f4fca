"""The replay checker on a few recorded games of the referee, as they are and with something changed."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from jaxrl.cli.commands import main
from jaxrl.locm.recorded.replay_check import check_files

DATA = Path(__file__).parent / "data"
FILES = [DATA / "golden_locm15.txt.gz", DATA / "golden_locm12.txt.gz"]


def first_game(path: Path) -> list[str]:
    """The lines of the first game of a file."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return lines[: next(i for i, line in enumerate(lines) if i and line.startswith("G"))]


def changed(lines: list[str], letter: str, old: str, new: str, skip: int = 0) -> list[str]:
    """The lines with the first `old` after `skip` lines in a line of a kind replaced."""
    for i, line in enumerate(lines):
        if i >= skip and line.startswith(letter) and old in line:
            return [*lines[:i], line.replace(old, new, 1), *lines[i + 1 :]]
    raise AssertionError("nothing to change")


def test_the_recorded_games_are_reproduced(capsys):
    assert main(["replay", "locm", *map(str, FILES)]) == 0
    words = capsys.readouterr().out
    assert "16 games" in words and "0 differences" in words


@pytest.mark.parametrize(
    ("letter", "old", "new", "what"),
    [
        ("S", "| 30 1 1 1 25", "| 30 1 1 2 25", "first state differs"),
        ("L", "PASS", "PASS;SUMMON 1 0", "legal actions differ"),
        ("W", "W ", "W 1", "winner differs"),
        ("A", "A PASS", "A USE 999 -1", "state after 'USE 999 -1' differs"),
    ],
)
def test_a_difference_is_found_and_the_first_one_explained(tmp_path, capsys, letter, old, new, what):
    lines = changed(first_game(FILES[0]), letter, old, new)
    path = tmp_path / "games.txt"
    path.write_text("\n".join(lines) + "\n")
    assert main(["replay", "locm", str(path)]) == 1
    words = capsys.readouterr().out
    assert what in words and "recorded:" in words and "line " in words


def test_a_wrong_card_shows_up_in_the_play(tmp_path):
    # Every creature of the record gets one more defense: some state must tell.
    lines = first_game(FILES[1])
    spoilt = []
    for line in lines:
        words = line.split()
        if words[0] == "C" and words[4] == "0":
            words[7] = str(int(words[7]) + 1)
            line = " ".join(words)
        spoilt.append(line)
    path = tmp_path / "games.txt"
    path.write_text("\n".join(spoilt))
    assert check_files([path]).differences > 0


@pytest.mark.parametrize(
    "text", ["", "S 0 0 -1\n", "G 0\nC 0 1 2\n", "G 0\nnonsense\n", "G 0\nA PASS\n", "G 0\n", "G 0\nS 0 0 -1 | 30\n"]
)
def test_what_is_no_record_is_refused(tmp_path, capsys, text):
    path = tmp_path / "games.txt"
    path.write_text(text)
    assert main(["replay", "locm", str(path)]) == 2
    assert "games.txt" in capsys.readouterr().err


DAMAGED = {"text": b"no archive", "cut": gzip.compress(b"G 0\n" * 1000)[:20], "no words": gzip.compress(b"\xff\xfe")}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused(tmp_path, capsys, content):
    (tmp_path / "games.txt.gz").write_bytes(content)
    assert main(["replay", "locm", str(tmp_path / "games.txt.gz")]) == 2
    assert "games.txt.gz" in capsys.readouterr().err


RENAMED = {
    "misnamed": ("games.TXT.GZ", gzip.compress(b"G 0\n"), "is compressed, and its name does not end in .gz; rename it"),
    "utf-16": ("games.txt", "G 0\n".encode("utf-16"), "is no text in UTF-8 behind line 0 (invalid start byte)"),
    "no name": ("games.txt", b"G\n", "line 1, is no line of a record (words are missing): 'G'"),
    "folder": (".", b"", "Is a directory"),
}


@pytest.mark.parametrize(("name", "content", "words"), RENAMED.values(), ids=RENAMED)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path, capsys, name, content, words):
    if content:
        (tmp_path / name).write_bytes(content)
    assert main(["replay", "locm", str(tmp_path / name)]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert words in sentence and str(tmp_path) in sentence


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_game_that_was_cut_between_two_lines_is_refused(tmp_path, capsys, path):
    lines = first_game(path)
    words = lines[1].split()
    impossible = [lines[0], " ".join([*words[:5], "99", *words[6:]]), *lines[2:]]  # its cost
    for text, words in ((lines[: len(lines) // 2], "no winner, so the recording was cut"), (impossible, "outside")):
        (tmp_path / "games.txt").write_text("\n".join(text) + "\n")
        assert main(["replay", "locm", str(tmp_path / "games.txt")]) == 2
        (sentence,) = capsys.readouterr().err.splitlines()
        assert words in sentence, sentence


def test_the_older_spelling_says_the_same(tmp_path, capsys):
    """`python -m jaxrl.envs.locm.replay FILE...`"""
    good, bad = FILES[0], tmp_path / "games.txt"
    bad.write_text("\n".join(changed(first_game(good), "W", "W ", "W 1")) + "\n")
    status = main(["replay", "locm", str(good), str(bad)])
    command = [sys.executable, "-m", "jaxrl.envs.locm.replay"]
    done = subprocess.run([*command, good, bad], capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stdout, done.stderr) == (status, capsys.readouterr().out, "") and status == 1
    assert subprocess.run([*command, tmp_path / "none"], capture_output=True, timeout=240).returncode == 2


def test_a_missing_file_is_an_error_in_words(tmp_path, capsys):
    assert main(["replay", "locm", str(tmp_path / "none.gz")]) == 2
    assert "none.gz" in capsys.readouterr().err
