"""All stages on a handful of utterances: they run, are not run again, and refuse what cannot be."""

import dataclasses
import io
import json
import shutil
import sys
from pathlib import Path
from unittest.mock import Mock

import jax
import numpy as np
import pytest

from jaxrl.cli.commands import main
from jaxrl.speech import stages
from jaxrl.speech.decoder.flow_training import FlowConfig
from jaxrl.speech.loading import CODES, load_tokenizer, read_codes
from jaxrl.speech.manifest import read_manifest
from jaxrl.speech.policy.assistant import Assistant
from jaxrl.speech.policy.policy_config import PolicyConfig
from jaxrl.speech.policy.policy_stage import all_utterances, throat_codes
from jaxrl.speech.rl import rl_stage
from jaxrl.speech.rl.rl_config import RLConfig
from jaxrl.speech.scale import EngineConfig, Scale
from jaxrl.speech.sound.features import load
from jaxrl.speech.sound.throats import SPEEDS
from jaxrl.speech.sound.waves import read_wave, write_wave
from jaxrl.speech.speech_error import SpeechError
from jaxrl.speech.stages import run
from jaxrl.speech.suite import suite_stage
from jaxrl.speech.suite.suite_config import SuiteConfig
from jaxrl.speech.talker import at, pack, unpack
from jaxrl.speech.tokenizer.codec_training import CodecConfig

SMALL = Scale(
    EngineConfig(16, 0),
    CodecConfig(8, 16, width=16, steps=4, batch=2, blocks=4, throats=1),
    FlowConfig(width=16, steps=4, batch=2, blocks=4, euler=2),
    PolicyConfig(
        8,
        16,
        layers=1,
        heads=2,
        rows=2,
        steps=4,
        phone_weight=0.3,
        rehearsed=3,
        throats=2,
        second_steps=2,
        student_layers=1,
        student_texts=2,
        student_steps=2,
    ),
)


@pytest.fixture(scope="module")
def decoded(tmp_path_factory, speech_extra) -> Path:
    """A run until the stage decoder."""
    folder = tmp_path_factory.mktemp("speech")
    run(folder, SMALL, "decoder", 2)
    return folder


@pytest.fixture(scope="module")
def talking(decoded) -> Path:
    """The same until the stage policy."""
    run(decoded, SMALL, "policy", 2)
    return decoded


def report_of(folder: Path, stage: str) -> dict:
    return json.loads((folder / stage / "report.json").read_text())


def test_stages_run_once_and_resume(decoded, capsys):
    report = report_of(decoded, "decoder")
    rows = report["resynthesis"]
    assert rows["original"]["wer"] < 0.2 < rows["flow"]["wer"]  # nothing was learnt in four steps
    assert rows["true features"]["f0_error_semitones"] < 0.5
    assert report["real_time_factor"] > 0 and report["first_chunk_ms"] > 0
    for page in ("engine/page.html", "engine/page.png", "decoder/page.html", "decoder/page.png"):
        assert (decoded / page).stat().st_size > 10_000
    assert len(read_codes(decoded / "tokenizer" / CODES)) == report_of(decoded, "engine")["accepted"]
    capsys.readouterr()
    assert run(decoded, SMALL, "decoder", 2) == report
    assert capsys.readouterr().out.count("done before") == 3
    with pytest.raises(SpeechError, match="made with other settings"):
        run(decoded, Scale(EngineConfig(13, 0), SMALL.tokenizer, SMALL.decoder), "engine", 2)


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """Runs stages that do nothing but leave a folder with a state."""

    def stage(name: str):
        return lambda folder, scale, workers: (folder / name / "state").mkdir(parents=True, exist_ok=True) or {}

    monkeypatch.setattr(stages, "STAGES", {name: stage(name) for name in stages.STAGES})
    return lambda scale=SMALL, until="suite": run(tmp_path, scale, until, 1)


def test_a_stage_that_is_under_way_has_the_settings_it_began_with(tmp_path, pretended):
    pretended(until="tokenizer")
    (tmp_path / "tokenizer" / "report.json").unlink()
    faster = dataclasses.replace(SMALL, tokenizer=dataclasses.replace(SMALL.tokenizer, learning_rate=0.1))
    with pytest.raises(SpeechError, match="tokenizer was made with other settings"):
        pretended(faster)
    shutil.rmtree(tmp_path / "tokenizer" / "state")  # nothing was trained yet
    pretended(faster, "tokenizer")


