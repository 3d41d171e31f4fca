"""`jaxrl evaluate` of a game of two players: the newest policy against each of the game's scripted players."""

from __future__ import annotations

import math
import sys
from typing import Any

import jax
import yaml

from jaxrl.config.parsing import write_config
from jaxrl.errors import ConfigError
from jaxrl.locm.match import match
from jaxrl.locm.players import PLAYERS
from jaxrl.locm.policy.card_game import CardGame
from jaxrl.locm.policy.seated import policy_player
from jaxrl.locm.policy.weights import as_weights
from jaxrl.record.leaves import flatten
from jaxrl.run.experiment import EVALUATION_KEY
from jaxrl.run.trained import Trained
from jaxrl.selfplay.scripted import make_contest

GAMES = 2000  # against each player
RUNGS = ("random", "greedy", "scored")  # of the card game, from the weakest
Z95 = 1.96


def climb(trained: Trained, games: int | None, greedy: bool) -> dict[str, Any]:
    """Share of the games won against each script, its 95 % interval, and as the score the result against the last one.

    Matches of the card game are of mirrored pairs: the same cards and shuffles with exchanged seats. A game that is cut
    off counts as half.

    Args:
        trained: a run's policy.
        games: against each; 2,000 if None.
        greedy: whether it takes its most probable action.
    """
    number, experiment = games or GAMES, trained.experiment
    result: dict[str, Any] = {
        "protocol": "",
        "policy": "greedy" if greedy else "sampled",
        "episodes": number,  # against each
        "games": number,
        "cut_episodes": 0,
        "missing_episodes": 0,
        "min_return": -1.0,
        "max_return": 1.0,
    }
    if isinstance(experiment.env, CardGame):
        return result | _card_matches(trained, experiment.env, number, greedy)
    if not greedy:
        raise ConfigError(f"{trained.name} is scored by its most probable actions only; leave --no-greedy out")
    game: Any = experiment.env
    for name, script in game.scripts.items():
        contest = jax.jit(make_contest(experiment.agent, game, script, number))
        share = float(contest(trained.state, experiment.key(EVALUATION_KEY)))
        result |= _rung(name, share, math.sqrt(share * (1 - share) / number))
    return result


def _card_matches(trained: Trained, game: CardGame, number: int, greedy: bool) -> dict[str, Any]:
    experiment, result = trained.experiment, {}
    arrays = {leaf.path: leaf.array for leaf in flatten({"state": trained.state}) if leaf.array is not None}
    weights = as_weights(trained.name, yaml.safe_load(write_config(experiment.config)), arrays)
    own = policy_player(weights, game.version, sampled=not greedy)
    for name in RUNGS:
        print(f"evaluating: {number} games against {name}", file=sys.stderr, flush=True)
        played = match((own, PLAYERS[name](game.version)), game.version, number, experiment.config.seed, game.card_list)
        low, high = played.interval()
        result |= _rung(name, played.win_rate, (high - low) / 2 / Z95)
        result |= {f"against_{name}_low": low, f"against_{name}_high": high, f"against_{name}_cut": played.truncated}
    random = match(
        (PLAYERS["random"](game.version), PLAYERS[RUNGS[-1]](game.version)),
        game.version,
        min(number, 200),
        0,
        game.card_list,
    )
    return result | {"random_return": 2 * random.win_rate - 1}


def _rung(name: str, share: float, error: float) -> dict[str, Any]:
    """The entries of one match; the later ones take the place of what the score was before."""
    return {
        f"against_{name}": share,
        "mean_return": 2 * share - 1,
        "standard_error": 2 * error,
        "score_against": name,
    }
