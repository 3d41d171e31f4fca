"""What a run of all stages is made with: a YAML file with a section for each stage."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from jaxrl.config.conversion import UNREADABLE, Loader, convert, expected
from jaxrl.errors import ConfigError, nearest
from jaxrl.speech.decoder.flow_training import FlowConfig
from jaxrl.speech.policy.policy_config import PolicyConfig
from jaxrl.speech.rl.rl_config import RLConfig
from jaxrl.speech.suite.suite_config import SuiteConfig
from jaxrl.speech.tokenizer.codec_training import CodecConfig

MAY_BE_ZERO = ("seed", "dropout", "noise", "phone_weight", "rehearsed", "throats", "second_steps", "kl_cost")
MOST = 2**31  # what seeds and sizes are below; NaN is not


@dataclass(frozen=True)
class EngineConfig:
    """The data engine.

    Args:
        utterances: without the spoken answers to the questions among them.
        seed: of the plan.
    """

    utterances: int = 250
    seed: int = 0


@dataclass(frozen=True)
class Scale:
    """All stages that there are.

    Args:
        engine: the data.
        tokenizer: the codebooks.
        decoder: flow matching; its ablation has the same settings.
        policy: the transformer over text and speech, and its student.
        rl: reinforcement learning of the policy.
        suite: the evaluation.
    """

    engine: EngineConfig = field(default_factory=EngineConfig)
    tokenizer: CodecConfig = field(default_factory=CodecConfig)
    decoder: FlowConfig = field(default_factory=FlowConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    rl: RLConfig = field(default_factory=RLConfig)
    suite: SuiteConfig = field(default_factory=SuiteConfig)


def read_scale(path: Path) -> Scale:
    """The settings in a file; raises `ConfigError` for a file, section, setting or value that cannot be."""
    try:
        sections = yaml.load(path.read_text(encoding="utf-8"), Loader) or {}
    except FileNotFoundError:
        known = ", ".join(sorted(one.stem for one in path.parent.glob("*.yaml")))
        raise ConfigError(f"there is no file {path}; the scales are {known or 'in configs/speech'}") from None
    except (OSError, *UNREADABLE) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(sections, dict):
        raise ConfigError(f"{path} is no scale; it must have sections, such as engine: {{utterances: 250}}")
    hints = get_type_hints(Scale)
    for section in sections:
        _known(path, section, hints)
    return Scale(**{section: _section(path, section, values, hints[section]) for section, values in sections.items()})


def _section(path: Path, section: str, values: Any, of: type) -> Any:
    hints = get_type_hints(of)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: {section} is a section, not a value; set one of its parts, such as {min(hints)}")
    found = {}
    for name, value in values.items():
        _known(path, name, hints, f"{section}.")
        try:
            found[name] = convert(value, hints[name])
        except ValueError:
            raise ConfigError(f"{path}: {section}.{name} must be {expected(hints[name])}, not {value!r}") from None
        if isinstance(found[name], int | float) and not (
            0 <= found[name] < MOST and (found[name] or name in MAY_BE_ZERO)
        ):
            least = "0 or more" if name in MAY_BE_ZERO else "above 0"
            raise ConfigError(f"{path}: {section}.{name} must be {least}, and below 2^31, got {value}")
    return dataclasses.replace(of(), **found)


def _known(path: Path, name: str, names: dict[str, Any], prefix: str = "") -> None:
    if name not in names:
        near = nearest(name, names)
        raise ConfigError(f"{path}: there is no setting {prefix}{name}; the nearest is {prefix}{near}")
