"""A shard comes back as it was, unless it is damaged or other code made it."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxrl.speech.engine import shards
from jaxrl.speech.engine.jobs import Job
from jaxrl.speech.engine.reading import Reading
from jaxrl.speech.engine.shards import SPEECH, Made, fingerprint, read_shard, sources, write_shard
from jaxrl.speech.speech_error import SpeechError


def _made(index: int, tags: tuple[str, ...]) -> Made:
    samples = np.arange(index * 5, dtype=np.int16)  # the first one is empty
    reading = Reading(samples, (("a", 0.1 * index), ("b", 1 / 3)), {"variant": "m3", "pitch": 50}, {"f0": 123.4567})
    return Made(Job(f"u{index}", "train", "home", "lamp on", "", "ada", tags, 7), reading, "lamp on", "")


def _written(folder: Path) -> tuple[Path, list[Made]]:
    made = [_made(0, ()), _made(1, ("fast",)), _made(2, ("sing: c3 e3",))]
    path = folder / "shards" / "0000.npz"
    write_shard(path, made)
    return path, made


def test_a_shard_comes_back(tmp_path):
    path, made = _written(tmp_path)
    again = read_shard(path)
    assert [one.reading.samples.tolist() for one in again] == [one.reading.samples.tolist() for one in made]
    assert all(one.reading.samples.dtype == np.int16 for one in again)
    plain = [[one._replace(reading=one.reading._replace(samples=None)) for one in some] for some in (made, again)]
    assert plain[0] == plain[1]  # tuples and floats too


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "pickle"])
def test_a_damaged_shard_is_one_sentence(tmp_path, damage):
    path, _ = _written(tmp_path)
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[data.index(b"lamp on")] ^= 1
    path.write_bytes({"truncated": data[:-30], "empty": b"", "pickle": b"\x80\x04]."}.get(damage, data))
    with pytest.raises(SpeechError, match=r"0000\.npz is damaged; remove it, and its utterances are made again"):
        read_shard(path)


@pytest.mark.parametrize("name", ["tags.py", "engine/espeak.py", "sound/world.py", "sound/judges.py"])
def test_other_code_is_another_fingerprint(tmp_path, name):
    speech = shutil.copytree(SPEECH, tmp_path / "speech", ignore=shutil.ignore_patterns("__pycache__"))
    assert fingerprint(speech) == fingerprint()
    (speech / "decoder" / "flow.py").write_text("models change no utterance")
    assert fingerprint(speech) == fingerprint()
    with (speech / name).open("a") as file:
        file.write("\nX = 1\n")
    assert fingerprint(speech) != fingerprint()


def test_other_packages_are_another_fingerprint(monkeypatch):
    before = fingerprint()
    monkeypatch.setattr(shards, "version", lambda _: "99")
    assert fingerprint() != before


def test_all_that_the_engine_imports_of_speech_is_in_the_fingerprint():
    script = (
        "import sys, jaxrl.speech.engine.produce;"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('jaxrl.speech')), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {*map(Path, done.stdout.split("\n")[:-1])} <= {*sources()}
