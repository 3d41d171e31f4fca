"""Recorded runs in an archive are read like run folders; a broken one is one sentence and leaves nothing behind."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from jaxrl.analysis import archives
from jaxrl.analysis.archives import opened, unpacked
from jaxrl.analysis.curves import RunDataError
from jaxrl.analysis.figures.learning import plot
from jaxrl.analysis.runs import VARIABLE, chosen_runs, final_return, find_runs
from jaxrl.record.rundir import RunDirError
from tests.analysis.test_runs import record

RESULTS = Path(__file__).parents[2] / "docs" / "evidence" / "results"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "jaxrl"


@pytest.fixture
def archive(tmp_path, cache):
    """Three runs, of which one lies deeper than the others."""
    folder = tmp_path / "recorded"
    record(folder, "b-20260101-000000-s0", [1.0, 2.0])
    record(folder, "a-20260103-000000-s0", [1.0, 4.0])
    record(folder / "deep" / "er", "c-20260102-000000-s0", [1.0, 6.0])
    path = tmp_path / "three.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        file.add(folder, ".")
    return path


def test_runs_of_an_archive_newest_last(archive, cache, monkeypatch):
    runs = find_runs(str(archive))
    assert [final_return(run) for run in runs] == [2.0, 6.0, 4.0]
    assert [run.name[0] for run in find_runs(f"{archive}/[ab]-*")] == ["b", "a"]
    assert [run.name[0] for run in find_runs(f"{archive}/deep/*/*")] == ["c"]
    assert len(find_runs(f"{archive}:{archive}")) == 3, "each once"
    monkeypatch.setenv(VARIABLE, str(archive))
    assert chosen_runs("runs/*") == runs
    assert len(list(cache.iterdir())) == 1, "unpacked once"
    with pytest.raises(RunDataError, match=r"no run folder fits .*three.tar.gz holds a-.*, b-.*, deep/"):
        find_runs(f"{archive}/z-*")
    monkeypatch.chdir(archive.parent / "recorded")
    assert find_runs("three.tar.gz") == runs, "a notebook is run one folder deeper"


def test_a_folder_or_an_archive_is_opened_from_here_or_from_above(archive, cache, monkeypatch):
    folder = archive.parent / "recorded"
    monkeypatch.chdir(folder)
    assert opened(str(folder), "FOLDER") == folder and opened("recorded", "FOLDER").samefile(folder)
    assert opened("three.tar.gz", "FOLDER") == unpacked(archive)
    monkeypatch.setenv("FOLDER", "four.tar.gz")
    with pytest.raises(RunDataError, match=r"there is no folder and no archive four.tar.gz; name one .* FOLDER"):
        opened("three.tar.gz", "FOLDER")


def test_other_content_has_another_folder(archive, cache):
    before = unpacked(archive)
    with tarfile.open(archive, "w:gz") as file:
        file.add(before / "deep", "deep")
    assert unpacked(archive) != before and before.is_dir()
    assert [run.name[0] for run in find_runs(str(archive))] == ["c"]


def test_two_processes_at_once_and_an_empty_archive(archive, cache, tmp_path, monkeypatch):
    extract, others = archives._extract, []

    def extract_after_another_process(file, folder):
        monkeypatch.setattr(archives, "_extract", extract)
        others.append(unpacked(archive))
        extract(file, folder)

    monkeypatch.setattr(archives, "_extract", extract_after_another_process)
    assert len(find_runs(str(archive))) == 3 and len(list(cache.iterdir())) == 1
    assert len(others) == 1
    tarfile.open(tmp_path / "empty.tar.gz", "w:gz").close()
    with pytest.raises(RunDataError, match="no run folder fits"):
        find_runs(str(tmp_path / "empty.tar.gz"))


def test_plotting_an_archive_writes_here_and_not_into_the_cache(archive, cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plot([str(archive)]) == Path("compare.png") and Path("compare.png").exists()
    assert plot([f"{archive}/b-*"]) == Path("curve.png") and Path("curve.png").exists()
    assert plot([f"{archive}/b-*", str(tmp_path / "recorded/a-20260103-000000-s0")]) == Path("compare.png")
    assert plot([f"{archive}/b-*"], tmp_path / "given.png") == tmp_path / "given.png"
    assert list(cache.rglob("*.png")) == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "one bit", "no archive", "empty"])
def test_a_broken_archive(archive, cache, damage):
    whole = archive.read_bytes()
    middle = len(whole) // 2
    archive.write_bytes(
        {
            "cut": whole[:middle],
            "flipped": whole[:middle] + bytes(byte ^ 255 for byte in whole[middle:]),
            "one bit": whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:],  # of the checksum
            "no archive": b"an error page",
            "empty": b"",
        }[damage]
    )
    with pytest.raises(RunDataError, match=r"three.tar.gz is broken: .*; fetch or make it again"):
        find_runs(str(archive))
    assert list(cache.glob("*")) == [], "not half of one"


@pytest.mark.parametrize("kind", ["up", "link", "device"])
def test_nothing_is_written_outside(tmp_path, cache, kind):
    member = tarfile.TarInfo({"up": "../../out.txt"}.get(kind, "inside"))
    member.size = 3 if kind == "up" else 0
    member.type = {"up": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "device": tarfile.CHRTYPE}[kind]
    member.linkname = "../../../out.txt" if kind == "link" else ""
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as file:
        file.addfile(member, io.BytesIO(b"bad"))
    with pytest.raises(RunDataError, match="is broken"):
        find_runs(str(tmp_path / "bad.tar.gz"))
    assert list(tmp_path.rglob("out.txt")) == [] and list(cache.glob("*")) == []


def test_a_cache_that_cannot_be_written_and_an_archive_that_cannot_be_read(archive, tmp_path, monkeypatch):
    with pytest.raises(RunDataError, match="cannot read the archive"):
        unpacked(tmp_path / "none.tar.gz")
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(archive))
        with pytest.raises(RunDirError, match="another cache with XDG_CACHE_HOME"):
            find_runs(str(archive))


SIZES = {"h200": 2, "pong": 6, "pong_settled": 1, "pong_ppo": 14, "free_logits": 10, "small_games": 12, "study": 62}


@pytest.mark.parametrize("name", SIZES)
def test_the_committed_archives_hold_whole_runs(name):
    path = RESULTS / f"{name}.tar.gz"
    with tarfile.open(path) as file:
        kinds = {Path(member.name).name for member in file.getmembers() if member.isfile()}
    records = {"config.yaml", "metrics.jsonl", "episodes.jsonl", "evaluation.json", "versions.json"}
    assert kinds <= records | {"manifest.json", "state.json"}, "records only, no checkpoint"
    assert len(find_runs(str(path))) == SIZES[name]


@pytest.mark.parametrize("name", [*SIZES, "collapse"])
def test_the_committed_archives_say_nothing_of_whoever_packed_them(name):
    """Sorted, without times and owners, so that the same files make the same bytes."""
    path = RESULTS / f"{name}.tar.gz"
    assert path.read_bytes()[3:8] == bytes(5), "gzip: neither name nor time"
    with tarfile.open(path) as file:
        members = file.getmembers()
    assert [member.name for member in members] == sorted(
        (member.name for member in members), key=lambda name: name.split("/")
    )
    assert {(member.mtime, member.uid, member.gid, member.uname, member.gname) for member in members} == {
        (0, 0, 0, "", "")
    }
