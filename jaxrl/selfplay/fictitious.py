"""`runtime.kind: selfplay`: learning from games of two players, as a `Runtime` (`jaxrl.runtime.seam`).

One jitted call makes an update, the pool's book-keeping included (`jaxrl.selfplay.period`), and everything that a run
is goes through it, so that it is saved and resumed at any update, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrl.config.sections import SelfPlayConfig
from jaxrl.runtime.exchange import StopSignal
from jaxrl.runtime.seam import Announce, ignore
from jaxrl.selfplay.frozen import Pool
from jaxrl.selfplay.games import TwoPlayerGame
from jaxrl.selfplay.period import Carry, Ended, Period
from jaxrl.selfplay.scripted import make_contest, win_rate
from jaxrl.selfplay.seats import Play
from jaxrl.types import Agent, Array, Episode, Key, TrainState, Update

CONTEST_STREAM = 0x636F_6E74


class SelfPlayStanding(NamedTuple):
    """What a checkpoint must hold beside the train state."""

    play: Play
    pool: Pool
    met: jax.Array
    key: Key
    scores: Mapping[str, Array]  # of the newest matches against scripts, float32 []


class SelfPlay:
    """A `Runtime` of one program, on one device or several.

    Args:
        agent: see `make_period`.
        game: see `make_period`.
        period: as made by `make_period`.
        config: which matches are played beside the training.
        keys: of the agent, the games and the actors.
    """

    def __init__(
        self,
        agent: Agent,
        game: TwoPlayerGame,
        period: Period,
        config: SelfPlayConfig,
        keys: tuple[Key, Key, Key],
    ) -> None:
        self._config = config
        self._key = jax.random.fold_in(keys[2], CONTEST_STREAM)
        self._update = jax.jit(period.update, donate_argnums=0)
        scripts = {name: game.scripts[name] for name in config.evaluate if config.evaluate_every}
        self._contest = jax.jit(make_contest(agent, game, scripts, config.evaluate_games)) if scripts else None
        self._scores = {name: np.float32(0.5) for name in scripts}
        self.signal = StopSignal()
        self._carry: Carry = period.init(*keys)
        self.updates_done = 0

    @property
    def state(self) -> TrainState:
        """After the last complete update."""
        return self._carry.state

    @property
    def pool(self) -> Pool:
        """After the last complete update."""
        return self._carry.pool

    def load(self, state: TrainState, standing: SelfPlayStanding | None) -> None:
        # Copies, because an update reuses the memory of what it was given.
        carry = self._carry._replace(state=state)
        if standing is not None:
            carry = Carry(state, standing.play, standing.pool, standing.met, standing.key)
            self._scores = {name: np.float32(score) for name, score in standing.scores.items()}
        places = jax.tree.map(lambda x: x.sharding, self._carry)
        self._carry = jax.device_put(jax.tree.map(lambda x: x.copy(), carry), places)
        self.updates_done = int(state.updates)

    def standing(self) -> SelfPlayStanding:
        _, play, pool, met, key = self._carry
        return SelfPlayStanding(play, pool, met, key, self._scores)

    def __enter__(self) -> SelfPlay:
        return self

    def __exit__(self, *exc: Any) -> None: ...

    def updates(self, announce: Announce = ignore) -> Iterator[Update]:
        del announce  # there is one host
        while not self.signal.stopped:
            self._carry, (metrics, env_steps, ended) = self._update(self._carry)
            self.updates_done += 1
            told, number = jax.device_get((ended, env_steps))
            if self._contest is not None and self.updates_done % self._config.evaluate_every == 0:
                returns = self._contest(self._carry.state, jax.random.fold_in(self._key, self.updates_done))
                self._scores = {name: np.float32(win_rate(each)) for name, each in returns.items()}
            metrics = {
                **metrics,
                **{f"selfplay/against_{name}": score for name, score in self._scores.items()},
            }
            yield Update(metrics, int(number), list(_episodes(told)), 0.0, {})


def _episodes(ended: Ended) -> Iterator[Episode]:
    """The games against others; those of the policy with itself add up to nothing."""
    for row, game in np.argwhere(ended.there):
        yield Episode(0, int(game), float(ended.result[row, game]), int(ended.length[row, game]))
