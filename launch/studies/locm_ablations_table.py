"""What the ablations of the card game have found: a folder that is whole at any moment, and its tables.

Intervals are of means over seeds, at 95 %, by Student's t with one degree of freedom less than there are seeds; games
are the same for all arms and many, so that what differs is mostly the runs. Of two arms, all seeds of the one have
played all of the other, and the variances of both arms' means are added up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrl.config.parsing import write_config
from jaxrl.config.sections import ExperimentConfig
from jaxrl.errors import UserError
from jaxrl.record.files import replace_json, replace_text, replacing
from jaxrl.types import PyTree

Run = tuple[str, int]  # arm and seed
Policy = tuple[str, int, int]  # arm, seed and point, from 1
STUDENT = 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262  # 97.5 % quantiles at 1, 2, ... degrees


def describe(config: ExperimentConfig, **options: Any) -> dict[str, Any]:
    """What all runs have in common, as JSON."""
    return {**options, "config": write_config(config)}


def spread(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Mean and half of its interval; NaN of a single value."""
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return float(values.mean()), math.nan
    return float(values.mean()), quantile(len(values)) * float(values.std(ddof=1)) / math.sqrt(len(values))


def crossed(shares: np.ndarray) -> tuple[float, float]:
    """Mean of shares [seeds of one arm, seeds of the other] and half of its interval; see above."""
    if min(shares.shape) < 2:
        return float(shares.mean()), math.nan
    variance = sum(shares.mean(axis=1 - axis).var(ddof=1) / shares.shape[axis] for axis in (0, 1))
    return float(shares.mean()), quantile(min(shares.shape)) * math.sqrt(variance)


def quantile(seeds: int) -> float:
    """Of Student's t for the mean of so many."""
    return STUDENT[min(seeds - 1, len(STUDENT)) - 1]


class Results:
    """`results.json`, `table.md` and `policies/` in a folder."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], points: int):
        """What is in the folder; raises `UserError` where it is of other settings."""
        self.folder, self.points = folder, points
        self._file = folder / "results.json"
        found = json.loads(self._file.read_text()) if self._file.exists() else {}
        own = {**settings, "points": points}
        if found and found["settings"] != own:
            different = sorted(name for name in own if found["settings"].get(name) != own[name])
            raise UserError(f"{self._file} is of other settings ({', '.join(different)}); give another --out")
        self._kept: dict[int, dict[str, Any]] = {}
        self._found = found or {"settings": own, "runs": {}, "duels": {}}

    def _curve(self, run: Run) -> list[dict[str, float]]:
        return self._found["runs"].get(name_of(run), {}).get("curve", [])

    def finished(self, run: Run) -> bool:
        """Whether its training came to its end."""
        return bool(self._found["runs"].get(name_of(run), {}).get("finished"))

    @property
    def runs(self) -> list[Run]:
        """Those that have a policy."""
        return [(name.split()[0], int(name.split()[1])) for name in self._found["runs"]]

    @property
    def updates(self) -> int:
        """Of the runs that are finished, so that later ones see as much; 0 where there is none."""
        return max((int(self._curve(run)[-1]["updates"]) for run in self.runs if self.finished(run)), default=0)

    def begin(self, run: Run) -> None:
        """Forget what an unfinished training of it has left, matches of its policies included."""
        self._found["runs"].pop(name_of(run), None)
        duels, own = self._found["duels"], f"{name_of(run)} "
        self._found["duels"] = {k: x for k, x in duels.items() if not any(p.startswith(own) for p in k.split(" | "))}

    def add_point(self, told: Mapping[Run, Mapping[str, Any]], params: Mapping[Run, PyTree], last: bool) -> None:
        """What was measured of runs at their next point, and their policies; `last` of the training."""
        for run, values in told.items():
            entry = self._found["runs"].setdefault(name_of(run), {"finished": False, "curve": []})
            entry["curve"].append({name: round(float(value), 5) for name, value in values.items()})
            entry["finished"] = last
        point = len(self._curve(next(iter(told))))
        arrays = self._policies(point)
        for run, tree in params.items():
            leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
            arrays |= {"/".join([name_of(run), *(key.key for key in path)]): np.asarray(x) for path, x in leaves}
        with replacing(self._policy_file(point)) as scratch:
            np.savez_compressed(scratch, **arrays)

    def _policy_file(self, point: int) -> Path:
        return self.folder / "policies" / f"{point}.npz"

    def _policies(self, point: int) -> dict[str, Any]:
        """All arrays at a point, read once."""
        if point not in self._kept:
            file = self._policy_file(point)
            self._kept[point] = dict(np.load(file)) if file.exists() else {}
        return self._kept[point]

    def policy(self, policy: Policy) -> PyTree:
        """The parameters of a run at a point."""
        params: dict[str, Any] = {}
        for name, array in self._policies(policy[2]).items():
            run, *outer, leaf = name.split("/")
            if run == name_of(policy[:2]):
                inner = params
                for key in outer:
                    inner = inner.setdefault(key, {})
                inner[leaf] = array
        return params

    def last(self, run: Run) -> Policy:
        """A run's newest policy."""
        return *run, len(self._curve(run))

    def missing_duels(self) -> list[tuple[Policy, Policy]]:
        """Matches to come: of every two arms, and of every run's last policy against those of its earlier points."""
        runs = self.runs
        wanted = [(self.last(a), self.last(b)) for a, b in combinations(runs, 2) if a[0] != b[0]]
        wanted += [(self.last(run), (*run, point)) for run in runs for point in range(1, self.last(run)[2])]
        return [pair for pair in wanted if duel_name(pair) not in self._found["duels"]]

    def add_duels(self, pairs: Iterable[tuple[Policy, Policy]], shares: Iterable[Any]) -> None:
        """The first one's shares."""
        self._found["duels"] |= {duel_name(pair): round(float(x), 5) for pair, x in zip(pairs, shares, strict=True)}

    def write(self) -> None:
        """To the folder."""
        replace_json(self._file, self._found, indent=1)
        replace_text(self.folder / "table.md", self.table())

    def table(self) -> str:
        """Everything in Markdown."""
        return tables(self._found) + "\n" if self._found["runs"] else "no run has reached a point\n"


