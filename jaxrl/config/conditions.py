"""Where a setting is read stands in its field: `core_size: Annotated[int, ReadIf("network.core", "lstm")] = 256`.

So nothing is ignored in silence: `jaxrl.config.parsing` refuses what nothing would read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar, get_args

Marker = TypeVar("Marker")


class Names(NamedTuple):
    """The setting is a list or a mapping of names in this section."""

    section: str


class ReadIf:
    """The setting is read where another has one of these values, or without any, where it is neither 0 nor empty."""

    def __init__(self, setting: str, *values: Any):
        self.setting, self.values = setting, values

    def holds(self, value: Any) -> bool:
        """Whether it is read where the other setting is `value`."""
        return value in self.values if self.values else bool(value)

    def remedy(self) -> str:
        """What makes it read, in words."""
        return f"set {self.setting}" + (f" to {' or '.join(map(str, self.values))}" if self.values else "")


class ReadUnless(ReadIf):
    """The setting is read but where another has one of these values."""

    def holds(self, value: Any) -> bool:
        return value not in self.values

    def remedy(self) -> str:
        return f"set another {self.setting}"


def marker(hint: Any, kind: type[Marker]) -> Marker | None:
    """The first `kind` that a type such as `Annotated[int, kind(...)]` names, in itself or in one of its parts."""
    if isinstance(hint, kind):
        return hint
    return next((found for inside in get_args(hint) if (found := marker(inside, kind)) is not None), None)


def unread(name: str, hints: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Why nothing reads the setting `name`, given all hints and values by dotted name; empty where something does."""
    condition = marker(hints.get(name), ReadIf)
    value = None if condition is None else values.get(condition.setting, ...)
    if condition is None or value is ... or condition.holds(value):
        return ""
    there = "empty" if value == "" else value
    return f"is not read where {condition.setting} is {there}; leave it out, or {condition.remedy()}"
