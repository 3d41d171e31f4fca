"""The assistant that comes with the package: whoever has installed it can speak and be heard, without a training."""

from pathlib import Path

import pytest

from jaxrl.cli.commands import main
from jaxrl.cli.sound import TALKER
from jaxrl.speech.engine.accept import domain_judge
from jaxrl.speech.sound.waves import read_wave

SAID = "turn on the lamp in the kitchen"


@pytest.mark.timeout(600)  # most of it is compiling
def test_the_talker_of_the_package_is_understood_by_a_recogniser_and_by_itself(speech_extra, tmp_path, capsys):
    out = tmp_path / "said.wav"
    assert main(["speak", "talker", SAID, "--out", str(out)]) == 0
    assert domain_judge().hear(read_wave(out)) == SAID
    capsys.readouterr()
    assert main(["listen", "talker", str(out)]) == 0
    assert capsys.readouterr().out.strip() == SAID


def test_a_folder_of_that_name_comes_before_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("talker").mkdir()
    assert main(["speak", "talker", "hello", "--out", "said.wav"]) == 1
    assert "talker is no folder of `jaxrl speech`" in capsys.readouterr().err


def test_it_is_small():
    assert TALKER.stat().st_size < 8e6