def name_of(run: Run) -> str:
    """As results.json has it."""
    return f"{run[0]} {run[1]}"


def duel_name(pair: tuple[Policy, Policy]) -> str:
    """As results.json has it."""
    return " | ".join("{} {} {}".format(*policy) for policy in pair)


def tables(found: Mapping[str, Any]) -> str:
    """The arms' table, their curves against the first script, and each last policy against its earlier ones."""
    curves: dict[str, list[list[dict[str, float]]]] = {}
    for name, entry in found["runs"].items():
        curves.setdefault(name.split()[0], []).append(entry["curve"])
    duels: dict[tuple[str, str], dict[tuple[int, int], float]] = {}
    earlier: dict[str, dict[int, list[float]]] = {}
    for name, share in found["duels"].items():
        (arm, seed, _), (other, other_seed, point) = (side.split() for side in name.split(" | "))
        if arm == other:
            earlier.setdefault(arm, {}).setdefault(int(point), []).append(share)
        else:
            duels.setdefault((arm, other), {})[int(seed), int(other_seed)] = share
            duels.setdefault((other, arm), {})[int(other_seed), int(seed)] = 1 - share
    matrices = {pair: _matrix(shares) for pair, shares in duels.items()}
    against = {pair: crossed(matrix) for pair, matrix in matrices.items() if not np.isnan(matrix).any()}
    return "\n\n".join([_arms(curves, against), _curves(curves), *([_earlier(earlier)] if earlier else [])])


def _matrix(shares: Mapping[tuple[int, int], float]) -> np.ndarray:
    """Of seeds by seeds; NaN where a match is still to come."""
    rows, columns = (sorted(set(side)) for side in zip(*shares, strict=True))
    return np.asarray([[shares.get((row, column), math.nan) for column in columns] for row in rows])


def _arms(
    curves: Mapping[str, list[list[dict[str, float]]]], against: Mapping[tuple[str, str], tuple[float, float]]
) -> str:
    """A line an arm: the last point of its runs, and its matches against the other arms."""
    arms = list(curves)
    scripts, watched = ("scored", "greedy"), ("deck_cost", "entropy_deck", "entropy_battle", "pool_size")
    lines = [
        ["arm", "seeds", "env steps", "updates", *scripts, *watched, *(f"vs {arm}" for arm in arms)],
    ]
    for arm in arms:
        last = [curve[-1] for curve in curves[arm]]

        def of(name: str, last: list[dict[str, float]] = last) -> tuple[float, float]:
            return spread([point[name] for point in last])

        lines.append(
            [
                *(arm, str(len(last)), f"{of('env_steps')[0] / 1e6:.2f}M", f"{of('updates')[0]:.0f}"),
                *(percent(of(name)) for name in scripts),
                *(f"{of(name)[0]:.2f}" for name in watched),
                *(percent(against[arm, other]) if (arm, other) in against else "" for other in arms),
            ]
        )
    return markdown(lines)


def _curves(curves: Mapping[str, list[list[dict[str, float]]]]) -> str:
    points = min(len(curve) for runs in curves.values() for curve in runs)
    some = next(iter(curves.values()))[0]
    lines = [["against `scored` after", *(f"{some[point]['env_steps'] / 1e6:.2f}M" for point in range(points))]]
    for arm, runs in curves.items():
        lines.append([arm, *(percent(spread([curve[point]["scored"] for curve in runs])) for point in range(points))])
    return markdown(lines)


def _earlier(earlier: Mapping[str, Mapping[int, list[float]]]) -> str:
    points = sorted({point for shares in earlier.values() for point in shares})
    lines = [["last policy against its own at point", *map(str, points)]]
    for arm, shares in earlier.items():
        lines.append([arm, *(percent(spread(shares[point])) if point in shares else "" for point in points)])
    return markdown(lines)


def percent(found: tuple[float, float]) -> str:
    """Such as `61.2 [55.0, 67.4]`, in %."""
    middle, half = (100 * x for x in found)
    return (
        f"{middle:.1f}"
        if math.isnan(half)
        else f"{middle:.1f} [{max(0, middle - half):.1f}, {min(100, middle + half):.1f}]"
    )


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """The first line is the head."""
    head, *rest = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([head, "|" + "---|" * len(lines[0]), *rest])
