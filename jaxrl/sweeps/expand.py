"""From sweep files to runs, every setting of every run checked before anything starts.

A run's id is a digest of its resolved config, without where and how it records: a finished run is found again however
the sweep file was reordered or extended, and a run whose settings changed is another run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxrl.config import registry
from jaxrl.config.conversion import write_flow
from jaxrl.config.member_values import make_members
from jaxrl.config.parsing import read_config, write_config
from jaxrl.config.plan import make_plan
from jaxrl.config.registry import env_title
from jaxrl.config.sections import ExperimentConfig, RecordConfig
from jaxrl.errors import ConfigError, UserError
from jaxrl.record.rundir import check_name
from jaxrl.sweeps.distributions import draw, grid
from jaxrl.sweeps.sweep_file import SweepFile

MAX_RUNS = 10_000
MAX_LISTED = 5  # values of a setting in a label


@dataclass(frozen=True)
class Run:
    """One training of a sweep, as the manifest keeps it: of one swept run, or of several as a population."""

    id: str
    sweep: str  # name of its file
    config: str  # path of the config
    words: tuple[str, ...]  # of the command line, after the config; the last ones set `settings`
    settings: Mapping[str, Any]  # the swept ones
    env: str
    seed: int
    env_steps: int
    members: tuple[Run, ...] = ()  # the swept runs that are trained together, in the order of the population's members

    @property
    def label(self) -> str:
        """Its swept settings in short: `learning_rate=0.001 seed=2`, or `learning_rate=0.001 seed=2,3 (2 members)`."""
        swept = self.members or (self,)
        columns = {name: [run.settings[name] for run in swept] for name in swept[0].settings}
        words = " ".join(f"{name.rpartition('.')[2]}={_span(values)}" for name, values in columns.items())
        return f"{words} ({len(self.members)} members)" if self.members else words

    @property
    def fixed(self) -> tuple[str, ...]:
        """The words that all runs of its file share."""
        return self.words[: len(self.words) - len(self.settings)]


def expand(sweeps: Iterable[SweepFile], count: int | None = None, seed: int = 0) -> list[Run]:
    """Every run of every file, in order.

    Args:
        sweeps: the files; their runs must differ.
        count: at most so many runs a file; needed by `method: random` where the file has no run_cap.
        seed: of random draws. The first n draws do not depend on `count`, so a sweep can be extended.
    """
    runs: dict[str, Run] = {}
    for sweep in sweeps:
        for settings in _combinations(sweep, count, seed):
            run = checked_run(sweep, settings)
            if run.id in runs:
                if sweep.method == "random":
                    continue  # few values, drawn again
                raise ConfigError(f"{sweep.path}: {run.label} is the same run as {runs[run.id].label} before it")
            runs[run.id] = run
    return list(runs.values())


def override(name: str, value: Any) -> str:
    """`--name=value` as our command line reads it, and W&B's agent writes it."""
    flow = value is None or isinstance(value, list | tuple | dict)
    return f"--{name}={write_flow(value) if flow else value}"


def _combinations(sweep: SweepFile, count: int | None, seed: int) -> list[dict[str, Any]]:
    limit = sweep.cap(count)
    if sweep.method == "random":
        if limit is None:
            raise ConfigError(f"{sweep.path}: method random has no end; write run_cap, or give --count")
        source = random.Random(seed)
        return [{name: draw(entry, source) for name, entry in sweep.parameters.items()} for _ in range(limit)]
    values = [grid(f"{sweep.path}: {name}", entry) for name, entry in sweep.parameters.items()]
    total = math.prod(map(len, values))
    if total > MAX_RUNS and (limit is None or limit > MAX_RUNS):
        raise ConfigError(f"{sweep.path}: the grid has {total:,} runs; at most {MAX_RUNS:,} are started: write run_cap")
    every = itertools.product(*values)
    return [dict(zip(sweep.parameters, chosen, strict=True)) for chosen in itertools.islice(every, limit)]


def make_run(
    sweep: str, config: str, fixed: Sequence[str], settings: Mapping[str, Any], members: tuple[Run, ...] = ()
) -> Run:
    """A run with all its settings checked, its game and its name too; raises `UserError`."""
    words = (*fixed, *(override(name, value) for name, value in settings.items()))
    resolved = read_config(config, words)
    make_plan(resolved)
    make_members(resolved.population, resolved.agent.hypers)
    check_name(resolved.name)
    registry.make("network", resolved.network, registry.make("env", resolved.env).spec)  # starts nothing
    return Run(
        id=_digest(resolved),
        sweep=sweep,
        config=config,
        words=words,
        settings=dict(settings),
        env=env_title(resolved.env),
        seed=resolved.seed,
        env_steps=resolved.env_steps,
        members=members,
    )


def checked_run(sweep: SweepFile, settings: Mapping[str, Any]) -> Run:
    """`make_run`, with the file in front of what is wrong."""
    try:
        return make_run(sweep.name, str(sweep.config), sweep.fixed, settings)
    except UserError as error:
        raise ConfigError(f"{sweep.path}: {str(error).replace('command line: ', '', 1)}") from None


def _digest(config: ExperimentConfig) -> str:
    plain = dataclasses.replace(config, record=RecordConfig())
    return hashlib.sha256(write_config(plain).encode()).hexdigest()[:10]


def short(value: Any) -> str:
    """A value for a label."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"[{','.join(map(short, value))}]" if isinstance(value, list | tuple) else str(value)


def _span(values: Sequence[Any]) -> str:
    """The different ones, or where there are many the lowest and the highest."""
    different = dict.fromkeys(map(short, values))
    if len(different) <= MAX_LISTED:
        return ",".join(different)
    return f"{short(min(values, key=float))}..{short(max(values, key=float))}"
