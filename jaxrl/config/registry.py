"""Parts by name: environments, networks and agents, those of jaxrl and those of your own files.

A part is named as it stands in the tables below, or as `module` or `module:Class` of any module on Python's path or in
the current directory. `docs/architecture.md` says what such a module needs. Modules are imported when asked for, so
that listing names loads no JAX.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from jaxrl.errors import ConfigError, nearest

ENVS: dict[str, str] = {
    "envpool": "jaxrl.envs.envpool.emulators:EnvPool",
    "gymnasium": "jaxrl.envs.gymnasium:Gymnasium",
    "cartpole": "jaxrl.envs.cartpole:CartPole",
    "catch": "jaxrl.envs.catch:Catch",
    "recall": "jaxrl.envs.recall:Recall",
    "fork": "jaxrl.envs.fork:Fork",
    "kuhn": "jaxrl.selfplay.kuhn:Kuhn",
    "pennies": "jaxrl.selfplay.pennies:Pennies",
    "locm": "jaxrl.locm.policy.card_game",
}
WITHOUT_THREADS = tuple(name for name in ENVS if name != "envpool")  # which step in no threads of their own
NETWORKS: dict[str, str] = {
    "atari": "jaxrl.networks.atari",
    "mlp": "jaxrl.networks.mlp",
    "cards": "jaxrl.locm.policy.network",
}
AGENTS: dict[str, str] = {name: f"jaxrl.agents.{name}" for name in ("a2c", "casa", "group", "impala", "ppo")}

# By the section of the config that a part is set in. The defaults' files load no JAX, because `--help` shows them.
PARTS = {"env": ENVS, "network": NETWORKS, "agent": AGENTS}
DEFAULTS = {"env": "envpool", "network": "atari"}
KINDS = {"env": "environment", "network": "network", "agent": "agent"}
ARGUMENTS = {"env": "config", "network": "config, spec", "agent": "config, network, spec, num_updates"}


class Part(NamedTuple):
    """What a name stands for."""

    name: str
    Config: type  # a frozen dataclass: the settings
    make: Callable[..., Any]  # called with the settings and what else `ARGUMENTS` says


def load(section: str, name: str) -> Part:
    """The part of this name; raises `ConfigError` where there is none, or where it lacks what a part needs.

    Args:
        section: of the config: `env`, `network` or `agent`.
        name: of the tables above, `module` or `module:Class`.
    """
    target = PARTS[section].get(name, name)
    if not re.fullmatch(r"\w+(\.\w+)*(:\w+(\.\w+)*)?", target):
        raise _unknown(section, name)
    path, _, attribute = target.partition(":")
    module = _import(section, name, path)
    config: Any = module
    for step in (attribute or "Config").split("."):
        config = getattr(config, step, None)
    if config is None and not attribute:
        raise _unknown(section, name, f", and the module {path} has no Config;")
    where = f"{path}.{attribute or 'Config'}"
    if not (isinstance(config, type) and dataclasses.is_dataclass(config) and config.__dataclass_params__.frozen):  # pyright: ignore[reportAttributeAccessIssue]
        raise ConfigError(f"{where} must be a class with @dataclass(frozen=True) whose fields are the settings")
    if not attribute and config.__module__ != path:
        raise ConfigError(f"{where} is the class of {config.__module__}; give {path} its own, such as a subclass")
    beside = None if attribute else getattr(module, "make", None)
    itself = section == "env" and any(hasattr(config, name) for name in ("timestep", "make_pool", "make_games"))
    make = getattr(config, "make", None) or beside or ((lambda config: config) if itself else None)
    if make is None or not _callable_with(make, ARGUMENTS[section].split(", ")):
        kind, arguments = KINDS[section], ARGUMENTS[section]
        raise ConfigError(f"{where} is no {kind}: it needs a function make({arguments}) beside it")
    return Part(name, config, make)


def default(section: str) -> Any:
    """The settings of the part that is meant where `name` is left out, as they are unless set."""
    return load(section, DEFAULTS[section]).Config()


def part_of(section: str, config: object) -> Part:
    """The part whose settings `config` are; raises `ConfigError` where no name leads to its class."""
    cls = type(config)
    own = cls.__module__ if cls.__qualname__ == "Config" else f"{cls.__module__}:{cls.__qualname__}"
    return load(section, next((name for name, target in PARTS[section].items() if target == own), own))


def name_of(section: str, config: object) -> str:
    """The name under which the class of `config` is found."""
    return part_of(section, config).name


def env_title(config: object) -> str:
    """What figures and tables call an environment: its `id` where it has one, such as `Pong-v5`, else its name."""
    return str(getattr(config, "id", None) or name_of("env", config))


def make(section: str, config: object, *arguments: Any) -> Any:
    """The part itself, made of its settings and of `ARGUMENTS[section]`."""
    return part_of(section, config).make(config, *arguments)


def summary(section: str, name: str) -> str:
    """First line of the docstring of the part's file, read from its source: importing it would load JAX."""
    spec = find_spec(PARTS[section][name].partition(":")[0])
    source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def _import(section: str, name: str, path: str) -> ModuleType:
    if name not in PARTS[section] and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that no file there hides an installed module
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{path}.".startswith(f"{error.name}."):
            raise ConfigError(f"{path} imports {error.name}, which is not there") from error
        if re.search(r"[.:]", name):
            raise ConfigError(f"there is no module {path} in {os.getcwd()} or on PYTHONPATH") from None
        raise _unknown(section, name) from None
    except Exception as error:  # of the user's own file: where it is wrong, and how
        frame = traceback.extract_tb(error.__traceback__)[-1]
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(f"{path} cannot be imported: {said} ({frame.filename} line {frame.lineno})") from error


def _unknown(section: str, name: str, beside: str = ";") -> ConfigError:
    near = nearest(name, PARTS[section])
    all_names = f"all are {', '.join(PARTS[section])}, or module:Class of your own"
    games = "; EnvPool's games are named by env.id" if section == "env" else ""
    return ConfigError(f"there is no {KINDS[section]} {name!r}{beside} the nearest is {near}, and {all_names}{games}")


def _callable_with(make: Callable[..., Any], arguments: list[str]) -> bool:
    try:
        inspect.signature(make).bind(*arguments)
    except TypeError:
        return False
    return True
