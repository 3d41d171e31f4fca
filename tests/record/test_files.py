"""A file is the old one or the new one, whatever happens while it is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jaxrl.record.files import replace_json, replacing
from jaxrl.record.rundir import RunDirError
from tests.support.full_disk import files_of_at_most


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "curve.png"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as scratch:
        scratch.write_text("half")
        assert scratch.suffix == ".png" and path.read_text() == "old"
        _ = 1 / 0
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with replacing(path) as scratch:
        scratch.write_text("new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_json_in_a_folder_that_is_made(tmp_path):
    replace_json(tmp_path / "deep" / "numbers.json", {"a": 1})
    assert json.loads((tmp_path / "deep" / "numbers.json").read_text()) == {"a": 1}


def test_a_folder_or_a_device_is_not_replaced(tmp_path):
    taken = tmp_path / "taken.png"
    taken.mkdir()
    for path in (taken, Path("/dev/null")):
        with pytest.raises(RunDirError, match=r"cannot write .*: it is a folder or a device"), replacing(path):
            pytest.fail("nothing is written")
    assert list(tmp_path.iterdir()) == [taken] and Path("/dev/null").is_char_device()


def test_a_link_stays(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    with replacing(tmp_path / "link.txt") as scratch:
        scratch.write_text("new")
    assert (tmp_path / "link.txt").is_symlink() and (tmp_path / "real.txt").read_text() == "new"


def test_a_full_disk(tmp_path):
    path = tmp_path / "curve.png"
    path.write_bytes(b"old")
    with (
        files_of_at_most(2048),
        pytest.raises(RunDirError, match=r"cannot write .*: File too large"),
        replacing(path) as scratch,
    ):
        scratch.write_bytes(bytes(5000))
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
