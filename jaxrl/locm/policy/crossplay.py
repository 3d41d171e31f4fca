"""Policies of one network against each other, all pairs by one compiled program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import jax
import numpy as np
from jax import Array

from jaxrl.envs.locm.cards import Cards
from jaxrl.envs.locm.state import Version
from jaxrl.locm.match import play_pairs, scores
from jaxrl.locm.policy.seated import policy_player
from jaxrl.locm.policy.weights import Weights


def cross_play(
    policies: Sequence[Weights],
    version: Version,
    games: int,
    tell: Callable[[str], None],
    card_list: Cards | None = None,
    batch: int = 512,
) -> np.ndarray:
    """Row's share of the games won against the column, [M, M]; a half on the diagonal.

    Args:
        policies: of the same network.
        version: of the rules.
        games: of a pair, rounded up to an even number; the same cards for all pairs.
        tell: is told every result as it comes.
        card_list: for version 1.2.
        batch: games played together.
    """
    pairs = max(1, min(games, batch) // 2)

    @jax.jit
    def play(key: Array, first: object, second: object) -> tuple[Array, Array]:
        players = [policy_player(policies[0]._replace(params=params), version) for params in (first, second)]
        return play_pairs(key, (players[0], players[1]), version, pairs, card_list)

    shares, root = np.full((len(policies), len(policies)), 0.5), jax.random.key(0)
    for row, first in enumerate(policies):
        for column in range(row):
            second = policies[column]
            ask = partial(play, first=first.params, second=second.params)
            keys = [jax.random.fold_in(root, number) for number in range(-(-games // (2 * pairs)))]
            wins = np.concatenate([scores(*jax.device_get(ask(key)))[0] for key in keys])[: -(-games // 2)]
            shares[row, column], shares[column, row] = wins.mean(), 1 - wins.mean()
            tell(f"{first.name} wins {wins.mean():.1%} of {wins.size} games against {second.name}")
    return shares
