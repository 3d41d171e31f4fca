"""What may be set, read from files and the command line, and what follows from it."""

from typing import Any

from jaxrl.config import registry
from jaxrl.config.sections import (
    EvaluationConfig,
    ExperimentConfig,
    HostsConfig,
    PBTConfig,
    PopulationConfig,
    RecordConfig,
    RuntimeConfig,
)
from jaxrl.errors import ConfigError

__all__ = [
    "ConfigError",
    "EvaluationConfig",
    "ExperimentConfig",
    "HostsConfig",
    "PBTConfig",
    "PopulationConfig",
    "RecordConfig",
    "RuntimeConfig",
]


def __getattr__(name: str) -> Any:
    """`EnvConfig`, the settings of the default environment, loaded when somebody asks for it."""
    if name == "EnvConfig":
        return registry.load("env", "envpool").Config
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
