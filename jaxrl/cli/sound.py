"""Commands about speech."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from jaxrl.cli.parser import Parser, positive_int
from jaxrl.config.shipped import shipped

STAGES = ("engine", "tokenizer", "decoder", "policy", "rl", "suite")  # the last three are planned


def speech(arguments: Sequence[str]) -> int:
    """`jaxrl speech`."""
    parser = Parser("speech", "Data, tokenizer and decoder of speech, stage by stage; run again, it goes on.")
    add = parser.add_argument
    add("--scale", default="tiny", metavar="NAME", help="of configs/speech, or a file; default: tiny")
    add("--folder", type=Path, metavar="FOLDER", help="where everything goes; default: runs/speech-NAME")
    add("--until", default="decoder", choices=STAGES, metavar="STAGE", help=f"the last one: {', '.join(STAGES)}")
    add("--workers", type=positive_int, default=os.cpu_count() or 1, metavar="N", help="processes of the engine")
    options = parser.parse_args(arguments)
    path = Path(options.scale)
    path = path if path.suffix else shipped("configs") / "speech" / f"{options.scale}.yaml"
    from jaxrl.speech.scale import read_scale
    from jaxrl.speech.stages import run

    folder = options.folder or Path("runs") / f"speech-{path.stem}"
    report = run(folder, read_scale(path), options.until, options.workers)
    print(json.dumps(report, indent=1))
    print(f"{folder}: done until {options.until}; look at page.html in its folders")
    return 0
