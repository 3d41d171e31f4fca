"""Recorded runs: which, under which settings, and with which scores. No JAX here.

    runs = chosen_runs("docs/evidence/results/pong.tar.gz")  # or what the environment variable JAXRL_RUNS names
    groups = group_by_setting(runs, "agent.name", "env_steps")
    run_table(runs)

A score is either `final_return`, of the acting policy at the end of training, or `evaluation_return`, of the policy
that `jaxrl evaluate` played; the two must not be mixed in one comparison.
"""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from glob import glob
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from jaxrl.analysis.archives import SUFFIX, is_archive, unpacked
from jaxrl.analysis.curves import Run, RunDataError, metric_curve, read_metrics
from jaxrl.analysis.tables import Table
from jaxrl.record.rundir import STAMP, RunDir

VARIABLE = "JAXRL_RUNS"
CIRCUMSTANCES = (  # settings by which two runs are no other experiments
    *("name", "seed", "max_minutes", "record", "evaluation", "hosts", "runtime.kind", "runtime.timeout_s"),
    *("runtime.actor_devices", "runtime.learner_devices", "runtime.threads_per_pool"),
)
TRAINED_UNDER = ("versions.json", "evaluation.json")  # runs of an older version have it in the second only
EVALUATED_UNDER = ("evaluation.json", "versions.json")  # `jaxrl evaluate` may have played under other rules
NUMBERS = {"seed": 0, "env steps": 0, "minutes": 0, "end of training": 2, "evaluation": 2, "standard error": 2}
SPREAD = ("runtime.num_actors", "runtime.pools_per_actor", "runtime.envs_per_pool")


def chosen_runs(default: str) -> list[Path]:
    """The runs that the environment variable JAXRL_RUNS names, or else those of `default`; see `find_runs`."""
    return find_runs(os.environ.get(VARIABLE) or default)


def chosen_agent(default: str) -> str:
    """The newest run that the environment variable JAXRL_RUNS names, or else `default`, such as `zoo:pong`."""
    pattern = os.environ.get(VARIABLE)
    return str(find_runs(pattern)[-1]) if pattern else default


def find_runs(pattern: str) -> list[Path]:
    """Run folders that fit a pattern, such as `runs/pong-*`, the newest last.

    Args:
        pattern: a path in which `*`, `?` and `[...]` have their usual meaning; several are separated by a colon. A
            relative one is looked for in the current folder and then in the one above: a notebook is run where it lies.
            `pong.tar.gz` means every run in that archive, `study.tar.gz/runs/*/*-s0` those that fit in it.

    Raises:
        RunDataError: nothing fits, or an archive is broken.
        RunDirError: an archive cannot be unpacked, since the cache cannot be written.
    """
    found: dict[Path, Path] = {}
    for part in pattern.split(os.pathsep):
        for base in (Path(), Path("..")):
            here = [path for path in _fitting(base / Path(part).expanduser()) if (path / "config.yaml").is_file()]
            found |= {path.resolve(): path for path in here}
            if here:
                break
    if not found:
        inside = [f"; {archive} holds {names}" for archive, names in _contents(pattern)]
        advice = "".join(inside) or f"; make one with `jaxrl train`, or name others in {VARIABLE}"
        raise RunDataError(f"no run folder fits {pattern!r}{advice}")
    return sorted(found.values(), key=_start)


def named_runs(name: str) -> list[Path]:
    """What a user names: a run folder, `latest`, or the runs of an archive. Errors as for `find_runs`."""
    return find_runs(name) if is_archive(name) else [RunDir.find(name).path]


