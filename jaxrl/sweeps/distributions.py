"""One parameter of a sweep: values to try, or a distribution to draw from, as W&B's sweep format writes them.

value: 0.5                                       always
values: [0, 1, 2]                                each, or one at random (with `probabilities`, by these weights)
min: 1, max: 4                                   uniform; over integers where both ends are
distribution: log_uniform_values, min, max       log x uniform on [log min, log max]
distribution: log_uniform, min, max              log x uniform on [min, max]: the ends are exponents
distribution: normal, mu, sigma; log_normal      x, or log x, normal
q_...: with q                                    the same, rounded to a multiple of q
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from random import Random
from typing import Any, NamedTuple

from jaxrl.errors import ConfigError

# What each needs beside `distribution`; `q_` before a name asks for `q` (1 unless given) as well.
NEEDS: dict[str, tuple[str, ...]] = {
    "constant": ("value",),
    "categorical": ("values",),
    "int_uniform": ("min", "max"),
    "uniform": ("min", "max"),
    "log_uniform": ("min", "max"),
    "log_uniform_values": ("min", "max"),
    "normal": ("mu", "sigma"),
    "log_normal": ("mu", "sigma"),
}
QUANTISED = ("uniform", "log_uniform", "log_uniform_values", "normal", "log_normal")
NAMES = (*NEEDS, *(f"q_{name}" for name in QUANTISED))
MAX_GRID = 100_000  # values of one parameter; more are a slip of the pen


class Parameter(NamedTuple):
    """What is swept over one setting."""

    distribution: str  # of NAMES
    numbers: Mapping[str, float]  # min, max, mu, sigma, q: those that it needs
    values: Sequence[Any]  # of constant and categorical
    weights: Sequence[float] | None


def read_parameter(where: str, entry: Any) -> Parameter:
    """Check one entry under `parameters:`; `where` names it in messages."""
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} must be a mapping such as `values: [0, 1]`, not {entry!r}; write `value: {entry}`")
    if "parameters" in entry:
        raise ConfigError(f"{where} nests parameters; write the dotted name of each, such as agent.hypers.temperature")
    known = {"distribution", "value", "values", "probabilities", "min", "max", "mu", "sigma", "q"}
    for key in sorted(set(entry) - known):
        near = get_close_matches(str(key), known, 1, cutoff=0)[0]
        raise ConfigError(f"{where} has no field {key}; the nearest is {near}")
    name = str(entry["distribution"] if "distribution" in entry else _implied(where, entry))
    if name not in NAMES:
        near = get_close_matches(name, NAMES, 1, cutoff=0)[0]
        raise ConfigError(f"{where}: there is no distribution {name}; the nearest is {near}")
    base = name.removeprefix("q_")
    missing = [field for field in NEEDS[base] if entry.get(field) is None and not (field == "value" and field in entry)]
    if missing and base not in ("normal", "log_normal"):
        raise ConfigError(f"{where}: the distribution {name} needs {' and '.join(missing)}")
    if base in ("constant", "categorical"):
        return _listed(where, name, entry)
    numbers = {"mu": 0.0, "sigma": 1.0} if base in ("normal", "log_normal") else {}
    numbers |= {"q": 1.0} if name.startswith("q_") else {}
    for field in (*NEEDS[base], *(("q",) if name.startswith("q_") else ())):
        if field in entry:
            numbers[field] = _number(f"{where}: {field}", entry[field])
    _check_numbers(where, name, numbers)
    return Parameter(name, numbers, (), None)


def grid(where: str, parameter: Parameter) -> list[Any]:
    """Every value, in order.

    Raises:
        ConfigError: the distribution is continuous.
    """
    if parameter.values:
        return list(parameter.values)
    low, high = parameter.numbers.get("min", 0.0), parameter.numbers.get("max", 0.0)
    if parameter.distribution not in ("int_uniform", "q_uniform"):
        raise ConfigError(
            f"{where}: method grid cannot list the values of {parameter.distribution}; write `values: [...]`, "
            "or `method: random`"
        )
    step = parameter.numbers.get("q", 1.0)
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > MAX_GRID:
        raise ConfigError(f"{where}: method grid makes {count:,} values of it; write `values: [...]`")
    values = [low + i * step for i in range(count)]
    return [int(value) for value in values] if parameter.distribution == "int_uniform" else values


def draw(parameter: Parameter, random: Random) -> Any:
    """One value at random."""
    if parameter.values:
        return random.choices(parameter.values, parameter.weights)[0]
    numbers, base = parameter.numbers, parameter.distribution.removeprefix("q_")
    if base == "int_uniform":
        return random.randint(int(numbers["min"]), int(numbers["max"]))
    if base == "uniform":
        value = random.uniform(numbers["min"], numbers["max"])
    elif base == "log_uniform":
        value = math.exp(random.uniform(numbers["min"], numbers["max"]))
    elif base == "log_uniform_values":
        value = math.exp(random.uniform(math.log(numbers["min"]), math.log(numbers["max"])))
    else:
        value = random.gauss(numbers["mu"], numbers["sigma"])
        value = math.exp(value) if base == "log_normal" else value
    if "q" not in numbers:
        return value
    value = round(value / numbers["q"]) * numbers["q"]
    return int(value) if numbers["q"].is_integer() else value


def _implied(where: str, entry: Mapping[str, Any]) -> str:
    """As W&B does where `distribution` is not written."""
    if "value" in entry:
        return "constant"
    if "values" in entry:
        return "categorical"
    if "min" in entry and "max" in entry:
        whole = all(isinstance(entry[end], int) for end in ("min", "max"))
        return "int_uniform" if whole else "uniform"
    if "mu" in entry and "sigma" in entry:
        return "normal"
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
    return Parameter(name, {}, values, weights)


def _number(where: str, value: Any) -> float:
    """YAML takes `1e-4` for text; people do not."""
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{where} must be a number, not {value!r}") from None
    if not math.isfinite(number):
        raise ConfigError(f"{where} must be finite, not {value!r}")
    return number


def _check_numbers(where: str, name: str, numbers: Mapping[str, float]) -> None:
    if "min" in numbers and numbers["min"] > numbers["max"]:
        raise ConfigError(f"{where}: min {numbers['min']:g} is above max {numbers['max']:g}; exchange them")
    if name.endswith("log_uniform_values") and numbers["min"] <= 0:
        raise ConfigError(f"{where}: min must be above 0 for {name}, not {numbers['min']:g}")
    if name == "int_uniform" and not (numbers["min"].is_integer() and numbers["max"].is_integer()):
        raise ConfigError(f"{where}: int_uniform needs whole numbers; write `distribution: uniform` for others")
    if numbers.get("sigma", 1.0) <= 0 or numbers.get("q", 1.0) <= 0:
        raise ConfigError(f"{where}: sigma and q must be above 0")
