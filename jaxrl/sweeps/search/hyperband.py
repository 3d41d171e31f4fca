"""Early stopping in the format of W&B's sweeps: after certain numbers of reports only the best runs go on.

    early_terminate: {type: hyperband, min_iter: 20, eta: 3}            # looks after 20, 60, 180, ... reports
    early_terminate: {type: hyperband, max_iter: 270, s: 3, eta: 3}     # looks after 10, 30 and 90

A run goes on while it is among the best 1/eta of those that have come to the same look (successive halving, Li et al.,
arXiv 1603.06560). One that is stopped saves what it learnt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxrl.errors import ConfigError

FIELDS = ("type", "min_iter", "max_iter", "s", "eta")
MOST_REPORTS = 10**6


class Hyperband(NamedTuple):
    """When runs are compared, and which share goes on."""

    looks: tuple[int, ...]  # numbers of reports, rising
    eta: float

    def stops(self, history: Sequence[float], others: Sequence[Sequence[float]], maximize: bool) -> bool:
        """Whether a run with `history`, one value a report, ends here; `others` are those of all other runs.

        Only its newest look counts: it passed the ones before, or was alone there.
        """
        look = max((look for look in self.looks if look <= len(history)), default=0)
        there = [other[look - 1] for other in others if look and len(other) >= look]
        if len(there) + 1 < self.eta:  # too few to say who is among the best
            return False
        mine, sign = history[look - 1], 1 if maximize else -1
        better = sum(sign * (value - mine) > 0 for value in there)
        return better >= max(1.0, (len(there) + 1) / self.eta)


def read_hyperband(where: str, entry: Any) -> Hyperband:
    """Check the field `early_terminate` of a sweep file; raises `ConfigError`."""
    if not isinstance(entry, Mapping) or entry.get("type") != "hyperband":
        raise ConfigError(f"{where}: early_terminate must be a mapping with `type: hyperband`, not {entry!r}")
    if unknown := [str(key) for key in entry if key not in FIELDS]:
        raise ConfigError(f"{where}: early_terminate has no field {unknown[0]}; there are {', '.join(FIELDS)}")
    eta = _number(where, "eta", entry.get("eta", 3), above=1)
    if ("min_iter" in entry) == ("max_iter" in entry) or ("s" in entry) != ("max_iter" in entry):
        raise ConfigError(f"{where}: early_terminate needs min_iter, or max_iter and s; it counts reports of a run")
    if "min_iter" in entry:
        looks, look = [], _number(where, "min_iter", entry["min_iter"], above=0)
        while look < MOST_REPORTS:
            looks.append(int(look))
            look *= eta
    else:
        most, count = (
            _number(where, "max_iter", entry["max_iter"], above=0),
            int(_number(where, "s", entry["s"], above=0)),
        )
        looks = sorted({max(1, int(most / eta**power)) for power in range(1, count + 1)})
    return Hyperband(tuple(looks), eta)


def _number(where: str, name: str, value: Any, above: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > above:
        raise ConfigError(f"{where}: early_terminate.{name} must be a number above {above:g}, not {value!r}")
    return float(value)
