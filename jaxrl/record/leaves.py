"""A pytree as named NumPy arrays and back, with every dtype, PRNG key, None and Python number as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl.types import PyTree


class Leaf(NamedTuple):
    """One leaf: where it sits, what it is, and its numbers (None for a leaf that is None)."""

    path: str
    kind: str  # "array", "none", or the name of a PRNG implementation such as "key:threefry2x32"
    array: np.ndarray | None

    def describe(self) -> str:
        """For a message: `float32 [3, 4]`."""
        if self.kind == "none" or self.array is None:
            return "None"
        shape = list(self.array.shape)
        return f"{self.kind} {shape[:-1]}" if self.kind.startswith("key:") else f"{self.array.dtype} {shape}"


class MismatchError(ValueError):
    """The saved leaves do not fit the template; the message says where the first difference is."""


def flatten(tree: PyTree) -> list[Leaf]:
    """Every leaf of `tree`, None included, copied to the host; raises `TypeError` for what is no array or number."""
    paths = jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_none)[0]
    return [_to_leaf(_name(path), value) for path, value in paths]


def unflatten(template: PyTree, leaves: Sequence[Leaf]) -> PyTree:
    """A tree built like `template` with the numbers of `leaves`.

    A leaf comes back as the kind of thing that the template holds there: a JAX array with the template's sharding, a
    NumPy array, or a Python number. The template may hold `jax.ShapeDtypeStruct` instead of arrays.

    Raises:
        MismatchError: structure, shape or dtype differ.
    """
    expected, treedef = jax.tree_util.tree_flatten_with_path(template, is_leaf=_is_none)
    saved = {leaf.path: leaf for leaf in leaves}
    wanted = [_name(path) for path, _ in expected]
    if missing := [path for path in wanted if path not in saved]:
        raise MismatchError(f"{missing[0]} is missing in the checkpoint")
    if surplus := list(saved.keys() - set(wanted)):
        raise MismatchError(f"{min(surplus)} is in the checkpoint but not wanted here")
    values = [_from_leaf(saved[path], like) for path, (_, like) in zip(wanted, expected, strict=True)]
    return jax.tree_util.tree_unflatten(treedef, values)


def _is_none(value: Any) -> bool:
    return value is None


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/") or "."


def _is_key(value: Any) -> bool:
    return hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def _to_leaf(path: str, value: Any) -> Leaf:
    if value is None:
        return Leaf(path, "none", None)
    if _is_key(value):
        return Leaf(path, f"key:{jax.random.key_impl(value)}", np.array(jax.random.key_data(value)))
    array = np.array(value)
    if array.dtype.kind in "OSUM":
        raise TypeError(f"{path} holds {type(value).__name__}, but a checkpoint holds arrays, numbers and None only")
    return Leaf(path, "array", array)


def _from_leaf(leaf: Leaf, like: Any) -> Any:
    if not _fits(leaf, like):
        raise MismatchError(f"{leaf.path} is {leaf.describe()} in the checkpoint but {_describe(like)} here")
    if leaf.array is None:
        return None
    if leaf.kind.startswith("key:"):
        return _place(jax.random.wrap_key_data(jnp.array(leaf.array), impl=leaf.kind.removeprefix("key:")), like)
    if isinstance(like, bool | int | float | complex):
        return type(like)(leaf.array.item())
    if isinstance(like, np.generic):
        return leaf.array[()]
    if isinstance(like, np.ndarray):
        return leaf.array
    return _place(jnp.array(leaf.array), like)


def _fits(leaf: Leaf, like: Any) -> bool:
    if leaf.array is None or like is None:
        return leaf.array is None and like is None
    if _is_key(like):
        return leaf.kind.startswith("key:") and tuple(like.shape) == leaf.array.shape[:-1]
    like = np.asarray(like) if isinstance(like, bool | int | float | complex) else like
    return leaf.kind == "array" and tuple(like.shape) == leaf.array.shape and like.dtype == leaf.array.dtype


def _describe(like: Any) -> str:
    if like is None:
        return "None"
    if hasattr(like, "shape"):
        return f"{like.dtype} {list(like.shape)}"
    return type(like).__name__


def _place(value: jax.Array, like: Any) -> jax.Array:
    """`value` on the devices of `like`. An uncommitted template stays uncommitted, free to meet any device."""
    if isinstance(like, jax.Array) and like.committed:
        return jax.device_put(value, like.sharding)
    return value
