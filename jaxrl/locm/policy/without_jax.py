"""One game without JAX: NumPy stands in for it in a process that plays a single game, so that it starts in no time.

The rules, what a seat sees and what is legal are written for batches, in the part of JAX's interface that NumPy has
too. For one game that is some hundred operations on a dozen numbers, while importing JAX and loading its programs takes
most of a bot's start, of which the contest allows a few seconds. All of it is in integers, or is rounded once from
integers, so that both give the same bits; a test plays a game by both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np


def stand_in() -> None:
    """Put NumPy in the place of JAX, for the whole process and before any of it is imported.

    What is not in the bot's way is not there: compiled loops, random numbers, devices.
    """
    assert "jax" not in sys.modules, "JAX is imported already"
    numpy, lax, jax = (ModuleType(name) for name in ("jax.numpy", "jax.lax", "jax"))
    numpy.__dict__.update(vars(np), take_along_axis=_take_along_axis)
    lax.__dict__.update(div=_div)
    tree, config = SimpleNamespace(map=_map), SimpleNamespace(update=lambda name, value: None)
    members = {"Array": np.ndarray, "jit": _jit, "device_get": lambda x: _map(np.array, x), "devices": list}
    jax.__dict__.update(numpy=numpy, lax=lax, tree=tree, config=config, **members)
    sys.modules.update({"jax": jax, "jax.numpy": numpy, "jax.lax": lax})


def _jit(function: Callable[..., Any] | None = None, **_: Any) -> Callable[..., Any]:
    return _jit if function is None else function


def _map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """`jax.tree.map` over records and tuples."""
    if not isinstance(tree, tuple):
        return function(tree, *others)
    mapped = [_map(function, *leaves) for leaves in zip(tree, *others, strict=True)]
    return type(tree)(*mapped) if hasattr(tree, "_fields") else tuple(mapped)


def _div(x: Any, y: Any) -> Any:
    """Integers divided towards zero."""
    return np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))


def _take_along_axis(array: Any, index: Any, axis: int, mode: str) -> Any:
    """NumPy's own raises where `mode` promises that nothing is out of range."""
    return np.take_along_axis(np.asarray(array), np.asarray(index), axis)
