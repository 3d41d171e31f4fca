"""A growing ONNX graph: nodes with a name for every result, and constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrl.errors import ConfigError

BATCH = 7919  # the batch that is traced: a prime, so that an axis of a multiple of it is the batch and nothing else
Value = str | np.ndarray  # the name of a result, or what is known beforehand
Shape = Sequence[int]


class UntranslatableError(ConfigError):
    """A network does something that has no translation; the message is one sentence that names it."""


def batched(shape: Shape) -> bool:
    """Whether an array of this traced shape has the batch in it."""
    return any(_is_batch(size) for size in shape)


def dimensions(shape: Shape) -> list[int]:
    """A traced shape as `Reshape` wants it, -1 for the batch."""
    return [-1 if _is_batch(size) else int(size) for size in shape]


def _is_batch(size: int) -> bool:
    return size > 0 and size % BATCH == 0


def plain_dtype(dtype: Any) -> np.dtype:
    """The dtype in the file: bfloat16, in which runtimes on CPUs do not compute, is float32 there."""
    return np.dtype(np.float32 if np.dtype(dtype).name == "bfloat16" else dtype)


class Graph:
    """Nodes in the order in which they are computed; equal ones are computed once."""

    def __init__(self) -> None:
        from onnx import helper, numpy_helper  # pyright: ignore[reportMissingImports]

        self._helper, self._numpy = helper, numpy_helper
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._known: dict[Any, list[str]] = {}
        self.batch: str | None = None  # int64 [1], how many rows the inputs have

    def emit(self, operator: str, *inputs: Value, outputs: int = 1, **attributes: Any) -> list[str]:
        """Names of the results of a node."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        key = (operator, *names, *sorted((name, repr(value)) for name, value in attributes.items()))
        if key not in self._known:
            made = [f"{operator}_{len(self.nodes)}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
            self.nodes.append(self._helper.make_node(operator, names, made, **attributes))
            self._known[key] = made
        return self._known[key]

    def one(self, operator: str, *inputs: Value, **attributes: Any) -> str:
        """The name of a node's only result."""
        return self.emit(operator, *inputs, **attributes)[0]

    def constant(self, array: np.ndarray) -> str:
        """The name of an array that is known beforehand."""
        array = np.asarray(array, plain_dtype(array.dtype), order="C")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            name = f"constant_{len(self.initializers)}"
            self.initializers.append(self._numpy.from_array(array, name))
            self._known[key] = [name]
        return self._known[key][0]

    def shape_of(self, shape: Shape) -> Value:
        """A traced shape as int64 [rank], with the number of rows in place of the batch."""
        if not batched(shape):
            return np.array(shape, np.int64)
        if self.batch is None:
            raise UntranslatableError("this network has no observation, so that the number of rows is not known")
        sizes: list[Value] = []
        for size in shape:
            rows = self.one("Mul", self.batch, np.array([size // BATCH])) if _is_batch(size) else np.array([size])
            sizes.append(rows)
        return self.one("Concat", *sizes, axis=0)

    def reshape(self, x: Value, shape: Shape) -> str:
        """`x` in another traced shape."""
        return self.one("Reshape", x, np.array(dimensions(shape), np.int64))

    def expand(self, x: Value, shape: Shape) -> str:
        """`x` repeated along its axes of 1 to a traced shape."""
        return self.one("Expand", x, self.shape_of(shape))

    def cast(self, x: Value, dtype: Any) -> str:
        """`x` as another dtype."""
        return self.one("Cast", x, to=self._helper.np_dtype_to_tensor_dtype(plain_dtype(dtype)))
