"""A policy against the scripted players, the rungs by which policies are compared."""

from __future__ import annotations

import sys
from typing import Any

from jaxrl.envs.locm.cards import Cards
from jaxrl.envs.locm.state import Version
from jaxrl.locm.match import Z95, match
from jaxrl.locm.players import PLAYERS
from jaxrl.locm.policy.seated import policy_player
from jaxrl.locm.policy.weights import Weights

RUNGS = ("random", "greedy", "scored")  # from the weakest
GAMES_OF_RANDOM = 200


def climb(
    weights: Weights, version: Version, card_list: Cards | None, games: int, seed: int, sampled: bool
) -> dict[str, Any]:
    """Share of the games won against each rung with its 95 % interval; the score is the result against the last one.

    Games come in mirrored pairs: the same cards and shuffles with exchanged seats. One that is cut off is half.
    """
    own, result = policy_player(weights, version, sampled), {}
    for name in RUNGS:
        print(f"evaluating: {games} games against {name}", file=sys.stderr, flush=True)
        played = match((own, PLAYERS[name](version)), version, games, seed, card_list)
        low, high = played.interval()
        result |= {
            f"against_{name}": played.win_rate,
            f"against_{name}_low": low,
            f"against_{name}_high": high,
            f"against_{name}_cut": played.truncated,
            "mean_return": 2 * played.win_rate - 1,
            "standard_error": (high - low) / Z95,
            "score_against": name,
        }
    last = PLAYERS[RUNGS[-1]](version)
    random = match((PLAYERS["random"](version), last), version, min(games, GAMES_OF_RANDOM), seed, card_list)
    return result | {"random_return": 2 * random.win_rate - 1}
