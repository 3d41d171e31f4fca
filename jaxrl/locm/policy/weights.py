"""A trained policy's numbers: what the network was built with, its parameters, and how actions were drawn. No JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxrl.errors import UserError

PARAMS, HYPERS = "state/params/", "state/hypers/"


class PolicyError(UserError):
    """There is no policy of the card game here; one sentence."""


class Weights(NamedTuple):
    """A policy of the card game."""

    name: str
    settings: Mapping[str, Any]  # of the network, by the fields of its `Config`
    params: Mapping[str, Any]  # nested by layer, float32
    scale: float  # factor between the policy head and the logits
    env_steps: int | None = None  # of its training, where it is known


def as_weights(
    name: str, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray], env_steps: Any = None
) -> Weights:
    """The policy of a run or of an exported file.

    Args:
        name: of the policy.
        config: of its run.
        arrays: of its checkpoint by their paths.
        env_steps: of its training.

    Raises:
        PolicyError: the run trained something else.
    """
    network = dict(config.get("network") or {})
    if network.pop("name", None) != "cards":
        raise PolicyError(f"{name} is no policy of the card game; name a run with network.name cards")
    params: dict[str, Any] = {}
    for path, array in arrays.items():
        if path.startswith(PARAMS):
            *layers, leaf = path.removeprefix(PARAMS).split("/")
            inner = params
            for layer in layers:
                inner = inner.setdefault(layer, {})
            inner[leaf] = np.asarray(array, np.float32)
    if not params:
        raise PolicyError(f"{name} has no parameters; train it first")

    # Runs of before there was a choice do not name it.
    network.setdefault("pick_head", "dense" if "card" in params.get("pick", {}) else "product")

    def hyper(key: str) -> float:
        return float(arrays.get(f"{HYPERS}{key}", 1.0))

    return Weights(name, network, params, hyper("advantage_scale") / hyper("temperature"), env_steps)
