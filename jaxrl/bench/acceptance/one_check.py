"""The process of one check: findings go to a file, one a line, as soon as they are known.

`python -m jaxrl.bench.acceptance.one_check NAME --folder FOLDER --seconds S [--smoke]`
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from jaxrl.bench.acceptance.checklist import CHECKS, Task, load
from jaxrl.bench.doctor import Finding
from jaxrl.errors import UserError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a check and write `NAME.jsonl`; what breaks is a finding too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=CHECKS)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args(arguments)
    task = Task(options.folder, time.monotonic() + options.seconds, options.smoke)
    with (options.folder / f"{options.name}.jsonl").open("w", encoding="utf-8") as file:

        def write(finding: Finding) -> None:
            file.write(json.dumps(asdict(finding)) + "\n")
            file.flush()

        try:
            for finding in load(CHECKS[options.name])(task):
                write(finding)
        except UserError as error:
            write(Finding("fail", "error", str(error)))
        except Exception as error:
            first_line = (str(error).strip().splitlines() or [""])[0]
            write(Finding("fail", "error", f"{type(error).__name__}: {first_line}", f"see {options.name}.log"))
            raise


if __name__ == "__main__":
    main()
