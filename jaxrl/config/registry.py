"""Algorithms by name. Modules are imported when asked for, so that listing them loads no JAX."""

from __future__ import annotations

import ast
import importlib
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from jaxrl.errors import ConfigError

AGENTS: dict[str, str] = {
    "a2c": "jaxrl.agents.a2c",
    "casa": "jaxrl.agents.casa",
    "impala": "jaxrl.agents.impala",
}


def load(name: str) -> ModuleType:
    """The agent's module, which has `Config` and `make`."""
    if name not in AGENTS:
        near = get_close_matches(name, AGENTS, 1, cutoff=0)[0]
        raise ConfigError(f"there is no agent {name!r}; the nearest is {near}, and all are {', '.join(AGENTS)}")
    return importlib.import_module(AGENTS[name])


def name_of(agent_config: object) -> str:
    """The name under which the class of `agent_config` is registered."""
    module = type(agent_config).__module__
    for name, path in AGENTS.items():
        if path == module:
            return name
    raise ConfigError(f"{module} is not in jaxrl.config.registry.AGENTS")


def summary(name: str) -> str:
    """First line of the agent's docstring, read from its source: importing it would load JAX."""
    spec = find_spec(AGENTS[name])
    source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
