"""Gymnasium's spaces, in which EnvPool too says what it shows and what it takes, as specs and arrays of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from jaxrl.envs.base import EnvError
from jaxrl.types import ArraySpec, Bounds, PyTree

COLOURS = (1, 3, 4)  # channels that a picture has, where they come last


class Part(NamedTuple):
    """One array of an observation."""

    spec: ArraySpec  # without B
    read: Callable[[np.ndarray], np.ndarray]  # from the environment's array [B, ...]


class Observer:
    """From what a batch of environments shows to observations: one array, or several by name.

    A number of N becomes a vector with a one at its place, bytes stay bytes, a picture of bytes gets its channels
    first, and everything else becomes float32.

    Args:
        shown: the space of each part by name; of an observation without parts under the name "".
        chosen: the parts that are seen; all where there are none. One alone is an observation without parts.
        env_id: for messages.

    Raises:
        EnvError: there is no such part, or one is no array.
    """

    def __init__(self, shown: Mapping[str, Any], chosen: Sequence[str], env_id: str) -> None:
        for name in chosen:
            if name not in shown or not name:
                there = f"may name {', '.join(shown)}" if "" not in shown else "must be left out: there are no parts"
                raise EnvError(f"{env_id} shows no part {name!r}; env.parts {there}.")
        found = {name: part_of(space) for name, space in shown.items() if not chosen or name in chosen}
        self._parts: dict[str, Part] = {}
        for name, part in found.items():
            if part is None:
                arrays = ", ".join(other for other, one in found.items() if one is not None)
                raise EnvError(
                    f"{env_id} shows {name or 'an observation'} of the kind {type(shown[name]).__name__}, which is no "
                    f"array; name in env.parts what is to be seen: [{arrays}]."
                )
            self._parts[name] = part

    @property
    def spec(self) -> PyTree:
        """Of an observation, without B."""
        return self._shape({name: part.spec for name, part in self._parts.items()})

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> PyTree:
        """The observation, of the environment's arrays [B, ...] by name."""
        return self._shape({name: part.read(arrays[name]) for name, part in self._parts.items()})

    def _shape(self, named: dict[str, Any]) -> PyTree:
        return named if len(named) > 1 else next(iter(named.values()))


def flatten(node: Any, name: str = "") -> dict[str, Any]:
    """The spaces of an observation, or its arrays, by name; inside others with a dot between, of a tuple by number."""
    if not isinstance(node, Mapping | tuple | spaces.Tuple):
        return {name: node}
    inside = node.items() if isinstance(node, Mapping) else enumerate(node)
    prefix = f"{name}." if name else ""
    return {path: leaf for key, one in inside for path, leaf in flatten(one, f"{prefix}{key}").items()}


def part_of(space: Any) -> Part | None:
    """How a space is seen; None where it is no array, such as a text."""
    if isinstance(space, spaces.Discrete):
        return _one_hot((int(space.n),), int(space.start))
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
        return _one_hot(tuple(map(int, space.nvec)), np.asarray(space.start))
    if not isinstance(space, spaces.Box | spaces.MultiBinary | spaces.MultiDiscrete):
        return None
    shape = tuple(map(int, space.shape))
    if space.dtype != np.uint8:
        return Part(ArraySpec(shape, "float32"), lambda x: x.astype(np.float32, copy=False))
    if len(shape) == 3 and shape[-1] in COLOURS and shape[0] not in COLOURS:
        moved = (shape[-1], *shape[:-1])
        return Part(ArraySpec(moved, "uint8"), lambda x: np.ascontiguousarray(np.moveaxis(x, -1, 1)))
    return Part(ArraySpec(shape, "uint8"), lambda x: x)


def _one_hot(sizes: tuple[int, ...], start: Any) -> Part:
    """Numbers [B] or [B, k] of `sizes` from `start`, as a one for each among zeros."""
    tables = [np.eye(size, dtype=np.float32) for size in sizes]

    def read(numbers: np.ndarray) -> np.ndarray:
        columns = np.reshape(numbers, (len(numbers), len(sizes))) - start
        return np.concatenate([table[columns[:, i]] for i, table in enumerate(tables)], axis=-1)

    return Part(ArraySpec((sum(sizes),), "float32"), read)


def read_action(space: Any, env_id: str) -> tuple[int, Bounds | None]:
    """How many actions there are, or components of a continuous one and its bounds.

    Raises:
        EnvError: an action of another kind.
    """
    if isinstance(space, spaces.Discrete) and space.start == 0:
        return int(space.n), None
    if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.dtype.kind == "f":
        low, high = (tuple(map(float, ends)) for ends in (space.low, space.high))
        return len(low), Bounds(low, high)
    raise EnvError(
        f"{env_id} has the action space {space}; choose an env.id with one discrete action, or with a vector of "
        "continuous ones."
    )
