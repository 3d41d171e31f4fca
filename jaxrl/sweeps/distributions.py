"""One parameter of a sweep: values to try, or a distribution to draw from, as W&B's sweep format writes them.

value: 0.5                                       always
values: [0, 1, 2]                                each, or one at random (with `probabilities`, by these weights)
min: 1, max: 4                                   uniform; over integers where both ends are
distribution: log_uniform_values, min, max       log x uniform on [log min, log max]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from jaxrl.config.conversion import convert
from jaxrl.errors import ConfigError, nearest

NEEDS: dict[str, tuple[str, ...]] = {  # beside `distribution`
    "constant": ("value",),
    "categorical": ("values",),
    "int_uniform": ("min", "max"),
    "uniform": ("min", "max"),
    "log_uniform_values": ("min", "max"),
}
FIELDS = ("distribution", "value", "values", "probabilities", "min", "max")
MAX_GRID = 100_000  # values of one parameter; more are a slip of the pen


class Parameter(NamedTuple):
    """What is swept over one setting."""

    distribution: str  # of NEEDS
    values: Sequence[Any] = ()  # of constant and categorical
    weights: Sequence[float] | None = None
    low: float = 0.0  # of the others
    high: float = 0.0


def read_parameter(where: str, entry: Any) -> Parameter:
    """Check one entry under `parameters:`; `where` names it in messages."""
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} must be a mapping such as `values: [0, 1]`, not {entry!r}; write `value: {entry}`")
    if "parameters" in entry:
        raise ConfigError(f"{where} nests parameters; write the dotted name of each, such as agent.hypers.temperature")
    for key in entry:
        if key not in FIELDS:
            raise ConfigError(f"{where} has no field {key}; the nearest is {nearest(key, FIELDS)}")
    name = str(entry["distribution"] if "distribution" in entry else _implied(where, entry))
    if name not in NEEDS:
        raise ConfigError(f"{where}: there is no distribution {name}; there are {', '.join(NEEDS)}")
    if missing := [field for field in NEEDS[name] if field not in entry]:
        raise ConfigError(f"{where}: the distribution {name} needs {' and '.join(missing)}")
    read = ("distribution", *NEEDS[name], *(("probabilities",) if name == "categorical" else ()))
    for key in entry:
        if key not in read:
            raise ConfigError(f"{where}: the distribution {name} does not read {key}; leave it out")
    if name in ("constant", "categorical"):
        return _listed(where, name, entry)
    low, high = (_number(f"{where}: {field}", entry[field]) for field in NEEDS[name])
    if low > high:
        raise ConfigError(f"{where}: min {low:g} is above max {high:g}; exchange them")
    if name == "log_uniform_values" and low <= 0:
        raise ConfigError(f"{where}: min must be above 0 for {name}, not {low:g}")
    if name == "int_uniform" and not (low.is_integer() and high.is_integer()):
        raise ConfigError(f"{where}: int_uniform needs whole numbers; write `distribution: uniform` for others")
    return Parameter(name, low=low, high=high)


def grid(where: str, parameter: Parameter) -> list[Any]:
    """Every value, in order; raises `ConfigError` where the distribution is continuous."""
    if parameter.values:
        return list(parameter.values)
    if parameter.distribution != "int_uniform":
        raise ConfigError(
            f"{where}: method grid cannot list the values of {parameter.distribution}; write `values: [...]`, "
            "or `method: random`"
        )
    low, high = int(parameter.low), int(parameter.high)
    if high - low >= MAX_GRID:
        raise ConfigError(f"{where}: method grid makes {high - low + 1:,} values of it; write `values: [...]`")
    return list(range(low, high + 1))


def draw(parameter: Parameter, random: Random) -> Any:
    """One value at random."""
    if parameter.values:
        return random.choices(parameter.values, parameter.weights)[0]
    low, high = parameter.low, parameter.high
    if parameter.distribution == "int_uniform":
        return random.randint(int(low), int(high))
    if parameter.distribution == "uniform":
        return random.uniform(low, high)
    return math.exp(random.uniform(math.log(low), math.log(high)))


def _implied(where: str, entry: Mapping[str, Any]) -> str:
    """As W&B does where `distribution` is not written."""
    if "value" in entry:
        return "constant"
    if "values" in entry:
        return "categorical"
    if "min" in entry and "max" in entry:
        whole = all(isinstance(entry[end], int) for end in ("min", "max"))
        return "int_uniform" if whole else "uniform"
    raise ConfigError(f"{where} says nothing to try; write `value:`, `values:`, or `min:` and `max:`")


def _listed(where: str, name: str, entry: Mapping[str, Any]) -> Parameter:
    values = [entry["value"]] if name == "constant" else entry["values"]
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{where}: values must be a list with at least one entry, not {values!r}")
    weights = entry.get("probabilities")
    if weights is not None:
        weights = [_number(f"{where}: probabilities", weight) for weight in weights]
        if len(weights) != len(values) or min(weights) < 0 or not math.isclose(sum(weights), 1.0, abs_tol=1e-6):
            raise ConfigError(f"{where}: probabilities must be {len(values)} numbers, one a value, that add up to 1")
    return Parameter(name, values, weights)


def _number(where: str, value: Any) -> float:
    try:
        number = convert(value, float)
    except ValueError:
        raise ConfigError(f"{where} must be a number, not {value!r}") from None
    if not math.isfinite(number):
        raise ConfigError(f"{where} must be finite, not {value!r}")
    return number
