"""The bench of a policy: which files it is for, what it counts, and that its shares are shares."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from jaxrl.cli.commands import main
from jaxrl.cli.sound import STAGES, scale_file
from jaxrl.speech.policy.policy_config import PolicyConfig
from jaxrl.speech.scale import Scale
from jaxrl.speech.suite.overview import write_overview
from jaxrl.speech.suite.speech_bench import forward_flops, measure_policy
from jaxrl.speech.tokenizer.codec_training import CodecConfig

CONFIGS = Path(__file__).parents[3] / "configs"
SMALL = Scale(tokenizer=CodecConfig(4, 6), policy=PolicyConfig(width=16, layers=1, heads=2, rows=2, context=120))


def test_scales_are_told_from_configs_without_the_stack_of_speech(tmp_path, monkeypatch):
    assert tuple(Scale.__dataclass_fields__) == STAGES
    monkeypatch.setitem(sys.modules, "jaxrl.speech.suite", None)
    assert main(["bench", str(CONFIGS / "none.yaml"), "--json", str(tmp_path / "a.json")]) == 2
    small = CONFIGS / "speech" / "small.yaml"
    assert scale_file(str(small)) == small and scale_file("tiny").name == "tiny.yaml"
    assert scale_file("catch") is None and scale_file(str(tmp_path / "none.yaml")) is None


def test_rates_and_shares():
    told = measure_policy(SMALL, 60.0)
    assert 0 < told["training_share_of_product"] < 1 and 0 < told["generation_32_share_of_product"] < 1
    assert told["real_time_factor"] == pytest.approx(1000 / 24 / told["generation_1_tokens_per_s"])
    config = dataclasses.replace(SMALL.policy, layers=2)
    twice = forward_flops(config, 0, 10) / forward_flops(SMALL.policy, 0, 10)
    assert twice == 2 and forward_flops(SMALL.policy, 100, 0) - forward_flops(SMALL.policy, 0, 0) == 2 * 100 * 16


def test_settings_are_refused(tmp_path, capsys):
    words = [str(CONFIGS / "speech" / "tiny.yaml"), "--json", str(tmp_path / "a.json"), "--seed", "1"]
    assert main(["bench", *words]) == 2
    assert "a scale of speech is measured as it is" in capsys.readouterr().err


def test_the_overview_shows_what_there_is(tmp_path):
    for name, file in (("engine", "page.png"), ("rl", "waves/0-group.wav"), ("suite", "teacher/waves/00.wav")):
        path = tmp_path / name / file
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
        (tmp_path / name / "report.json").write_text(json.dumps({"settings": {"a": 1}, "wer": {"<own>": 0.123456}}))
    page = write_overview(tmp_path, ["engine", "tokenizer", "rl", "suite"]).read_text()
    assert page.count("<h2>") == 3 and page.count("wer / &lt;own&gt;</td><td>0.1235") == 3 and "settings" not in page
    assert 'src="engine/page.png"' in page and 'src="suite/teacher/waves/00.wav"' in page
