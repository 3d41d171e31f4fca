"""A learner update in pieces, for a device that also acts: acting gets its turn between two gradient steps.

A device does what it is given in order, so an `act` that comes while an update is one long program waits for its end.
The pieces are cut from that program, at its loop over gradient steps: what comes before, one step, what comes after. So
no agent knows of them, and the numbers stay the same bits.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal, Var, jaxpr_as_fun
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrl.types import GRADIENT_STEPS, Agent, Metrics, TrainState, Trajectory

Values = dict[Var, jax.Array]


class PieceByPiece:
    """The learner step of `agent` on the one device of `mesh`, which is given one gradient step at a time.

    An update without a loop of several steps in the scope `GRADIENT_STEPS` stays one piece.
    """

    def __init__(self, agent: Agent, mesh: Mesh) -> None:
        self._update = agent.update
        self._sharding = NamedSharding(mesh, PartitionSpec())
        self._cut = False
        self.programs: list[Any] = []  # jitted
        self._loop: Any = None

    def __call__(self, state: TrainState, batch: Trajectory) -> tuple[TrainState, Metrics]:
        if not self._cut:
            state = jax.device_put(state, self._sharding)  # as all later ones: each piece is compiled once
            self._cut_up(state, batch)
        values: Values = dict(zip(self._inputs, jax.tree.leaves((state, batch)), strict=True))
        self._before(values)
        if self._loop is not None:
            self._run_loop(values)
            self._after(values)
        outputs = [x.val if isinstance(x, Literal) else values[x] for x in self._outputs]
        return jax.tree.unflatten(self._structure, outputs)

    def _cut_up(self, state: TrainState, batch: Trajectory) -> None:
        closed, shapes = jax.make_jaxpr(self._update, return_shape=True)(state, batch)
        jaxpr = closed.jaxpr
        self._inputs, self._outputs, self._structure = jaxpr.invars, jaxpr.outvars, jax.tree.structure(shapes)
        own = set(jaxpr.invars[: len(jax.tree.leaves(state))])
        at = next((i for i, equation in enumerate(jaxpr.eqns) if _is_loop(equation)), len(jaxpr.eqns))
        self._loop = loop = jaxpr.eqns[at] if at < len(jaxpr.eqns) else None
        rest = [] if loop is None else jaxpr.eqns[at + 1 :]
        later = [x for equation in rest for x in equation.invars] + list(jaxpr.outvars)
        self._before = self._piece(closed, jaxpr.eqns[:at], later + ([] if loop is None else list(loop.invars)), own)
        if loop is not None:
            self._after = self._piece(closed, rest, list(jaxpr.outvars), set())
            start, count = _constants_and_carry(loop)
            self._carried = start, start + count
            self._step = jax.jit(_one_step(loop, start, count), out_shardings=self._sharding)
            self._stack = jax.jit(lambda rows: [*map(jnp.stack, zip(*rows, strict=True))], out_shardings=self._sharding)
            self.programs += [self._step, self._stack]
        self._cut = True

    def _piece(self, closed: ClosedJaxpr, equations: Any, wanted: list[Any], reusable: set[Var]) -> Any:
        """A compiled part that adds to values those `wanted` that it makes; takes the memory of what nobody wants."""
        made = {x for equation in equations for x in equation.outvars}
        taken = dict.fromkeys(x for equation in equations for x in equation.invars if isinstance(x, Var))
        inputs = [x for x in taken if x not in made and x not in closed.jaxpr.constvars]
        outputs = list(dict.fromkeys(x for x in wanted if isinstance(x, Var) and x in made))
        unnamed = closed.jaxpr.debug_info.with_unknown_names()
        part = closed.jaxpr.replace(eqns=list(equations), invars=inputs, outvars=outputs, debug_info=unnamed)
        given_up = [i for i, x in enumerate(inputs) if x in reusable and x not in wanted]
        run = jax.jit(
            jaxpr_as_fun(ClosedJaxpr(part, closed.consts)), donate_argnums=given_up, out_shardings=self._sharding
        )

        self.programs.append(run)

        def piece(values: Values) -> None:
            values.update(zip(outputs, run(*(values[x] for x in inputs)), strict=True))

        return piece

    def _run_loop(self, values: Values) -> None:
        """One step after the other, the next when the one before is done; then `values` has what the loop gives."""
        start, end = self._carried
        operands = [x.val if isinstance(x, Literal) else values[x] for x in self._loop.invars]
        constants, carry, rows = operands[:start], operands[start:end], operands[end:]
        results = []
        for number in range(self._loop.params["length"]):
            changed, row = self._step(constants, carry, rows, jax.device_put(np.int32(number), self._sharding))
            carry = [new if new is not None else old for new, old in zip(changed, carry, strict=True)]
            results.append(jax.block_until_ready(row))
        values.update(zip(self._loop.outvars, [*carry, *self._stack(results)], strict=True))


def _is_loop(equation: Any) -> bool:
    named = GRADIENT_STEPS in str(equation.source_info.name_stack)
    return named and equation.primitive.name == "scan" and equation.params["length"] > 1


def _constants_and_carry(loop: Any) -> tuple[int, int]:
    """How many operands are constants, how many the carry: in a step these are what they are outside, rows are not."""
    inner = loop.params["jaxpr"].jaxpr
    whole, results = (
        sum(x.aval.shape == y.aval.shape for x, y in zip(outer, step, strict=True))
        for outer, step in ((loop.invars, inner.invars), (loop.outvars, inner.outvars))
    )
    return whole - results, results


def _one_step(loop: Any, start: int, count: int) -> Any:
    """Of constants, carry, rows and a number: the carry, None where it stays as it is, and the row of results."""
    inner = loop.params["jaxpr"]
    body, before = jaxpr_as_fun(inner), inner.jaxpr.invars[start : start + count]
    kept = [new is old for new, old in zip(inner.jaxpr.outvars, before, strict=False)]  # such as a replay

    def step(constants: list[Any], carry: list[Any], rows: list[Any], number: int) -> tuple[list[Any], list[Any]]:
        chosen = [jax.lax.dynamic_index_in_dim(x, number, keepdims=False) for x in rows]
        results = body(*constants, *carry, *chosen)
        return [None if same else x for same, x in zip(kept, results, strict=False)], results[count:]

    return step
