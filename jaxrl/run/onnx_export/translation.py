"""A traced function as an ONNX graph: every equation that its outputs need, in order.

Chosen over a converter from outside: those at hand bring some twenty packages for what is a table of primitives here,
and none knows that of `lax.platform_dependent` the plain form is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core

from jaxrl.run.onnx_export.graph import Graph, UntranslatableError, Value, batched, plain_dtype
from jaxrl.run.onnx_export.primitives import translator

LONGEST_SCAN = 16  # steps that are written out
INLINED = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr"}
INLINED |= {"custom_vjp_call": "call_jaxpr", "custom_vmap_call": "call", "remat": "jaxpr", "checkpoint": "jaxpr"}


def translate(graph: Graph, closed: Any, inputs: Sequence[Value]) -> list[Value]:
    """The outputs of a closed jaxpr, added to `graph` after its `inputs`; raises `UntranslatableError`."""
    constants = [np.asarray(x) for x in closed.consts]
    return _walk(graph, closed.jaxpr, [*constants, *inputs])


def _walk(graph: Graph, jaxpr: Any, arguments: Sequence[Value]) -> list[Value]:
    values: dict[Any, Value] = dict(zip([*jaxpr.constvars, *jaxpr.invars], arguments, strict=True))
    platforms: dict[Any, int] = {}  # which branch is that of every platform

    def read(atom: Any) -> Value:
        return np.asarray(atom.val) if isinstance(atom, core.Literal) else values[atom]

    for equation in _needed(jaxpr):
        if equation.primitive.name == "platform_index":
            platforms[equation.outvars[0]] = equation.params["platforms"].index(None)
            continue
        if equation.primitive.name == "cond" and equation.invars[0] in platforms:
            branch = equation.params["branches"][platforms[equation.invars[0]]]
            results = translate(graph, branch, [read(atom) for atom in equation.invars[1:]])
        else:
            results = _equation(graph, equation, [read(atom) for atom in equation.invars])
        values |= dict(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _needed(jaxpr: Any) -> list[Any]:
    """The equations on which the outputs depend: of acting that is the network, and not the drawing of an action."""
    wanted = {atom for atom in jaxpr.outvars if not isinstance(atom, core.Literal)}
    kept = []
    for equation in reversed(jaxpr.eqns):
        if wanted.intersection(equation.outvars):
            kept.append(equation)
            wanted.update(atom for atom in equation.invars if not isinstance(atom, core.Literal))
    return kept[::-1]


def _equation(graph: Graph, equation: Any, inputs: list[Value]) -> list[Value]:
    name = equation.primitive.name
    known = not any(isinstance(value, str) for value in inputs)
    if known and not any(batched(variable.aval.shape) for variable in equation.outvars):
        results = equation.primitive.bind(*inputs, **equation.params)
        return [np.asarray(x) for x in (results if equation.primitive.multiple_results else [results])]
    if name in INLINED:
        inner = equation.params[INLINED[name]]
        return translate(graph, inner, inputs) if hasattr(inner, "consts") else _walk(graph, inner, inputs)
    if name == "scan":
        return _scan(graph, equation.params, inputs)
    return translator(name)(graph, equation, *inputs)


def _scan(graph: Graph, params: Mapping[str, Any], inputs: list[Value]) -> list[Value]:
    """The steps one after the other."""
    length, consts, carried = params["length"], params["num_consts"], params["num_carry"]
    if length > LONGEST_SCAN:
        raise UntranslatableError(f"this network has a loop of {length} steps; at most {LONGEST_SCAN} are translated")
    fixed, carry, rows = inputs[:consts], inputs[consts : consts + carried], inputs[consts + carried :]
    steps: list[list[Value]] = [[] for _ in range(length)]
    for step in range(length)[:: -1 if params["reverse"] else 1]:
        seen = [graph.one("Gather", row, np.array(step), axis=0) for row in rows]
        results = translate(graph, params["jaxpr"], [*fixed, *carry, *seen])
        carry = results[:carried]
        steps[step] = [graph.one("Unsqueeze", result, np.array([0])) for result in results[carried:]]
    stacked = [graph.one("Concat", *column, axis=0) for column in zip(*steps, strict=True)]
    return [*carry, *stacked]


def to_model(
    function: Any, inputs: Mapping[str, jax.ShapeDtypeStruct], outputs: Sequence[str], metadata: Mapping[str, str]
) -> Any:
    """An ONNX model of `function(*arrays) -> tuple of arrays`, whose leading axis is the batch, any number of rows.

    Args:
        inputs: shape and dtype by name, with `BATCH` rows.

    Raises:
        UntranslatableError: the function does what has no translation.
    """
    from onnx import checker, helper  # pyright: ignore[reportMissingImports]

    closed = jax.make_jaxpr(function)(*inputs.values())
    graph, names = Graph(), list(inputs)
    shape = graph.one("Shape", names[0])
    graph.batch = graph.one("Slice", shape, np.array([0]), np.array([1]))
    results = translate(graph, closed, names)
    for name, value in zip(outputs, results, strict=True):
        whole = value if isinstance(value, str) else graph.constant(value)
        graph.nodes.append(helper.make_node("Identity", [whole], [name]))
    seen = [_described(helper, name, spec.shape, spec.dtype) for name, spec in inputs.items()]
    found = [
        _described(helper, name, aval.shape, aval.dtype) for name, aval in zip(outputs, closed.out_avals, strict=True)
    ]
    made = helper.make_graph(graph.nodes, "policy", seen, found, graph.initializers)
    model = helper.make_model(made, producer_name="jaxrl", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(metadata))
    checker.check_model(model, full_check=True)
    return model


def _described(helper: Any, name: str, shape: Sequence[int], dtype: Any) -> Any:
    kind = helper.np_dtype_to_tensor_dtype(plain_dtype(dtype))
    return helper.make_tensor_value_info(name, kind, ["N" if batched((size,)) else size for size in shape])
