"""A sweep file: W&B's own format, so that the same file runs here, under SLURM, and by `wandb agent`.

    program: jaxrl
    command: ["${env}", "${interpreter}", -m, jaxrl, train, configs/catch.yaml, "${args}"]
    method: grid                                   # or random, with run_cap
    metric: {name: episode/return, goal: maximize}
    parameters:
      agent.hypers.learning_rate: {values: [1e-3, 3e-4]}
      seed: {values: [0, 1, 2]}

The config that is swept, and settings fixed for all runs, are those that `command` gives to `train`; W&B needs it too,
because the program's first words are `train CONFIG`. What belongs to W&B's server only (`project`, `entity`,
`description`, the interpreter) is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from jaxrl.config import shipped
from jaxrl.config.parsing import read_tree
from jaxrl.errors import ConfigError, nearest
from jaxrl.sweeps.distributions import Parameter, read_parameter
from jaxrl.sweeps.search.hyperband import Hyperband, read_hyperband

Method = Literal["grid", "random", "bayes"]
Goal = Literal["maximize", "minimize"]
FIELDS = ("program", "command", "method", "metric", "parameters", "name", "description", "project", "entity", "run_cap")
FIELDS += ("early_terminate",)
EXAMPLE = '["${env}", "${interpreter}", -m, jaxrl, train, configs/catch.yaml, "${args}"]'


@dataclass(frozen=True)
class SweepFile:
    """What a sweep file says."""

    path: Path
    name: str
    method: Method
    config: Path
    fixed: tuple[str, ...]  # words between the config and the swept settings
    parameters: Mapping[str, Parameter]  # by dotted name
    run_cap: int | None
    metric: str
    goal: Goal
    hyperband: Hyperband | None  # which runs are stopped early

    def cap(self, count: int | None) -> int | None:
        """At most so many runs, where the command line says `count`; None for no end."""
        return min((cap for cap in (count, self.run_cap) if cap is not None), default=None)


def read_sweep(path: str | Path) -> SweepFile:
    """Read and check a sweep file; the settings it names are checked in `jaxrl.sweeps.expand`."""
    path = shipped.find_config(path, of_sweeps=True)
    tree = read_tree(path, of_sweeps=True)
    for key in tree:
        if key not in FIELDS:
            raise ConfigError(f"{path}: a sweep has no field {key}; the nearest is {nearest(key, FIELDS)}")
    method = tree.get("method")
    if method not in get_args(Method):
        raise ConfigError(f"{path}: method must be grid, random or bayes, not {method!r}")
    parameters = tree.get("parameters")
    if not isinstance(parameters, Mapping) or not parameters:
        raise ConfigError(f"{path}: parameters must map settings to what is tried, such as `seed: {{values: [0, 1]}}`")
    config, fixed = _command(path, tree.get("command"))
    cap = tree.get("run_cap")
    if cap is not None and (type(cap) is not int or cap < 1):
        raise ConfigError(f"{path}: run_cap must be a whole number of at least 1, not {cap!r}")
    early = tree.get("early_terminate")
    if tree.get("metric") is None and (method == "bayes" or early is not None):
        what = "early_terminate" if early is not None else "method bayes"
        raise ConfigError(f"{path}: {what} needs a metric, such as `{{name: episode/return, goal: maximize}}`")
    metric, goal = _metric(path, tree.get("metric"))
    hyperband = None if early is None else read_hyperband(str(path), early)
    read = {str(name): read_parameter(f"{path}: {name}", entry) for name, entry in parameters.items()}
    name = str(tree.get("name", path.stem))
    if name in ("", ".", "..") or "/" in name:  # a folder is called so
        raise ConfigError(f"{path}: name must be a word or more without a slash, not {name!r}")
    return SweepFile(path, name, cast(Method, method), config, fixed, read, cap, metric, goal, hyperband)


def _command(path: Path, command: Any) -> tuple[Path, tuple[str, ...]]:
    """The config and the fixed words after it."""
    words = [str(word) for word in command] if isinstance(command, Sequence) and not isinstance(command, str) else []
    if "train" not in words[:-1]:
        raise ConfigError(f"{path}: command must say which config is swept, such as {EXAMPLE}")
    config, *rest = words[words.index("train") + 1 :]
    if config.startswith(("-", "${")):
        raise ConfigError(f"{path}: command must name a config after `train`, not {config!r}, such as {EXAMPLE}")
    if rest.count("${args}") != 1:
        raise ConfigError(f'{path}: command must hold "${{args}}" once after the config; the swept settings go there')
    fixed = tuple(word for word in rest if word != "${args}")
    if any(word.startswith("${") for word in fixed):
        raise ConfigError(f'{path}: of W&B\'s macros only "${{args}}" may stand after the config')
    return Path(config), fixed


def _metric(path: Path, metric: Any) -> tuple[str, Goal]:
    """Random and grid search do not need one; the board shows it, and W&B sorts by it."""
    if metric is None:
        return "episode/return", "maximize"
    if not isinstance(metric, Mapping) or not isinstance(metric.get("name"), str):
        raise ConfigError(f"{path}: metric must be a mapping such as `{{name: episode/return, goal: maximize}}`")
    goal = metric.get("goal", "minimize")  # W&B's default
    if goal not in get_args(Goal):
        raise ConfigError(f"{path}: metric.goal must be maximize or minimize, not {goal!r}")
    return metric["name"], cast(Goal, goal)
