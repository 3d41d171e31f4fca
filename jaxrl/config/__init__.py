"""What may be set, read from files and the command line, and what follows from it."""

from jaxrl.config.sections import (
    EnvConfig,
    EvaluationConfig,
    ExperimentConfig,
    HostsConfig,
    NetworkConfig,
    PBTConfig,
    PopulationConfig,
    RecordConfig,
    RuntimeConfig,
)
from jaxrl.errors import ConfigError

__all__ = [
    "ConfigError",
    "EnvConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "HostsConfig",
    "NetworkConfig",
    "PBTConfig",
    "PopulationConfig",
    "RecordConfig",
    "RuntimeConfig",
]
