"""What the families of networks share: settings, their checks, and the core and the heads round a torso.

No JAX at the top: `jaxrl train --help` reads the default family's settings, and must not wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from jaxrl.config.conditions import ReadIf
from jaxrl.config.ranges import AtLeast
from jaxrl.errors import ConfigError

if TYPE_CHECKING:
    from jaxrl.networks.heads import PolicyValueNetwork
    from jaxrl.types import ArraySpec, EnvSpec


@dataclass(frozen=True)
class FamilyConfig:
    """The function approximator shared by policy and value.

    Args:
        hidden_sizes: widths of the torso's dense layers, those after the convolutions where it has some.
        input: `plain` divides frames by 255; `motion` shows the newest frame around its mean and the amplified
            differences of successive frames, in which small moving things stand out.
        dtype: of activations and matrix products below the heads; both heads and all parameters stay float32.
        core: `none`, or `lstm` for a memory between the torso and the heads.
        core_size: units of the memory.
    """

    hidden_sizes: tuple[Annotated[int, AtLeast(1)], ...] = (512,)
    input: Literal["plain", "motion"] = "plain"
    dtype: Literal["float32", "bfloat16"] = "float32"
    core: Literal["none", "lstm"] = "none"
    core_size: Annotated[int, AtLeast(1), ReadIf("network.core", "lstm")] = 256


def one_array(config: FamilyConfig, spec: EnvSpec) -> ArraySpec:
    """The only array of an observation; raises a ConfigError of one sentence where the family cannot take it."""
    if not hasattr(spec.observation, "shape"):
        raise ConfigError(
            f"this network needs an observation of one array, but the environment's has several parts: "
            f"{spec.describe()}; set network.name to one that takes them, such as mlp."
        )
    check_input(config, spec)
    return spec.observation


def check_input(config: FamilyConfig, spec: EnvSpec) -> None:
    """Raises a ConfigError of one sentence where `network.input` cannot be made of the observation."""
    array = spec.observation
    if config.input == "motion" and (len(getattr(array, "shape", ())) != 3 or array.dtype != "uint8"):
        raise ConfigError(
            f"network.input motion needs stacked uint8 frames, but the environment's observation is "
            f"{spec.describe()}; use network.input plain."
        )


def complete(config: FamilyConfig, torso: Any, spec: EnvSpec, value_torso: Any = None) -> PolicyValueNetwork:
    """The network: `torso` with what `config` wants before it, behind it and on top.

    Raises:
        ConfigError: a value with a torso of its own cannot have a memory.
    """
    import jax.numpy as jnp

    from jaxrl.networks.heads import PolicyValueNetwork
    from jaxrl.networks.lstm import LSTM

    dtype = jnp.dtype(config.dtype)
    core = LSTM(config.core_size, dtype) if config.core == "lstm" else None
    if core is not None and value_torso is not None:
        raise ConfigError("network.separate_value gives the value no memory; set network.core none, or leave it out")
    return PolicyValueNetwork(torso, spec.num_actions, core, spec.bounds is not None, value_torso)
