"""The report of an acceptance: what was found so far, and what follows. No JAX here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from jaxrl.bench.acceptance.checklist import CHECKS
from jaxrl.bench.doctor import Finding
from jaxrl.record.files import replace_text
from jaxrl.record.versions import git_state, processor, usable_cores


@dataclass
class Outcome:
    """One check, as far as it has come."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    cut: bool = False  # ended because its time was over
    status: int | None = None  # of its process; None while it runs and where it was cut


class Verdict(NamedTuple):
    """What follows from all findings."""

    status: Literal["ok", "warn", "fail"]
    sentence: str


def read_findings(path: Path) -> list[Finding]:
    """What a check has written so far; a line that is not complete yet is left out."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(Finding(**json.loads(line)))
        except json.JSONDecodeError:
            continue
    return found


def verdict(outcomes: Sequence[Outcome], names: Sequence[str] = tuple(CHECKS)) -> Verdict:
    """Fail where a check failed or broke, warn where one is missing, was cut or found something odd."""
    broken = [o.name for o in outcomes if o.status not in (0, None) or _has(o, "fail")]
    cut = [o.name for o in outcomes if o.cut]
    odd = [o.name for o in outcomes if _has(o, "warn")]
    missing = [name for name in names if name not in {o.name for o in outcomes if o.cut or o.status is not None}]
    if broken:
        return Verdict("fail", f"NOT ACCEPTED: {_listed(broken)} failed")
    if missing:
        return Verdict("warn", f"UNFINISHED: nothing failed so far; not yet checked: {_listed(missing)}")
    if cut or odd:
        told = [f"{_listed(cut)} ran out of time"] * bool(cut) + [f"look at {_listed(odd)}"] * bool(odd)
        return Verdict("warn", f"ACCEPTED WITH WARNINGS: {'; '.join(told)}")
    return Verdict("ok", "ACCEPTED: every check passed")


def write_report(
    folder: Path, outcomes: Sequence[Outcome], started: datetime, names: Sequence[str] = tuple(CHECKS)
) -> Path:
    """`report.md` in `folder`, whole at every moment."""
    git, path = git_state(), folder / "report.md"
    commit = f"{git['commit']}{' with changes' if git['dirty'] else ''}" if git["commit"] else "unknown"
    lines = [
        "# Accelerator check",
        "",
        f"**{verdict(outcomes, names).sentence}**",
        "",
        f"Begun {started.isoformat(timespec='seconds')}; {processor()}, {usable_cores()} cores; commit {commit}.",
    ]
    for outcome in outcomes:
        lines += ["", f"## {CHECKS[outcome.name].title}", "", _how_it_went(outcome), ""]
        if outcome.findings:
            lines += ["| | what | found |", "|---|---|---|", *map(_line, outcome.findings)]
        lines += [f"\n![{outcome.name}]({outcome.name}.png)"] * (folder / f"{outcome.name}.png").exists()
    replace_text(path, "\n".join(lines) + "\n")
    return path


def _how_it_went(outcome: Outcome) -> str:
    if outcome.cut:
        return f"Ended after {outcome.seconds:.0f} s: its time was over. What it had found:"
    if outcome.status is None:
        return f"Still running after {outcome.seconds:.0f} s, or the machine went away then."
    broken = "" if outcome.status == 0 else f", with status {outcome.status}: see `{outcome.name}.log`"
    return f"{outcome.seconds:.0f} s{broken}."


def _line(finding: Finding) -> str:
    told = finding.detail + (f"; {finding.fix}" if finding.fix else "")
    cells = (finding.status, finding.subject, told)
    return f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in cells)} |"


def _has(outcome: Outcome, status: str) -> bool:
    return any(finding.status == status for finding in outcome.findings)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
