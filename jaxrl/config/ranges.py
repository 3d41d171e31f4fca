"""Ranges, which stand in the field that they limit: `policy_lag: Annotated[int, AtLeast(0)] = 1`.

A float without one must be a number that float32 holds. NaN is in no range.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from jaxrl.errors import ConfigError

# Agents compute in float32, where 1e-50 is 0 and 1e40 infinity.
TINY, HUGE = 1e-37, 3e38


@dataclass(frozen=True)
class Between:
    """`low <= value <= high`."""

    low: float
    high: float

    def contains(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"at least {self.low}" + ("" if self.high == math.inf else f" and at most {self.high}")


@dataclass(frozen=True)
class AtLeast(Between):
    """`low <= value`, infinity included."""

    high: float = math.inf


@dataclass(frozen=True)
class Above(AtLeast):
    """`low < value`."""

    def contains(self, value: float) -> bool:
        return self.low < value <= self.high

    def __str__(self) -> str:
        return super().__str__().replace("at least", "above", 1)


FINITE = Between(-HUGE, HUGE)


@cache
def ranges(section: type) -> Mapping[str, Between]:
    """Range of each field of a dataclass that has one, by name; of a tuple, that of its elements."""
    hints = get_type_hints(section, include_extras=True)
    found = {field.name: range_in(hints[field.name]) for field in dataclasses.fields(section)}
    return {name: limits for name, limits in found.items() if limits is not None}


def range_in(hint: Any) -> Between | None:
    """The range that a type names, in itself or in one of its parts, such as `Annotated[int, AtLeast(1)] | None`."""
    if isinstance(hint, Between):
        return hint
    inside = [found for found in map(range_in, get_args(hint)[::-1]) if found is not None]
    return inside[0] if inside else FINITE if hint is float else None


def check_ranges(section: Any, prefix: str = "") -> None:
    """Raises `ConfigError` for the first setting outside its range, in `section` or in a section of it."""
    limits = ranges(type(section))
    for field in dataclasses.fields(section):
        name, value = f"{prefix}{field.name}", getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            check_ranges(value, f"{name}.")
        elif field.name in limits and value is not None:
            if isinstance(value, Mapping):
                for key, one in value.items():
                    check_range(f"{name}.{key}", one, limits[field.name])
                continue
            for one in value if isinstance(value, tuple) else (value,):
                check_range(name, one, limits[field.name])


def check_range(name: str, value: float, limits: Between) -> None:
    """Raises `ConfigError` where the setting `name` has a `value` outside `limits`."""
    if not limits.contains(value):
        raise ConfigError(f"{name} must be {limits}, got {value}")