def group_by_experiment(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs of one game that differ in the seed alone together, under their name and what tells it apart, in order.

    `CIRCUMSTANCES` make no other experiment, and neither does a setting that an older version did not record.
    """
    named = grouped(runs, _shared_name)
    told = {run: _experiment(run) for run in runs}

    def label(run: Run) -> str:
        alike = [told[other] for other in named[_shared_name(run)]]
        shared = [name for name in alike[0] if all(name in other for other in alike)]
        names = [name for name in shared if any(other[name] != told[run][name] for other in alike)]
        return ", ".join([_shared_name(run), *(_label(name, told[run][name]) for name in names)])

    return grouped(chain.from_iterable(named.values()), label)


def seeds_in_words(runs: Sequence[Run]) -> str:
    """`3 seeds`, or where a seed was run twice, how many runs they are."""
    seeds, count = len({setting(read_settings(run), "seed") for run in runs}), len(runs)
    words = f"{seeds} seed{'s' if seeds > 1 else ''}"
    return words if seeds == count else f"{count} runs of {words}"


def check_one_game(runs: Sequence[Run]) -> None:
    """Raises `RunDataError` where the runs are of several games."""
    _the_one(map(read_env, runs), "its runs played {}, whose scores have no mean; group them by game too")


def group_by_setting(runs: Sequence[Run], *names: str) -> dict[str, list[Run]]:
    """Runs with equal values of these settings together, under a label of the values, in order of appearance.

    Args:
        names: dotted names as on the command line, such as `agent.hypers.temperature`.
    """

    def label(run: Run) -> str:
        settings = read_settings(run)
        return ", ".join(_label(name, setting(settings, name)) for name in names)

    return grouped(runs, label)


def read_settings(run: Run) -> dict[str, Any]:
    """The resolved config of a run, as nested dictionaries."""
    path = Path(run) / "config.yaml"
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, LookupError, AttributeError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise RunDataError(f"cannot read {path}: {' '.join(str(error).split())}") from None


def read_env(run: Run) -> str:
    """The environment's id, or where it has none its name."""
    settings = read_settings(run)
    return str(setting(settings, "env.id") or setting(settings, "env.name") or "")


def setting(settings: Mapping[str, Any], name: str) -> Any:
    """The value under a dotted name; None where this run had no such setting."""
    value: Any = settings
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def read_record(run: Run, name: str) -> dict[str, Any] | None:
    """The JSON object in a file of the run folder; None where there is none, or it is damaged."""
    try:
        content = json.loads((Path(run) / name).read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def read_protocol(run: Run, records: Sequence[str] = TRAINED_UNDER) -> str | None:
    """Label of the rules under which the run played; None where its environment has no protocol, or nothing tells.

    Args:
        records: its files that tell, the first that does counts: `TRAINED_UNDER` or `EVALUATED_UNDER`.
    """
    for name in records:
        there = (read_record(run, name) or {}).get("protocol")
        if there:
            return there["label"] if isinstance(there, dict) else there
    return None


def one_protocol(runs: Iterable[Run], records: Sequence[str] = TRAINED_UNDER) -> str | None:
    """The label of all these runs; raises `RunDataError` where they differ, and their scores cannot be compared."""
    labels = (read_protocol(run, records) for run in runs)
    return _the_one(labels, "the runs played under different protocols, {}; compare those of one")


def read_evaluation(run: Run) -> dict[str, Any] | None:
    """The content of evaluation.json; None if the run was not evaluated, or the file is damaged."""
    evaluation = read_record(run, "evaluation.json")
    return evaluation if evaluation and isinstance(evaluation.get("mean_return"), int | float) else None


def _the_one(told: Iterable[str | None], complaint: str) -> str | None:
    """What all that tell tell; raises `RunDataError` with the `complaint` where that is not the same."""
    different = sorted(set(filter(None, told)))
    if len(different) > 1:
        raise RunDataError(complaint.format(" and ".join(different)))
    return different[0] if different else None


def final_return(run: Run) -> float:
    """Mean raw return of the last 100 training episodes, acting policy; raises `RunDataError` where none finished."""
    try:
        return float(metric_curve(run, "episode/return").value[-1])
    except RunDataError as error:
        raise RunDataError(f"{run} has no return: no episode finished while it trained; train it longer") from error


def evaluation_return(run: Run) -> float:
    """Mean raw return of the evaluation's episodes; raises `RunDataError` where the run was not evaluated."""
    evaluation = read_evaluation(run)
    if evaluation is None:
        words = shlex.join(["jaxrl", "evaluate", str(run), "--json", f"{run}/evaluation.json"])
        raise RunDataError(f"{run} has no evaluation.json; make one: {words}")
    return float(evaluation["mean_return"])


def one_policy(runs: Sequence[Run]) -> str | None:
    """What the evaluations of these runs played, `greedy` or `sampled`, or None; raises `RunDataError` for both."""
    policies = ((read_evaluation(run) or {}).get("policy") for run in runs)
    return _the_one(policies, "some of the runs were evaluated greedily, others by sampling; compare those of one kind")


def raw_scores(runs: Sequence[Run], score: Callable[[Run], float] = final_return) -> dict[str, list[float]]:
    """Environment id to the scores of its runs, in order of appearance."""
    return {env: list(map(score, members)) for env, members in grouped(runs, read_env).items()}


def run_table(runs: Sequence[Run]) -> Table:
    """What the runs are and what they came to, a row each."""
    return Table(
        "End of training: mean return of the last 100 episodes, acting policy. Evaluation: mean return over its "
        "episodes, and the standard error of that mean over episodes.",
        list(map(_row, runs)),
        NUMBERS,
    )


def grouped(runs: Iterable[Run], label: Callable[[Run], str]) -> dict[str, list[Run]]:
    """Runs under their labels, in order of appearance."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(label(run), []).append(run)
    return groups


def _experiment(run: Run) -> dict[str, Any]:
    """What a run was of, by dotted names."""
    found: dict[str, Any] = {}

    def collect(node: Mapping[str, Any], prefix: str) -> None:
        for key, value in node.items():
            name = f"{prefix}{key}"
            if name.startswith(CIRCUMSTANCES):
                continue
            if isinstance(value, Mapping) and not name.startswith("population."):
                collect(value, f"{name}.")
            else:
                found[name] = {k: v for k, v in value.items() if k != "seed"} if isinstance(value, Mapping) else value

    collect(read_settings(run) or {}, "")
    if all(name in found for name in SPREAD):  # the same environments, otherwise spread over actors and pools
        found["environments"] = math.prod(found.pop(name) for name in SPREAD)
    return found


def _shared_name(run: Run) -> str:
    return STAMP.sub("", Path(run).resolve().name)


def _fitting(pattern: Path) -> list[Path]:
    """Paths on disk; those in an archive where it is unpacked."""
    archive, suffix, inside = str(pattern).partition(SUFFIX)
    found = [Path(path) for path in glob(archive + suffix)]
    return [path for each in found for path in unpacked(each).glob(inside.strip("/") or "**")] if suffix else found


def _contents(pattern: str) -> Iterator[tuple[str, str]]:
    """The archives that a pattern names, each with the runs in it, of which it fits none."""
    for part in pattern.split(os.pathsep):
        archive = Path("".join(part.partition(SUFFIX)[:2]))
        if archive.is_file():
            root = unpacked(archive)  # once, since it reads the whole archive to know it
            names = sorted(str(path.parent.relative_to(root)) for path in root.rglob("config.yaml"))
            yield str(archive), ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _row(run: Run) -> dict[str, Any]:
    settings, metrics, evaluation = read_settings(run), read_metrics(run), read_evaluation(run) or {}
    protocol, policy, played = read_protocol(run), evaluation.get("policy"), evaluation.get("protocol")

    def last(name: str) -> float | None:
        values = metrics.get(name, np.empty(0))
        return float(values[-1]) if values.size else None

    return {
        "run": Path(run).resolve().name,
        "agent": setting(settings, "agent.name"),
        "environment": read_env(run),
        "protocol": protocol,
        "seed": setting(settings, "seed"),
        "env steps": last("env_steps"),
        "minutes": (seconds := last("progress/wall")) and seconds / 60,
        "end of training": last("episode/return"),
        "evaluation": evaluation.get("mean_return"),
        "standard error": evaluation.get("standard_error"),
        # also under which rules, where they are not those of the training
        "evaluated policy": policy if played in (None, protocol) else f"{policy}, {played} protocol",
    }


def _start(run: Path) -> tuple[str, str]:
    """When a run folder was made, from its name."""
    name = run.resolve().name
    stamp = STAMP.search(name)
    return (stamp["stamp"] if stamp else "", name)


def _label(name: str, value: Any) -> str:
    """A value as a reader needs it: text speaks for itself, a switch is on or off, a number needs its name."""
    name = name.rpartition(".")[2]
    if isinstance(value, bool):
        return name if value else f"not {name}"
    if isinstance(value, str):
        return value
    return f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
