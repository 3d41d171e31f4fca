"""JAX's primitives as nodes of ONNX (operator set 17), as far as networks have them.

Each function takes the graph, the equation and its inputs, and returns the results. Inputs that are known beforehand
never come alone: what only depends on them was computed by JAX.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxrl.run.onnx_export.graph import Graph, UntranslatableError, Value, batched

Translate = Callable[..., list[Value]]  # (graph, equation, *inputs) -> results
TO_THE_END = np.iinfo(np.int64).max

SAME = {  # operators of ONNX with the same inputs, which broadcast scalars as JAX does
    "add": "Add", "add_any": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min", "pow": "Pow",
    "neg": "Neg", "exp": "Exp", "log": "Log", "tanh": "Tanh", "logistic": "Sigmoid", "sqrt": "Sqrt", "abs": "Abs",
    "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "erf": "Erf", "sin": "Sin", "cos": "Cos", "and": "And",
    "or": "Or", "not": "Not", "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater",
    "ge": "GreaterOrEqual", "copy": "Identity", "copy_p": "Identity", "stop_gradient": "Identity",
}  # fmt: skip


def translator(name: str) -> Translate:
    """The function for a primitive; raises `UntranslatableError` where there is none."""
    if name in SAME:
        return lambda graph, equation, *inputs: [graph.one(SAME[name], *inputs)]
    if name in OTHERS:
        return lambda graph, equation, *inputs: _as_list(OTHERS[name](graph, equation, *inputs))
    raise UntranslatableError(
        f"this network computes {name!r}, which has no translation into ONNX; export it as .npz, or add the primitive "
        "to jaxrl/run/onnx_export/primitives.py"
    )


def _as_list(result: Any) -> list[Value]:
    return result if isinstance(result, list) else [result]


def _shape(variable: Any) -> tuple[int, ...]:
    return variable.aval.shape


def _axes(values: Any) -> np.ndarray:
    return np.array(list(values), np.int64)


def _like_input(equation: Any, number: float) -> np.ndarray:
    return np.array(number, equation.invars[0].aval.dtype)


def _dot(graph: Graph, equation: Any, x: Value, y: Value) -> Value:
    (over_x, over_y), (batch_x, batch_y) = equation.params["dimension_numbers"]
    ranks = [len(_shape(v)) for v in equation.invars]
    if not batch_x and ranks[1] == 2 and tuple(over_x) == (ranks[0] - 1,) and tuple(over_y) == (0,):
        return graph.one("MatMul", x, y)
    letters = iter(string.ascii_lowercase)
    left = [next(letters) for _ in range(ranks[0])]
    right = [next(letters) for _ in range(ranks[1])]
    for a, b in zip((*over_x, *batch_x), (*over_y, *batch_y), strict=True):
        right[b] = left[a]
    out = [left[a] for a in batch_x]
    out += [letter for a, letter in enumerate(left) if a not in (*over_x, *batch_x)]
    out += [letter for b, letter in enumerate(right) if b not in (*over_y, *batch_y)]
    return graph.one("Einsum", x, y, equation=f"{''.join(left)},{''.join(right)}->{''.join(out)}")


def _convolution(graph: Graph, equation: Any, x: Value, kernel: Value) -> Value:
    p = equation.params
    if any(d != 1 for d in p["lhs_dilation"]) or p["batch_group_count"] != 1:
        raise UntranslatableError("this network has a transposed convolution, which has no translation into ONNX")
    numbers, pads = p["dimension_numbers"], list(zip(*p["padding"], strict=True))
    convolved = graph.one(
        "Conv",
        _transposed(graph, x, numbers.lhs_spec),
        _transposed(graph, kernel, numbers.rhs_spec),
        strides=list(p["window_strides"]),
        pads=[int(pad) for side in pads for pad in side],
        dilations=list(p["rhs_dilation"]),
        group=int(p["feature_group_count"]),
    )
    return _transposed(graph, convolved, np.argsort(numbers.out_spec))


def _transposed(graph: Graph, x: Value, order: Any) -> Value:
    if not isinstance(x, str):
        return np.transpose(x, order)
    order = [int(axis) for axis in order]
    return x if order == sorted(order) else graph.one("Transpose", x, perm=order)


def _max_pool(graph: Graph, equation: Any, x: Value) -> Value:
    p = equation.params
    window, strides, pads = p["window_dimensions"], p["window_strides"], p["padding"]
    still = [a for a, size in enumerate(window) if size == 1 and strides[a] == 1 and tuple(pads[a]) == (0, 0)]
    order = [*still[:2], *(a for a in range(len(window)) if a not in still[:2])]  # ONNX pools all axes but two
    inner = order[2:]
    pooled = graph.one(
        "MaxPool",
        _transposed(graph, x, order),
        kernel_shape=[int(window[a]) for a in inner],
        strides=[int(strides[a]) for a in inner],
        pads=[int(pads[a][side]) for side in (0, 1) for a in inner],
        dilations=[int(p["window_dilation"][a]) for a in inner],
    )
    return _transposed(graph, pooled, np.argsort(order))


def _broadcast(graph: Graph, equation: Any, x: Value, *_: Value) -> Value:
    shape, kept = _shape(equation.outvars[0]), equation.params["broadcast_dimensions"]
    before = _shape(equation.invars[0])
    middle = [1] * len(shape)
    for axis, size in zip(kept, before, strict=True):
        middle[axis] = size
    spread = graph.reshape(x, middle) if tuple(middle) != before else x
    return spread if tuple(middle) == tuple(shape) else graph.expand(spread, shape)


def _reshape(graph: Graph, equation: Any, x: Value, *_: Value) -> Value:
    return graph.reshape(x, _shape(equation.outvars[0]))


def _slice(graph: Graph, equation: Any, x: Value) -> Value:
    p, shape = equation.params, _shape(equation.invars[0])
    ends = [TO_THE_END if end == size else end for end, size in zip(p["limit_indices"], shape, strict=True)]
    strides = p["strides"] or [1] * len(shape)
    return graph.one("Slice", x, _axes(p["start_indices"]), _axes(ends), _axes(range(len(shape))), _axes(strides))


def _split(graph: Graph, equation: Any, x: Value) -> list[Value]:
    sizes = equation.params["sizes"]
    return [*graph.emit("Split", x, _axes(sizes), axis=int(equation.params["axis"]), outputs=len(sizes))]


def _stack(graph: Graph, equation: Any, *parts: Value) -> Value:
    axis = int(equation.params["axis"])
    return graph.one("Concat", *(graph.one("Unsqueeze", part, _axes([axis])) for part in parts), axis=axis)


def _pad(graph: Graph, equation: Any, x: Value, value: Value) -> Value:
    low, high, between = zip(*equation.params["padding_config"], strict=True)
    if any(between):
        raise UntranslatableError("this network pads between elements, which has no translation into ONNX")
    return graph.one("Pad", x, _axes((*low, *high)), value)


def _select(graph: Graph, equation: Any, which: Value, *cases: Value) -> Value:
    if len(cases) != 2 or equation.invars[0].aval.dtype != np.bool_:
        raise UntranslatableError("this network selects among more than two cases, which has no translation into ONNX")
    return graph.one("Where", which, cases[1], cases[0])


def _reduce(operator: str, as_integer: bool = False) -> Translate:
    def translate(graph: Graph, equation: Any, x: Value) -> list[Value]:
        axes = [int(axis) for axis in equation.params["axes"]]
        if operator == "ReduceSum":
            return [graph.one(operator, x, _axes(axes), keepdims=0)]
        reduced = graph.one(operator, graph.cast(x, np.int32) if as_integer else x, axes=axes, keepdims=0)
        return [graph.cast(reduced, np.bool_) if as_integer else reduced]

    return translate


def _iota(graph: Graph, equation: Any) -> Value:
    shape, axis = _shape(equation.outvars[0]), equation.params["dimension"]
    if batched(shape[axis : axis + 1]):
        raise UntranslatableError("this network numbers the rows of its batch, which has no translation into ONNX")
    line = np.arange(shape[axis]).astype(equation.params["dtype"])
    middle = line.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return graph.expand(middle, shape)


OTHERS: dict[str, Callable[..., Any]] = {
    "dot_general": _dot,
    "conv_general_dilated": _convolution,
    "reduce_window_max": _max_pool,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _reshape,
    "expand_dims": _reshape,
    "transpose": lambda graph, equation, x: _transposed(graph, x, equation.params["permutation"]),
    "slice": _slice,
    "split": _split,
    "concatenate": lambda graph, equation, *parts: graph.one("Concat", *parts, axis=int(equation.params["dimension"])),
    "stack": _stack,
    "pad": _pad,
    "select_n": _select,
    "iota": _iota,
    "convert_element_type": lambda graph, equation, x: graph.cast(x, equation.params["new_dtype"]),
    "clamp": lambda graph, equation, low, x, high: graph.one("Min", graph.one("Max", x, low), high),
    "reduce_sum": _reduce("ReduceSum"),
    "reduce_max": _reduce("ReduceMax"),
    "reduce_min": _reduce("ReduceMin"),
    "reduce_or": _reduce("ReduceMax", as_integer=True),
    "reduce_and": _reduce("ReduceMin", as_integer=True),
    "square": lambda graph, equation, x: graph.one("Mul", x, x),
    "integer_pow": lambda graph, equation, x: graph.one("Pow", x, _like_input(equation, equation.params["y"])),
    "rsqrt": lambda graph, equation, x: graph.one("Reciprocal", graph.one("Sqrt", x)),
    "log1p": lambda graph, equation, x: graph.one("Log", graph.one("Add", x, _like_input(equation, 1))),
    "expm1": lambda graph, equation, x: graph.one("Sub", graph.one("Exp", x), _like_input(equation, 1)),
    "ne": lambda graph, equation, x, y: graph.one("Not", graph.one("Equal", x, y)),
}
