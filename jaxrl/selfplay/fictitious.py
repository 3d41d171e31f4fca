"""Fictitious play in practice: learning periods one after the other, in the arXiv 2303.04096 form.

    for each learning period:
        each game: against the current policy with probability p, else against a member of the pool, drawn by f
        learn from it; note the result against each member
        if every member is beaten, or after `patience` periods: a copy of the policy joins the pool

What happens within a period is one compiled program (`jaxrl.selfplay.period`); this is the loop around it, which can be
stopped, saved and gone on with between two periods.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import jax

from jaxrl.runtime.exchange import StopSignal
from jaxrl.selfplay.frozen import Pool
from jaxrl.selfplay.period import Carry, Period, Report
from jaxrl.selfplay.seats import Play
from jaxrl.types import Key, TrainState


class Standing(NamedTuple):
    """What a checkpoint between two periods must hold beside the train state."""

    play: Play
    pool: Pool
    key: Key


class FictitiousPlay:
    """A run; iterate over `periods()`.

    Args:
        period: as made by `make_period`.
        keys: of the agent, the games and the actors.
    """

    def __init__(self, period: Period, keys: tuple[Key, Key, Key]):
        self._carry: Carry = jax.jit(period.init)(*keys)
        self._run = jax.jit(period.run, donate_argnums=0)
        self.signal = StopSignal()

    @property
    def state(self) -> TrainState:
        """After the last complete period."""
        return self._carry.state

    @property
    def pool(self) -> Pool:
        """After the last complete period."""
        return self._carry.pool

    def periods(self) -> Iterator[Report]:
        """One report a learning period, without end; returns when `signal.stop()` was called."""
        while not self.signal.stopped:
            self._carry, report = self._run(self._carry)
            yield report

    def standing(self) -> Standing:
        """With `state` all that `load` needs; valid until the next period begins."""
        return Standing(self._carry.play, self._carry.pool, self._carry.key)

    def load(self, state: TrainState, standing: Standing) -> None:
        """Go on from a checkpoint, bit for bit."""
        # Copies, because a period reuses the memory of what it was given.
        self._carry = jax.tree.map(lambda x: x.copy(), Carry(state, *standing))
