"""Roles that the assistant takes on, each with a rule that a program can check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Persona(NamedTuple):
    """A role: the tag under which it speaks, and what its written answers end with; either may be empty."""

    tag: str = ""
    ending: str = ""


PERSONAS: Mapping[str, Persona] = {
    "a robot": Persona(tag="monotone"),
    "a child": Persona(tag="high"),
    "a sloth": Persona(tag="slow"),
    "a butler": Persona(ending=" sir"),
}
