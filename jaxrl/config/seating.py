"""How the games of a self-play run are shared out among the policy itself, its frozen copies and scripts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxrl.config.sections import SelfPlayConfig
from jaxrl.errors import ConfigError


class Table(NamedTuple):
    """B games: first `self_play` for the current policy in both seats, then slots of equal size, then scripts.

    All games of a slot have the same frozen opponent, so that it is one pass of a network for each slot, vmapped, and
    not one for each member. The learner has seat 0 in every other game of a slot or script.
    """

    self_play: int
    slots: int
    games_per_slot: int
    scripts: tuple[tuple[str, int], ...] = ()  # name and number of games

    @property
    def num_games(self) -> int:
        """B."""
        return self.self_play + self.num_pool_games + self.num_script_games

    @property
    def num_pool_games(self) -> int:
        """Games against the pool."""
        return self.slots * self.games_per_slot

    @property
    def num_script_games(self) -> int:
        """Games against scripts."""
        return sum(number for _, number in self.scripts)

    @property
    def num_columns(self) -> int:
        """Seats that learn."""
        return 2 * self.self_play + self.num_pool_games + self.num_script_games

    def learner_seats(self) -> np.ndarray:
        """Where the learner sits in the games against others, int32 [pool and script games]."""
        return np.arange(self.num_pool_games + self.num_script_games, dtype=np.int32) % 2

    def learners(self) -> tuple[np.ndarray, np.ndarray]:
        """Game and seat of those that learn, int32 [columns]: both of self-play, the learner's in the others."""
        own = np.arange(self.self_play, dtype=np.int32)
        others = np.arange(self.self_play, self.num_games, dtype=np.int32)
        seat = [np.tile(np.arange(2, dtype=np.int32), self.self_play), self.learner_seats()]
        return np.concatenate([np.repeat(own, 2), others]), np.concatenate(seat)


def make_table(config: SelfPlayConfig, num_games: int) -> Table:
    """Share `num_games` out as nearly as even numbers of games allow.

    Raises:
        ConfigError: shares of games that no slots of an even number of games can have.
    """
    if (shares := sum(config.scripts.values())) > 1 + 1e-9:  # three times a third may be a little more
        raise ConfigError(f"selfplay.scripts must add up to at most 1, got {shares:g}")
    scripts = tuple((name, 2 * round(num_games * share / 2)) for name, share in config.scripts.items())
    for (name, number), share in zip(scripts, config.scripts.values(), strict=True):
        if number < 2:
            raise ConfigError(
                f"selfplay.scripts gives {name} a share of {share:g}, which is less than two of {num_games} games "
                "(runtime.envs_per_pool); raise one of them, or leave it out"
            )
    left = num_games - sum(number for _, number in scripts)
    if left < 0:
        raise ConfigError(
            f"selfplay.scripts gives its players {num_games - left} of {num_games} games (runtime.envs_per_pool), as "
            "each plays an even number of them; change one of them"
        )
    against_pool = round(left * (1 - config.opponents.self_play))
    if left == 0 or config.opponents.self_play == 1 or config.num_slots == 0:
        return Table(left, 0, 0, scripts)
    size = 2 * round(against_pool / config.num_slots / 2)
    if size == 0 or size * config.num_slots > left:
        raise ConfigError(
            f"{left} games (runtime.envs_per_pool without those of scripts) with selfplay.opponents.self_play "
            f"{config.opponents.self_play:g} cannot be shared out to {config.num_slots} slots of at least two games "
            "each; lower selfplay.num_slots (0 for no pool), or change runtime.envs_per_pool"
        )
    return Table(left - size * config.num_slots, config.num_slots, size, scripts)


def unroll_rows(config: SelfPlayConfig, unroll_length: int) -> int:
    """T: room for one seat's actions among `unroll_length` of both; one more row may be carried over from before.

    Raises:
        ConfigError: room for more rows than there can be.
    """
    if config.unroll_rows > unroll_length + 1:
        raise ConfigError(
            f"selfplay.unroll_rows must be at most runtime.unroll_length and one, {unroll_length + 1}, got "
            f"{config.unroll_rows}"
        )
    return config.unroll_rows or max(1, -(-9 * unroll_length // 16))
