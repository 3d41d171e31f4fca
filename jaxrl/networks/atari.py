"""Convolutional networks for stacked frames: the Nature CNN, a small one for CPUs, IMPALA's deep ResNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jaxrl.errors import ConfigError
from jaxrl.networks.family import FamilyConfig, complete, one_array

if TYPE_CHECKING:
    from jaxrl.networks.heads import PolicyValueNetwork
    from jaxrl.types import EnvSpec

SMALLEST_FRAME = {"nature": 36, "small": 17, "resnet": 1}  # of smaller ones the last convolution sees nothing


@dataclass(frozen=True)
class Config(FamilyConfig):
    """Convolutions over frames, shared by policy and value.

    Args:
        torso: `nature` and `resnet` for 84x84 frames, `small` for CPUs.
    """

    torso: Literal["nature", "resnet", "small"] = "nature"


def make(config: Config, spec: EnvSpec) -> PolicyValueNetwork:
    """The network for an environment: `apply({"params": params}, observation [N, ...]) -> NetworkOutput`.

    Raises:
        ConfigError: the torso cannot take such observations.
    """
    _check(config, spec)
    from jaxrl.networks.torsos import make_torso  # loads JAX

    torso = make_torso(config.torso, config.hidden_sizes, config.dtype, config.input == "motion")
    return complete(config, torso, spec)


def _check(config: Config, spec: EnvSpec) -> None:
    shape = one_array(config, spec).shape
    if config.torso not in SMALLEST_FRAME:
        choices = ", ".join(SMALLEST_FRAME)
        raise ConfigError(f"network.torso {config.torso!r} does not exist; choose one of {choices}.")
    if len(shape) != 3:
        raise ConfigError(
            f"network.torso {config.torso!r} needs frames [channels, height, width], but the environment's observation "
            f"has shape {list(shape)}; use network.name mlp."
        )
    smallest = SMALLEST_FRAME[config.torso]
    if min(shape[1:]) < smallest:
        raise ConfigError(
            f"network.torso {config.torso!r} needs frames of at least {smallest}x{smallest} pixels, not "
            f"{shape[1]}x{shape[2]}; use a larger env.frame_size or another torso."
        )
