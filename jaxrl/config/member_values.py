"""In what the members of a population differ, from what stands in `population.vary` and `population.members`:

{learning_rate: [1e-4, 3e-4], entropy_cost: {low: 1e-3, high: 1e-1, count: 5}}
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from jaxrl.config.conversion import convert, write_flow
from jaxrl.config.ranges import FINITE, Between, check_range, ranges
from jaxrl.config.sections import MAX_SEED, PopulationConfig
from jaxrl.errors import ConfigError, nearest

MAX_COUNT = 100_000  # of one hyper-parameter; more are a slip of the pen
SEED = "seed"  # what population.members may list beside hyper-parameters


class Members(NamedTuple):
    """Hyper-parameters and seeds, one of each a member."""

    hypers: dict[str, np.ndarray]  # float32 [P] each
    seeds: np.ndarray  # uint32 [P]


def make_members(config: PopulationConfig, hypers: Any) -> Members:
    """What `vary` and `members` say of each member; `hypers` is the agent's dataclass.

    Raises:
        ConfigError: a name, a value or a number of values cannot be used.
    """
    listed = _read_lists("population.members", config.members, hypers, beside=(SEED,))
    for name, values in listed.items():
        if len(values) != config.size:
            raise ConfigError(
                f"population.members has {len(values)} values of {name} for population.size {config.size}; write one a "
                "member"
            )
    table = make_table(config.vary, config.size, hypers)
    for name in table.keys() & listed.keys():
        raise ConfigError(f"population.vary and population.members both give {name}; leave it out of one of them")
    seeds = listed.pop(SEED, range(config.size))
    return Members({**table, **_float32(listed)}, np.asarray(seeds, np.uint32))


def make_table(vary: Mapping[str, Any], size: int, hypers: Any) -> dict[str, np.ndarray]:
    """One value a member from every combination of the lists in `vary`, repeated until there are `size` of them.

    The last list changes fastest; members with equal values differ in their keys. `hypers` is the agent's dataclass.

    Raises:
        ConfigError: a name or a value cannot be used, or the combinations do not divide the population.
    """
    lists = _read_lists("population.vary", vary, hypers)
    combinations = math.prod(map(len, lists.values()))
    if size % combinations:
        raise ConfigError(
            f"population.vary has {combinations} combinations, which do not divide population.size {size}; "
            f"change the size to a multiple of {combinations}"
        )
    grid = list(product(*lists.values())) * (size // combinations)
    return _float32(dict(zip(lists, zip(*grid, strict=True), strict=True)))


def check_names(setting: str, names: Iterable[str], hypers: Any, beside: tuple[str, ...] = ()) -> None:
    """Raises `ConfigError` where one of `names` is no hyper-parameter of the agent, and not one of `beside`."""
    known = [*(field.name for field in fields(hypers)), *beside]
    for name in names:
        if name not in known:
            near = nearest(name, known)
            raise ConfigError(f"{setting} names {name!r}, which agent.hypers does not have; the nearest is {near}")


def _float32(lists: Mapping[str, Sequence[float]]) -> dict[str, np.ndarray]:
    return {name: np.asarray(values, np.float32) for name, values in lists.items()}


def _read_lists(
    setting: str, entries: Mapping[str, Any], hypers: Any, beside: tuple[str, ...] = ()
) -> dict[str, list[float]]:
    """The values of each name, within their ranges."""
    check_names(setting, entries, hypers, beside)
    return {
        name: _read_list(f"{setting}: {name}", given, list[int], Between(0, MAX_SEED))
        if name == SEED
        else _read_list(f"{setting}: {name}", given, list[float], ranges(type(hypers)).get(name, FINITE))
        for name, given in entries.items()
    }


def _read_list(setting: str, given: Any, kind: Any, limits: Between) -> list[float]:
    values, forms = given, "a list of whole numbers"
    try:
        if kind == list[float]:
            forms = "a list such as [1e-4, 3e-4], or, even in the logarithm, {low: 1e-4, high: 1e-2, count: 3}"
            if isinstance(given, Mapping):
                low, high, count = convert([given.get(end) for end in ("low", "high", "count")], tuple[float, ...])
                check_range(f"{setting}: count", convert(count, int), Between(1, MAX_COUNT))
                values = np.geomspace(low, high, convert(count, int)).tolist()
        values = convert(values, kind)
        if not values or (isinstance(given, Mapping) and len(given) > 3):
            raise ValueError
    except ConfigError:
        raise
    except ValueError:
        raise ConfigError(f"{setting} must be {forms}, not {write_flow(given)}") from None
    for value in values:
        check_range(setting, value, limits)
    return values
