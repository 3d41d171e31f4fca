"""Commands about speech."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from jaxrl.cli.parser import Parser, positive_int, seed
from jaxrl.config.conversion import UNREADABLE, Loader
from jaxrl.config.shipped import find_config, shipped
from jaxrl.errors import ConfigError

TALKER = Path(__file__).parents[1] / "run" / "zoo" / "talker.npz"
STAGES = ("engine", "tokenizer", "decoder", "policy", "rl", "suite")


def speech(arguments: Sequence[str]) -> int:
    parser = Parser(
        "speech",
        "From data to reinforcement learning and an evaluation, stage by stage; run again, it goes on.",
    )
    add = parser.add_argument
    add("--scale", default="tiny", metavar="NAME", help="of configs/speech, or a file; default: tiny")
    add("--folder", type=Path, metavar="FOLDER", help="where everything goes; default: runs/speech-NAME")
    add("--until", default="suite", choices=STAGES, metavar="STAGE", help=f"the last one: {', '.join(STAGES)}")
    add("--workers", type=positive_int, default=os.cpu_count() or 1, metavar="N", help="processes of the engine")
    options = parser.parse_args(arguments)
    path = Path(options.scale)
    path = path if path.suffix else shipped("configs") / "speech" / f"{options.scale}.yaml"
    from jaxrl.speech.scale import read_scale
    from jaxrl.speech.stages import run

    folder = options.folder or Path("runs") / f"speech-{path.stem}"
    report = run(folder, read_scale(path), options.until, options.workers)
    print(json.dumps(report, indent=1))
    print(f"{folder}: done until {options.until}; look at report.html")
    return 0


def scale_file(word: str) -> Path | None:
    """The scale of speech, whose sections are stages, that `word` names; None for a config of `jaxrl train`."""
    path = find_config(word)
    try:
        sections = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (OSError, *UNREADABLE):
        return None
    return path if isinstance(sections, dict) and sections and sections.keys() <= set(STAGES) else None


def suite(run: Path, policy: str | None, json_file: Path | None) -> int:
    """`jaxrl evaluate RUN --suite speech`."""
    from jaxrl.record.files import check_writable, replace_json
    from jaxrl.speech.policy.at_hand import TRAINING
    from jaxrl.speech.suite.suite_stage import evaluate_suite, table_of

    if json_file:
        check_writable(json_file)
    part = policy or TRAINING
    told = evaluate_suite(run, part)
    print(table_of(told), end="")
    print(f"{run / 'suite' / part}: suite.json, table.md, radar.png, waves, page.html")
    if json_file:
        replace_json(json_file, told)
    return 0


def export(run: Path, file: Path) -> int:
    """`jaxrl export RUN FILE.npz` of a folder of `jaxrl speech`."""
    from jaxrl.record.files import check_writable
    from jaxrl.speech.talker import pack

    check_writable(file)
    pack(run, file)
    print(f"written to {file}, {file.stat().st_size / 1e6:.2f} MB; jaxrl speak, listen and chat take it for RUN")
    return 0


def speak(arguments: Sequence[str]) -> int:
    parser = Parser(
        "speak", "Text, with tags at its head, as a wave: jaxrl speak RUN '(fast) turn the lamp on' --out a.wav"
    )
    _add_policy(parser)
    parser.add_argument("text", metavar="TEXT", help="tags in round brackets, then words")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.wav", help="where the wave goes")
    parser.add_argument("--voice", metavar="NAME|FILE.wav", help="of the engine, or a wave whose voice is cloned")
    options = parser.parse_args(arguments)
    from jaxrl.record.files import check_writable
    from jaxrl.speech.engine.voices import ASSISTANT
    from jaxrl.speech.sound.waves import RATE, read_wave, write_wave

    if options.out.suffix != ".wav":
        raise ConfigError(f"--out {options.out}: speech is written as waves; give a name that ends in .wav")
    check_writable(options.out)
    voice = options.voice or ASSISTANT
    wave = _assistant(options).speak(options.text, read_wave(Path(voice)) if voice.endswith(".wav") else voice)
    write_wave(options.out, wave)
    print(f"{options.out}: {len(wave) / RATE:.2f} s")
    return 0


def listen(arguments: Sequence[str]) -> int:
    parser = Parser("listen", "What is said in a wave: 16-bit mono at 16 kHz.")
    _add_policy(parser)
    parser.add_argument("file", type=Path, metavar="FILE.wav")
    options = parser.parse_args(arguments)
    from jaxrl.speech.sound.waves import read_wave

    wave = read_wave(options.file)
    print(_assistant(options).listen(wave))
    return 0


def chat(arguments: Sequence[str]) -> int:
    parser = Parser(
        "chat",
        "Talk: a line is a question, `say: WORDS`, `speak up: WORDS`, tags and words, or a .wav; tools are run.",
    )
    _add_policy(parser)
    parser.add_argument(
        "--waves", type=Path, metavar="FOLDER", help="where spoken answers go; default: RUN/chat, or runs/NAME/chat"
    )
    parser.add_argument("--voice", metavar="NAME", help="of the assistant")
    parser.add_argument("--persona", metavar="NAME", help="whom the assistant is to be: a robot, a child, ...")
    parser.add_argument("--no-tools", action="store_true", help="the assistant has none at hand")
    options = parser.parse_args(arguments)
    from jaxrl.errors import UserError
    from jaxrl.speech.policy.conversation import Conversation, Setting
    from jaxrl.speech.sound.waves import write_wave

    setting = Setting(options.voice, options.persona, not options.no_tools)
    conversation = Conversation(_assistant(options), setting)
    run = options.run
    waves, status, number = options.waves or (run if run.is_dir() else Path("runs") / run.stem) / "chat", 0, 0
    while (line := _line()) is not None:
        if not line.strip():
            continue
        now = time.localtime()
        try:
            reply = conversation.turn(line, 60 * now.tm_hour + now.tm_min)
        except UserError as error:  # the dialogue goes on as if the line had not been
            print(f"jaxrl: error: {error}", file=sys.stderr, flush=True)
            status = 1
            continue
        for note in reply.notes:
            print(f"  [{note}]")
        said = reply.text
        if reply.wave is not None:
            number += 1
            path = waves / f"{number:03d}.wav"
            write_wave(path, reply.wave)
            said = f"{said}  ({path})".strip()
        print(said or "(nothing)", flush=True)
    return status


def _line() -> str | None:
    """The next line that was typed; None at the end."""
    if sys.stdin.isatty():
        print("> ", end="", flush=True)
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None


def _run(word: str) -> Path:
    """A folder or a file; `talker`, where nothing has that name, is the file that comes with the package."""
    path = Path(word).expanduser()
    return TALKER if word == TALKER.stem and not path.exists() else path


def _add_policy(parser: Parser) -> None:
    """Which policy, as all of them can choose."""
    where = "a folder of jaxrl speech with a policy, a file that `jaxrl export` made of one, or `talker`"
    parser.add_argument("run", type=_run, metavar="RUN", help=f"{where}, which comes with the package")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="of what is sampled; default: 0")
    parser.add_argument("--student", action="store_true", help="the student in place of its teacher")


def _assistant(options: Any) -> Any:
    from jaxrl.speech.policy.assistant import Assistant
    from jaxrl.speech.policy.at_hand import STUDENT, TRAINING
    from jaxrl.speech.talker import at

    if options.student and options.run.is_file():
        raise ConfigError(f"{options.run} holds the teacher alone; give the folder of `jaxrl speech` for --student")
    return Assistant(at(options.run), options.seed, STUDENT if options.student else TRAINING)
