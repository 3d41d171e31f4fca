"""A model card: how an agent was made and what it scored. No JAX: `jaxrl zoo` answers at once."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxrl.errors import ConfigError, UserError, nearest

AGENTS = Path(__file__).parent / "agents"  # the exported agents of the package
PREFIX, SUFFIX = "zoo:", ".npz"
NICKNAMES = {"champion": f"{PREFIX}locm"}
CARD, CONFIG = "card.json", "config.yaml"

Card = dict[str, Any]


class ExportError(UserError, RuntimeError):
    """An exported agent cannot be read or used; the message is one sentence that says what to do."""


def zoo() -> dict[str, Path]:
    """The agents that come with the package, by name."""
    return {path.stem: path for path in sorted(AGENTS.glob(f"*{SUFFIX}"))}


def exported_file(word: str) -> Path | None:
    """The file that `word` names, a path, `zoo:NAME` or `champion`; None where it is none, such as a run folder.

    Raises:
        ConfigError: the zoo has no agent of this name.
    """
    word = word if Path(word).exists() else NICKNAMES.get(word, word)
    if not word.startswith(PREFIX):
        path = Path(word).expanduser()
        return path if path.is_file() else None
    name, there = word.removeprefix(PREFIX), zoo()
    if name not in there:
        near = f"; the nearest is {PREFIX}{nearest(name, there)}" if there else ""
        raise ConfigError(f"the zoo has no agent {name!r}{near}; `jaxrl zoo` lists them")
    return there[name]


def read_card(path: Path) -> Card:
    """The card of an exported agent; raises `ExportError` where the file is none."""
    return read_json(path, CARD)


def read_json(path: Path, name: str) -> Any:
    """JSON inside an exported agent; raises `ExportError` where the file is none, or has something else there."""
    try:
        return json.loads(read_member(path, name))
    except ValueError as error:
        raise ExportError(f"{path} is no agent that `jaxrl export` wrote, or is damaged: {error}") from error


def read_member(path: Path, name: str) -> str:
    """A text inside an exported agent; raises `ExportError` where the file is none."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.read(name).decode()
    except (OSError, KeyError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise ExportError(f"{path} is no agent that `jaxrl export` wrote, or is damaged: {error}") from error


def number(value: float) -> str:
    """Four digits that count, or from a thousand on the whole ones: `20.39`, `79,797`."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def score(card: Mapping[str, Any]) -> str:
    """`20.4 [20.2, 20.6]`: the mean and its interval; of one game alone an interval is not known."""
    if card["score"] is None:
        return "not measured"
    interval = f" [{number(card['low'])}, {number(card['high'])}]" if card["games"] > 1 else ""
    return f"{number(card['score'])}{interval}"


def measure(card: Mapping[str, Any]) -> str:
    """What the score is: `return`, or of two players `result against script NAME`; nothing where there is none."""
    against = card.get("against")  # older cards, none of two players, do not say
    return "" if card["score"] is None else f"result against script {against}" if against else "return"


def _scored(card: Mapping[str, Any]) -> str:
    """The paragraph about the score."""
    if card["score"] is None:
        return "**No score was measured**: it was exported without playing."
    rules = f", protocol {card['protocol']}" if card["protocol"] else ""
    different = "" if card["games"] >= card["episodes"] else f", {card['games']} of them different games"
    random = "" if card["random"] is None else f" The random policy has {number(card['random'])}."
    which = measure(card)
    result = " (1 for a win, -1 for a loss)" if which != "return" else ""
    return (
        f"{which.capitalize()} **{score(card)}**{result}: mean over {card['episodes']} episodes of the "
        f"{card['policy']} policy{different}{rules}, with\nits 95 % interval (1.96 standard errors over games).{random}"
    )


def card_text(card: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    resumed = card["resumptions"]
    lines = {
        "trained by": f"`{card['command']}`{f', resumed {resumed} times' if resumed else ''}",
        "commit": f"{card['commit'] or 'unknown'}{' with changes' if card['dirty'] else ''}",
        "experience": f"{card['env_steps']:,} env steps",
        "agent": f"{card['agent']}, network {card['network']}, {card['parameters']:,} parameters",
        "made on": card["made_on"],
        "licence": card["licence"],
    }
    listed = "\n".join(f"- **{name}**: {value}" for name, value in lines.items())
    note = f"\n\n{card['note']}" if card["note"] else ""
    return f"""# {card["name"]}: {card["game"]}

{_scored(card)}

{listed}{note}
"""
