"""A manifest comes back as it was, and damage names its line."""

import pytest

from jaxrl.speech.engine.produce import wave_of
from jaxrl.speech.manifest import Item, read_manifest, write_manifest
from jaxrl.speech.speech_error import SpeechError

ITEM = Item(
    "u1", "train", "home", "turn on", "", (("t", 0.1), ("3:", 0.25)), "m1", ("fast", "sing: c4"), "espeak", 3,
    {"pitch": 0.1 + 0.2}, {"f0": 101.25, "heard": "turn on"}, "waves.bin", 16000, 24000,
)  # fmt: skip


def test_items_come_back_and_the_bytes_are_the_same(tmp_path):
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    write_manifest(first, [ITEM, ITEM])
    assert read_manifest(first) == [ITEM, ITEM]
    write_manifest(second, read_manifest(first))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"id": 1}', "null"])
def test_damage_names_its_line(tmp_path, line):
    path = tmp_path / "a.jsonl"
    write_manifest(path, [ITEM])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(SpeechError, match=r"line 2 is no utterance"):
        read_manifest(path)


def test_waves_that_are_not_all_there_are_one_sentence(tmp_path):
    (tmp_path / "waves.bin").write_bytes(bytes(2 * (ITEM.start + ITEM.samples)))
    assert len(wave_of(tmp_path, ITEM)) == ITEM.samples
    (tmp_path / "waves.bin").write_bytes(bytes(2 * ITEM.start + 8))
    with pytest.raises(SpeechError, match="is missing or cut off"):
        wave_of(tmp_path, ITEM)
    (tmp_path / "waves.bin").unlink()
    with pytest.raises(SpeechError, match="is missing or cut off"):
        wave_of(tmp_path, ITEM)


def test_no_manifest_is_one_sentence(tmp_path):
    with pytest.raises(SpeechError, match="cannot be read"):
        read_manifest(tmp_path / "none.jsonl")