def test_what_was_made_from_a_stage_that_is_gone_is_not_gone_on_with(tmp_path, pretended, capsys):
    pretended()
    shutil.rmtree(tmp_path / "engine")
    with pytest.raises(SpeechError, match=r"tokenizer was made from .*engine, which is gone"):
        pretended()
    for name in ("tokenizer", "decoder", "policy", "rl", "suite"):
        shutil.rmtree(tmp_path / name)
    pretended(until="policy")
    (tmp_path / "suite" / "teacher").mkdir(parents=True)  # of `jaxrl evaluate`
    pretended()
    capsys.readouterr()
    pretended()
    assert capsys.readouterr().out.count("done before") == 6


@pytest.mark.parametrize("damaged", [b"{", b"[]", b"{}", b"\xff"])
def test_a_report_that_is_damaged_is_one_sentence(tmp_path, pretended, damaged):
    pretended(until="engine")
    report = tmp_path / "engine" / "report.json"
    report.write_bytes(damaged)
    with pytest.raises(SpeechError, match=r"report.json is damaged .*; remove it and run again"):
        pretended(until="engine")
    report.unlink()
    pretended(until="engine")


@pytest.mark.parametrize("damaged", [b"", b"no codes", b"PK\x03\x04" + bytes(40)])
def test_codes_that_are_damaged_are_one_sentence(tmp_path, damaged):
    with pytest.raises(SpeechError, match="there are no codes in"):
        read_codes(tmp_path / CODES)
    (tmp_path / CODES).write_bytes(damaged)
    with pytest.raises(SpeechError, match=r"is damaged .*; remove it"):
        read_codes(tmp_path / CODES)


def test_the_tokenizer_hears_every_utterance_of_training_in_another_throat_too(decoded):
    """With phones at the times that they have there; the scale of its state is that of all that it hears."""
    items = [item for item in read_manifest(decoded / "engine" / "manifest.jsonl") if item.split == "train"]
    features, names = load(decoded / "tokenizer" / "throats-1.npz")
    own, _ = load(decoded / "tokenizer" / "features.npz")
    assert len(features) == len(items) > 3
    for number, item in enumerate(items):
        one, speed = features.utterance(number), SPEEDS[number % len(SPEEDS)]
        assert len(one.phones) == 6 * np.ceil(item.samples / speed / 1920)
        middles = (np.arange(len(one.phones)) + 0.5) * 0.02
        due = [next((name for name, end in item.phones if at <= end / speed), "") for at in middles]
        assert np.mean([names[phone] == name for phone, name in zip(one.phones, due, strict=True)]) > 0.98
    split = [item.split for item in read_manifest(decoded / "engine" / "manifest.jsonl")]
    heard = [own.utterance(number).envelope for number, name in enumerate(split) if name == "train"]
    mean = np.concatenate([*heard, features.envelope]).mean(axis=0)
    np.testing.assert_allclose(load_tokenizer(decoded, SMALL).state.scale[0], mean, rtol=1e-4)


