"""`--population`: swept runs that differ in `seed` and `agent.hypers.*` only, trained together as one population.

A pack is a run like any other: its id is the digest of its config, so that it is finished, resumed or scheduled as one.
What its members share is that of all members together, so that each gets what its run alone would have:

| of N members | because |
|---|---|
| `env_steps` N times | a population counts those of all members |
| `runtime.envs_per_pool` N times | every pool's environments are dealt out among the members |
| `evaluation.episodes` N times | so are the episodes |
| `max_minutes` N times | where there is a limit: N members need N times as long where nothing runs in parallel |

Everything else stays: an update sees as many rows of each member as before, so that `record.*`, the policy lag and the
length of the learning-rate schedule mean what they did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jaxrl.config.member_values import SEED
from jaxrl.config.parsing import read_config
from jaxrl.errors import ConfigError
from jaxrl.sweeps.expand import Run, make_run, override
from jaxrl.sweeps.sweep_folder import SweepFolder

HYPERS = "agent.hypers."
BEGUN = ("queued", "running", "interrupted")


class Packing(NamedTuple):
    """What became of the swept runs."""

    runs: list[Run]  # populations and single runs, in the order of their first swept run
    alone: Mapping[str, int]  # why some were not packed, and how many

    def describe(self) -> str:
        """In words, a line a fact."""
        sizes = [len(run.members) for run in self.runs if run.members]
        span = " to ".join(str(size) for size in sorted({min(sizes, default=0), max(sizes, default=0)}))
        lines = [f"{sum(sizes)} runs packed into {len(sizes)}, of {span} members"] if sizes else []
        return "\n".join([*lines, *(f"{number} not packed: {reason}" for reason, number in self.alone.items())])


def pack(runs: Sequence[Run], limit: int, before: Iterable[Sequence[str]] = ()) -> Packing:
    """Pack what can be packed, in order, at most `limit` runs together.

    Args:
        before: ids of swept runs that were started together, or of one alone: they stay so, and the rest is packed.

    Raises:
        ConfigError: there is nothing to pack.
    """
    by_id = {run.id: run for run in runs}
    kept = [[by_id[run_id] for run_id in ids] for ids in before if by_id.keys() >= set(ids)]
    taken = {run.id for members in kept for run in members}
    made: list[Run] = []
    alone = Counter[str]()
    for members in [*kept, *_groups([run for run in runs if run.id not in taken], limit)]:
        try:
            made.append(make_pack(members))
        except ConfigError as reason:
            made += members
            alone[str(reason)] += sum(run.id not in taken for run in members)
    if not kept and not any(run.members for run in made):
        raise ConfigError(f"--population has nothing to pack: {' and '.join(alone)}")
    place = {run_id: number for number, run_id in enumerate(by_id)}
    return Packing(sorted(made, key=lambda run: place[(run.members or (run,))[0].id]), +alone)


def begun(folder: SweepFolder, limit: int) -> list[list[str]]:
    """Ids of the swept runs that were started together, or alone, in this folder.

    What failed, or has not finished and has more members than `limit`, may be packed anew.
    """
    if not (folder.path / "manifest.json").exists():
        return []
    groups = []
    for run in folder.plan():
        status, members = folder.state(run.id).status, run.members or (run,)
        if status == "finished" or (status in BEGUN and len(members) <= limit):
            groups.append([member.id for member in members])
    return groups


def make_pack(members: Sequence[Run]) -> Run:
    """The population of swept runs that agree in all but seed and hyper-parameters.

    Raises:
        ConfigError: there is none; the message says why.
    """
    first, size = members[0], len(members)
    if size == 1:
        raise ConfigError("no other is left that differs in seed and agent.hypers alone")
    config = read_config(first.config, first.words)
    if config.population.size > 1:
        raise ConfigError(f"population.size is {config.population.size} already, and a population has no populations")
    listed = _different_hypers(members)
    settings = {name: value for name, value in first.settings.items() if name not in listed}
    columns = {**listed, SEED: [run.seed for run in members]}  # the seed always, so that the config says whose is whose
    settings |= {
        SEED: first.seed,
        "env_steps": size * config.env_steps,
        "runtime.envs_per_pool": size * config.runtime.envs_per_pool,
        "evaluation.episodes": size * config.evaluation.episodes,
        "population.size": size,
        "population.members": {name.removeprefix(HYPERS): values for name, values in columns.items()},
    }
    if config.max_minutes:
        settings["max_minutes"] = size * config.max_minutes
    return make_run(first.sweep, first.config, first.fixed, settings, tuple(members))


def _groups(runs: Iterable[Run], limit: int) -> Iterator[list[Run]]:
    """Runs that agree in all but seed and hyper-parameters, at most `limit` at a time."""
    alike: dict[Any, list[Run]] = {}
    for run in runs:
        same = [name for name in run.settings if name != SEED and not name.startswith(HYPERS)]
        others = tuple(override(name, run.settings[name]) for name in same)
        alike.setdefault((run.sweep, run.config, run.fixed, others), []).append(run)
    for members in alike.values():
        for start in range(0, len(members), limit):
            yield members[start : start + limit]


def _different_hypers(members: Sequence[Run]) -> dict[str, list[float]]:
    """The swept hyper-parameters that are not the same for all, with their values in order."""
    names = [name for name in members[0].settings if name.startswith(HYPERS)]
    columns = {name: [float(member.settings[name]) for member in members] for name in names}
    return {name: values for name, values in columns.items() if len(set(values)) > 1}
