"""All stages on a handful of utterances: they run, are not run again, and refuse what cannot be."""

import json
from pathlib import Path

import pytest

from jaxrl.cli.commands import main
from jaxrl.speech.decoder.flow_training import FlowConfig
from jaxrl.speech.loading import CODES, read_codes
from jaxrl.speech.policy.policy_config import PolicyConfig
from jaxrl.speech.scale import EngineConfig, Scale
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.stages import run
from jaxrl.speech.tokenizer.codec_training import CodecConfig

SMALL = Scale(
    EngineConfig(16, 0),
    CodecConfig(8, 16, width=16, steps=4, batch=2, blocks=4),
    FlowConfig(width=16, steps=4, batch=2, blocks=4, euler=2),
    PolicyConfig(8, width=16, layers=2, heads=2, rows=2, steps=4, student_layers=1, student_texts=2, student_steps=2),
)


@pytest.mark.usefixtures("speech_extra")
def test_stages_run_once_and_resume(tmp_path, capsys):
    report = run(tmp_path, SMALL, "decoder", 2)
    rows = report["resynthesis"]
    assert rows["original"]["wer"] < 0.2 < rows["flow"]["wer"]  # nothing was learnt in four steps
    assert rows["true features"]["f0_error_semitones"] < 0.5
    assert report["real_time_factor"] > 0 and report["first_chunk_ms"] > 0
    for page in ("engine/page.html", "engine/page.png", "decoder/page.html", "decoder/page.png"):
        assert (tmp_path / page).stat().st_size > 10_000
    assert (
        len(read_codes(tmp_path / "tokenizer" / CODES))
        == json.loads((tmp_path / "engine" / "report.json").read_text())["accepted"]
    )
    capsys.readouterr()
    assert run(tmp_path, SMALL, "decoder", 2) == report
    assert capsys.readouterr().out.count("done before") == 3
    with pytest.raises(SpeechError, match="made with other settings"):
        run(tmp_path, Scale(EngineConfig(13, 0), SMALL.tokenizer, SMALL.decoder), "engine", 2)


@pytest.mark.parametrize("stage", ["rl", "suite"])
def test_stages_that_are_planned_refuse_in_one_sentence(tmp_path, monkeypatch, capsys, stage):
    monkeypatch.chdir(Path(__file__).parents[2])
    assert main(["speech", "--until", stage, "--folder", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert (
        said == f"jaxrl: error: the stage {stage} is not built yet; the stages are engine, tokenizer, decoder, policy\n"
    )
    assert not (tmp_path / "run").exists()


def test_no_codes_is_one_sentence(tmp_path):
    with pytest.raises(SpeechError, match="run the stage tokenizer first"):
        read_codes(tmp_path / "tokenizer" / CODES)