def test_a_policy_that_learnt_nothing_still_parses_and_is_judged(talking):
    report = report_of(talking, "policy")
    assert min(report["asr"]["cer"], report["tts"]["wer"]) > 0.5
    assert not report["questions"]["spoken"] and not report["questions"]["typed"]  # none is right, or none was asked
    assert report["student"]["asked"] == 2
    for name in ("page.html", "first/curve.png", "teacher/curve.png", "data/codes.npz", "later.npz", "voices.json"):
        assert (talking / "policy" / name).stat().st_size > 500
    items, speech = all_utterances(talking, SMALL, 1)
    assert [item.kind for item in items[-3:]] == ["meaning"] * 3 and items[-1].id == "r000002"
    for item, own, throats in zip(items, speech, throat_codes(talking, SMALL, items), strict=True):
        assert len(throats) == (2 if item.split == "train" else 0)
        blocks = len(own.linguistic) // 2
        assert all(abs(len(one.linguistic) // 2 - blocks / speed) <= 1 for speed, one in throats.items())
    assert '"valid_loss"' in (talking / "policy" / "teacher" / "curve.jsonl").read_text()


def test_the_commands_run(talking, capsys, monkeypatch):
    wave = talking / "decoder" / "waves" / "0-original.wav"
    assert main(["listen", str(talking), str(wave)]) == 0
    said = talking / "said.wav"
    words = ["speak", str(talking), "(fast) turn the lamp on", "--out", str(said)]
    assert any(main([*words, "--seed", str(seed)]) == 0 for seed in range(12))  # it learnt nothing, and may say nothing
    assert len(read_wave(said)) > 1000
    monkeypatch.setattr("sys.stdin", io.StringIO(f"what is one plus two\n{wave}\n(fats) hello\n"))
    capsys.readouterr()
    assert main(["chat", str(talking), "--persona", "a robot"]) == 1
    told = capsys.readouterr()
    assert "there is no tag (fats); the nearest is (fast)" in told.err
    errors = told.err.splitlines()  # untrained, it may also fill its context with a call
    assert all(line.startswith("jaxrl: error: ") for line in errors)
    assert len(errors) + len(told.out.splitlines()) >= 3


def test_what_cannot_be_is_one_sentence(talking, capsys, monkeypatch):
    folder, wave = str(talking), talking / "decoder" / "waves" / "0-original.wav"
    (talking / "no.wav").write_text("no wave")
    write_wave(talking / "silent.wav", np.zeros(9000))
    write_wave(talking / "long.wav", np.tile(read_wave(wave), 8))
    out = ["--out", str(talking / "never.wav")]
    for words, said in (
        (["speak", folder, "(fats) hello", *out], "there is no tag (fats)"),
        (["speak", folder, "hello " * 99, *out], "must have fewer than 320; shorten it"),
        (["speak", folder, "hello", *out, "--voice", "zoe"], "there is no voice 'zoe'; the voices are"),
        (["speak", folder, "(fast)", *out], "there is no text to speak"),
        (["speak", folder, "turn 1234 on", *out], "the number 1234 is too large"),
        (["listen", folder, str(talking / "no.wav")], "is no wave file"),
        (["listen", folder, str(talking / "silent.wav")], "is silent"),
        (["listen", folder, str(talking / "long.wav")], "s, and the policy hears 7.7 s at most; shorten it"),
        (["chat", folder, "--persona", "a king"], "there is no persona 'a king'; the personas are a robot"),
        (["listen", str(talking / "decoder"), str(wave)], "is no folder of `jaxrl speech` with a policy"),
    ):
        capsys.readouterr()
        assert main(words) == 1, words
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1
    monkeypatch.setitem(sys.modules, "pyworld", None)
    assert main(["speak", folder, "hello", *out]) == 1
    assert "pyworld cannot be imported" in capsys.readouterr().err
    assert not (talking / "never.wav").exists()


def test_an_assistant_in_one_file_has_the_same_codebooks_and_nearly_the_same_weights(talking, tmp_path, capsys):
    file = tmp_path / "talker.npz"
    assert main(["export", str(talking), str(file)]) == 0
    assert "jaxrl speak, listen and chat take it" in capsys.readouterr().out
    one, other = Assistant(talking), Assistant(at(file))
    wave = np.sin(np.arange(16000) / 20) * 0.1
    assert len(one.codes(wave).linguistic) == len(other.codes(wave).linguistic) > 10
    np.testing.assert_array_equal(one.tokenizer.state.linguistic.codes, other.tokenizer.state.linguistic.codes)
    for mine, packed in zip(jax.tree.leaves(one.policy.params), jax.tree.leaves(other.policy.params), strict=True):
        bound = np.abs(mine).max(axis=tuple(range(mine.ndim - 1)), keepdims=True) / 254
        assert (np.abs(mine - packed) <= (bound * 1.01 if mine.ndim > 1 else 0)).all()
    assert other.voices.keys() == one.voices.keys()
    assert file.stat().st_size < 0.5 * sum(path.stat().st_size for path in talking.glob("*/*/state/arrays.npz"))
    assert main(["export", str(talking), str(file), "--note", "mine"]) == 2
    assert "the teacher is written, to FILE.npz and without a card; not --note" in capsys.readouterr().err
    again = tmp_path / "again.npz"
    pack(talking, again)
    assert again.read_bytes() == file.read_bytes()
    assert main(["speak", str(file), "hello", "--student", "--out", str(tmp_path / "never.wav")]) == 2
    assert "holds the teacher alone" in capsys.readouterr().err
    whole = file.read_bytes()
    for damaged in (whole[:1000], whole[:20_000] + bytes(5000) + whole[25_000:]):
        file.write_bytes(damaged)
        with pytest.raises(SpeechError, match="wrote, or is damaged"):
            unpack(file, tmp_path / f"from {len(damaged)} bytes")
    file.write_bytes(whole[:1000])
    assert main(["speak", str(file), "hello", "--out", str(tmp_path / "never.wav")]) == 1
    assert "is no assistant that `jaxrl export` wrote" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(1200)  # most of it is compiling
def test_the_last_stages_go_on_where_they_stopped_and_show_what_they_did(talking, capsys, monkeypatch):
    """All learners for one update, and the suite before and after: it never breaks, whatever the policy is worth."""
    last = dataclasses.replace(
        SMALL,
        rl=RLConfig(
            updates=1, prompts=2, group=2, tokens=240, epochs=1, held=4, listener_width=16, listener_steps=4, seeds=2
        ),
        suite=SuiteConfig(items=12),
    )
    stop = Mock(side_effect=KeyboardInterrupt)
    with monkeypatch.context() as patch:
        patch.setattr(rl_stage, "compared", stop)  # after the first seed of the first arm
        with pytest.raises(KeyboardInterrupt):
            run(talking, last, "rl", 2)
    curve = talking / "rl" / "group" / "curve.jsonl"
    trained = curve.read_text()  # with the seconds that it took
    assert not (talking / "rl" / "report.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr(suite_stage, "write_radar", Mock(side_effect=[None, KeyboardInterrupt]))  # in the second exam
        with pytest.raises(KeyboardInterrupt):
            run(talking, last, "suite", 2)
    assert curve.read_text() == trained
    arms = report_of(talking, "rl")["arms"]
    assert list(arms) == ["group", "impala", "casa", "words"]
    assert all(0 <= arm["score"] <= 1 and arm["last_kl"] < 1e-3 for arm in arms.values())
    assert [len(arm["other_seeds"]) for arm in arms.values()] == [1, 1, 1, 0]  # of the wrong reward one is enough
    assert len(arms["casa"]["recogniser_cer_rise"]) == 2 and "score_rise" not in arms["words"]
    assert (talking / "rl" / "casa-1" / "curve.jsonl").exists()
    told = run(talking, last, "suite", 2)
    assert told.keys() == {"settings", "teacher", "group"}
    for name in ("suite/radar.png", "suite/teacher/suite.json", "suite/group/table.md", "rl/curves.png", "report.html"):
        assert (talking / name).stat().st_size > 500
    monkeypatch.setattr(suite_stage, "hall_of", stop)
    (talking / "suite" / "report.json").unlink()
    capsys.readouterr()
    assert run(talking, last, "suite", 2) == told, "no policy is examined twice"
    assert capsys.readouterr().out.count("done before") == 5


def test_nothing_that_is_held_out_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "_features", lambda folder: (None, []))
    monkeypatch.setattr(stages, "read_manifest", lambda path: [Mock(split="train")])
    with pytest.raises(SpeechError, match="no utterance is held out for the probes"):
        stages.tokenizer(tmp_path, Scale(), 1)


def test_no_codes_is_one_sentence(tmp_path):
    with pytest.raises(SpeechError, match="run the stage tokenizer first"):
        read_codes(tmp_path / "tokenizer" / CODES)


def test_speech_goes_to_a_wave_that_can_be_written(tmp_path, capsys):
    """Refused before anything is loaded: there is no run in the folder."""
    assert main(["speak", str(tmp_path), "hello", "--out", "a.mp3"]) == 2
    assert "give a name that ends in .wav" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["speak", str(tmp_path), "hello", "--out", str(tmp_path / "file" / "a.wav")]) == 1
    assert "cannot write" in capsys.readouterr().err
