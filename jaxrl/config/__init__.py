"""What may be set, read from files and the command line, and what follows from it."""

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
